"""The containers and volumes of a workload, and what of a spec is no workload."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.factory import BUILD_FILES, WORKLOAD
from tests.unit.world import World, change

from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.api.v1alpha1.workload import MOST_REFERENCES, WorkloadSpec
from nested_docker.domain.manifests.workload import containers_with_secrets
from nested_docker.domain.status.reasons import Type

Json = dict[str, Any]
MARK = "nesteddocker.dev/containers-with-secrets"


def made(workload: Json, mode: str = "Dind") -> Json:
    world = World({"mode": mode, "workload": workload})
    world.settle()
    return world.pod()


def containers(pod: Json) -> dict[str, Json]:
    listed = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    return {each["name"]: each for each in listed}


# --- what it becomes --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["Dind", "Sysbox", "HostSocket"])
def test_variables_are_as_in_the_spec(mode: str) -> None:
    found = containers(made(BUILD_FILES, mode))
    assert [each for each in found["fetch"]["env"] if each["name"] == "TOKEN"] == BUILD_FILES["initContainers"][0][
        "env"
    ]
    builder = BUILD_FILES["containers"][0]
    names = {each["name"] for each in builder["env"]}
    assert [each for each in found["builder"]["env"] if each["name"] in names] == builder["env"]
    assert found["builder"]["envFrom"] == builder["envFrom"]
    assert "envFrom" not in found["other"]


@pytest.mark.parametrize("mode", ["Dind", "Sysbox", "HostSocket"])
def test_volumes_are_as_in_the_spec_under_names_of_their_own(mode: str) -> None:
    volumes = {each["name"]: each for each in made(BUILD_FILES, mode)["spec"]["volumes"]}
    assert {name: volume for name, volume in volumes.items() if name.startswith("workload-")} == {
        "workload-ssh": {"name": "workload-ssh", "secret": {"secretName": "deploy-key", "defaultMode": 256}},
        "workload-files": {
            "name": "workload-files",
            "configMap": {"name": "files", "items": [{"key": "a", "path": "b/c", "mode": 420}]},
        },
        "workload-tokens": {
            "name": "workload-tokens",
            "projected": {"sources": [{"secret": {"name": "npm"}}, {"configMap": {"name": "more", "optional": True}}]},
        },
        "workload-scratch": {"name": "workload-scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        "workload-src": {"name": "workload-src", "emptyDir": {}},
    }


@pytest.mark.parametrize(("mode", "shares"), [("Dind", True), ("Sysbox", True), ("HostSocket", False)])
def test_a_shared_volume_has_one_path_everywhere(mode: str, *, shares: bool) -> None:
    """The node's daemon, behind a relay, would not find it there."""
    found = containers(made(BUILD_FILES | {"restartPolicy": "Always"}, mode))
    mount = {"name": "workload-src", "mountPath": "/builds/src"}
    assert [name for name, each in found.items() if mount in each["volumeMounts"]] == [
        *(["daemon"] if shares else []),
        "fetch",
        "builder",
        "other",
    ]


def test_other_volumes_are_only_where_they_are_mounted() -> None:
    found = containers(made(BUILD_FILES))
    where = {
        name: [each for each in container["volumeMounts"] if each["name"].startswith("workload-")]
        for name, container in found.items()
    }
    src = {"name": "workload-src", "mountPath": "/builds/src"}
    assert where == {
        "daemon": [src],
        "fetch": [src, {"name": "workload-ssh", "mountPath": "/root/.ssh", "readOnly": True}],
        "builder": [
            src,
            {"name": "workload-tokens", "mountPath": "/root/.npmrc", "subPath": "npmrc"},
            {"name": "workload-scratch", "mountPath": "/scratch"},
        ],
        "other": [src, {"name": "workload-files", "mountPath": "/files"}],
    }


def test_containers_with_something_of_a_secret_are_marked() -> None:
    assert made(BUILD_FILES)["metadata"]["annotations"][MARK] == "fetch,builder"


@pytest.mark.parametrize(
    ("fields", "marked"),
    [
        ({}, []),
        ({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}]}, ["main"]),
        ({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}]}, []),
        ({"envFrom": [{"secretRef": {"name": "a"}}]}, ["main"]),
        ({"envFrom": [{"configMapRef": {"name": "a"}}]}, []),
        ({"volumeMounts": [{"name": "secret", "mountPath": "/a"}]}, ["main"]),
        ({"volumeMounts": [{"name": "both", "mountPath": "/a"}]}, ["main"]),
        ({"volumeMounts": [{"name": "files", "mountPath": "/a"}]}, []),
    ],
)
def test_only_those(fields: Json, marked: list[str]) -> None:
    volumes = [
        {"name": "secret", "secret": {"secretName": "a"}},
        {"name": "files", "configMap": {"name": "a"}},
        {"name": "both", "projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "a"}}]}},
    ]
    spec = {"containers": [{"name": "main", "image": "i"} | fields], "volumes": volumes}
    assert containers_with_secrets(WorkloadSpec.model_validate(spec)) == marked


@pytest.mark.parametrize("workload", [None, WORKLOAD])
def test_without_secrets_there_is_no_mark(workload: Json | None) -> None:
    world = World({"mode": "Dind"} | ({"workload": workload} if workload else {}))
    world.settle()
    assert MARK not in world.pod()["metadata"]["annotations"]


def test_a_changed_reference_is_a_new_pod() -> None:
    always = BUILD_FILES | {"restartPolicy": "Always"}
    world = World({"mode": "Dind", "workload": always})
    world.settle()
    changed = always | {"volumes": [{"name": "ssh", "secret": {"secretName": "other"}}, *always["volumes"][1:]]}
    before = world.pod()["metadata"]["name"]
    change(world, spec={"mode": "Dind", "workload": changed})
    world.settle()
    assert world.pod()["metadata"]["name"] != before


def test_a_container_without_its_secret_is_named_in_the_status() -> None:
    world = World({"mode": "Dind", "workload": BUILD_FILES | {"restartPolicy": "Always"}})
    world.settle()
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "npm" not found'}
    pod = world.pod()
    others = [each for each in pod["status"].get("containerStatuses", []) if each["name"] != "builder"]
    pod["status"]["containerStatuses"] = [*others, {"name": "builder", "state": {"waiting": waiting}}]
    world.step()
    provisioned = world.status.condition(Type.PROVISIONED)
    assert provisioned is not None
    assert provisioned.message == (
        'every object exists, but container builder cannot start (CreateContainerConfigError: secret "npm" not found)'
    )
    assert world.status.holds(Type.READY), "clients of the daemon go on"


# --- what it may not be ------------------------------------------------------------------------------


def refusal(workload: Json) -> str:
    with pytest.raises(ValidationError) as refused:
        NestedDockerSpec.model_validate({"workload": workload})
    return str(refused.value)


def one(volumes: list[Json] | None = None, **container: Any) -> Json:
    return {"containers": [{"name": "main", "image": "i"} | container], "volumes": volumes or []}


def shared(*paths: str) -> list[Json]:
    return [{"name": f"v{number}", "emptyDir": {}, "sharedPath": path} for number, path in enumerate(paths)]


@pytest.mark.parametrize(
    "path",
    [
        "/certs",
        "/certs/server",
        "/var/lib/docker",
        "/var",
        "/run/nested-docker",
        "/run",
        "/etc/nested-docker/ca",
        "/usr/local/bin",
        "/proc/self",
        "/sys/fs/cgroup",
        "/dev/shm",
        "/root/.docker",
        "/tmp",
        "/workspace",
        "/workspace/src",
        "/lib64",
    ],
)
def test_a_shared_volume_covers_nothing_of_the_daemons(path: str) -> None:
    assert "a daemon has its files in /bin, /boot, /certs" in refusal(one(shared(path)))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//var/lib/docker",
        "/builds/../var/lib/docker",
        "/./var",
        "/builds/..",
        "/builds/",
        "/builds//src",
        "builds",
        "/builds/\nvar",
        "/a b",
    ],
)
def test_a_path_has_one_form(path: str) -> None:
    assert "String should match pattern" in refusal(one(shared(path)))
    mount = {"name": "files", "mountPath": path}
    assert "String should match pattern" in refusal(
        one([{"name": "files", "configMap": {"name": "f"}}], volumeMounts=[mount])
    )


@pytest.mark.parametrize("path", ["/builds", "/home/ci/agent", "/__w/repo", "/srv", "/variant", "/certs2", "/.cache"])
def test_other_directories_may_be_shared(path: str) -> None:
    spec = NestedDockerSpec.model_validate({"workload": one(shared(path))})
    assert spec.workload is not None
    assert spec.workload.shared_volumes == [("v0", path)]


@pytest.mark.parametrize("paths", [("/a", "/a"), ("/a", "/a/b"), ("/a/b/c", "/a"), ("/x", "/a/b", "/a/b/c")])
def test_shared_volumes_are_not_in_each_other(paths: tuple[str, ...]) -> None:
    assert "overlaps with" in refusal(one(shared(*paths)))


FILES: list[Json] = [{"name": "files", "configMap": {"name": "f"}}, {"name": "dir", "emptyDir": {}}]


def mounts(**fields: Any) -> Json:
    return one([*FILES, *shared("/builds")], volumeMounts=[{"name": "files", "mountPath": "/files"} | fields])


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        (mounts(name="none"), "containers[main].volumeMounts[none]: volumes has no none: add it, or correct the name"),
        (mounts(mountPath="/builds"), "/builds is taken by another volume: use another path"),
        (mounts(mountPath="/workspace"), "/workspace and /run/nested-docker, with the daemon's socket, are mounted"),
        (mounts(mountPath="/run/nested-docker"), "are mounted anyway: use another path"),
        (mounts(mountPath="/run/nested-docker/docker.sock"), "are mounted anyway: use another path"),
        (mounts(name="dir", subPath="a"), "subPath is not for an emptyDir: mount all of it, and use workingDir"),
        (mounts(name="v0", subPath="a"), "subPath is not for an emptyDir"),
        (mounts(subPath="../a"), "subPath"),
        (mounts(subPath="a/../../b"), "subPath"),
        (mounts(subPath="/etc/passwd"), "subPath"),
        (mounts(subPath=".."), "subPath"),
        (
            one(FILES, volumeMounts=[{"name": "files", "mountPath": "/a"}, {"name": "dir", "mountPath": "/a"}]),
            "/a is taken by another volume",
        ),
    ],
)
def test_a_mount_that_cannot_be_is_refused(workload: Json, words: str) -> None:
    assert words in refusal(workload)
    first = workload["containers"][0] | {"name": "first"}
    init = workload | {"containers": [{"name": "main", "image": "i"}], "initContainers": [first]}
    assert words.replace("containers[main]", "initContainers[first]") in refusal(init)


KEYS = "build-0a1b2-tls"


@pytest.mark.parametrize(
    "workload",
    [
        one(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": KEYS, "key": "key.pem"}}}]),
        one(envFrom=[{"secretRef": {"name": KEYS}}]),
        one([{"name": "a", "secret": {"secretName": KEYS}}]),
        one([{"name": "a", "projected": {"sources": [{"secret": {"name": KEYS}}]}}]),
        one(envFrom=[{"secretRef": {"name": "nd-0123456789-abcde-tls"}}]),
    ],
)
def test_keys_of_a_daemon_are_for_no_workload(workload: Json) -> None:
    assert "has the keys of a daemon, which no workload gets" in refusal(workload)


@pytest.mark.parametrize("name", ["web-tls", "build-docker", "registry-tls", "a-0a1b2-tls2", "a-0A1b2".lower()])
def test_other_secrets_are(name: str) -> None:
    NestedDockerSpec.model_validate({"workload": one(envFrom=[{"secretRef": {"name": name}}])})


def test_the_items_of_a_volume_stay_in_it() -> None:
    for path in ("../a", "/etc/a", "a/../../b", "..", "a/", ""):
        items = [{"key": "k", "path": path}]
        assert "items" in refusal(one([{"name": "a", "secret": {"secretName": "s", "items": items}}]))


@pytest.mark.parametrize(
    "path",
    ["metadata.managedFields", "spec.containers", "metadata.labels", "spec.serviceAccountName", "status.phase", "x"],
)
def test_a_field_of_the_pod_is_one_that_kubernetes_takes(path: str) -> None:
    assert "fieldPath" in refusal(one(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}]))


def test_the_webhook_is_not_made_to_ask_without_end() -> None:
    most = [{"secretRef": {"name": f"s{number}"}} for number in range(16)]
    files = [{"name": f"v{number}", "secret": {"secretName": f"t{number}"}} for number in range(12)]
    values = [
        {"name": f"V{number}", "valueFrom": {"configMapKeyRef": {"name": f"s{number}", "key": "k"}}}
        for number in range(5)
    ]
    NestedDockerSpec.model_validate({"workload": one(files, envFrom=most, env=values[:4])})
    words = f"refers to {MOST_REFERENCES + 1} Secrets and ConfigMaps, and may to {MOST_REFERENCES}"
    assert words in refusal(one(files, envFrom=most, env=values))
