"""The daemon as a sidecar: what the pod gets, and which pods and classes cannot have it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import class_spec
from tests.unit.domain.injection.pods import Pod, pod
from tests.unit.domain.injection.sidecars import HOST, NO_TLS, SOCKET, WORKSPACE, asking, daemon, inject, judged

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1.nested_docker_class import InjectionForm
from nested_docker.domain.injection.request import (
    InjectionError,
    InjectionRequest,
    chosen_containers,
    injection_request,
)
from nested_docker.domain.injection.sidecar import chosen_form, mounts_of_clients, sidecar_mode
from nested_docker.domain.names import ANNOTATION_GRANTED_BY, ANNOTATION_INJECT_CONTAINERS, ANNOTATION_INJECT_FORM

ELSEWHERE = "or choose form Remote by the annotation nesteddocker.dev/inject-form"

# --- what the pod gets ------------------------------------------------------------------------------


def test_the_daemon_is_the_first_native_sidecar_and_answers_before_others_start() -> None:
    injected = inject(asking())
    first, *others = injected["spec"]["initContainers"]
    assert [each["name"] for each in others] == ["mesh", "clone"]
    assert (first["name"], first["restartPolicy"]) == ("nested-docker", "Always")
    assert first["startupProbe"]["exec"]["command"][0] == "docker"


def test_the_daemon_is_root_whatever_the_pod_says() -> None:
    root = {"privileged": True, "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": False}
    assert daemon(inject(asking()))["securityContext"] == root
    profile = {"type": "Localhost", "localhostProfile": "job"}
    confined = asking(securityContext={"runAsNonRoot": True, "appArmorProfile": profile})
    assert daemon(inject(confined))["securityContext"] == root | {"appArmorProfile": {"type": "Unconfined"}}
    own = {"mode": "Dind", "appArmorProfile": {"type": "Localhost", "localhostProfile": "dockerd"}}
    assert daemon(inject(confined, class_spec(securityModules=[own])))["securityContext"] == root | {
        "appArmorProfile": own["appArmorProfile"]
    }


def test_the_daemon_has_neither_tls_nor_a_port_nor_a_secret() -> None:
    injected = inject(asking())
    first = daemon(injected)
    assert "ports" not in first
    assert [each for each in first["args"] if "tcp:" in each or "tls" in each] == []
    assert [each for each in injected["spec"]["volumes"] if "secret" in each] == []


def test_the_daemon_has_the_volumes_of_its_clients_at_the_same_paths() -> None:
    mounts = daemon(inject(asking()))["volumeMounts"]
    assert WORKSPACE in mounts
    assert {"name": "nested-docker-data", "mountPath": "/var/lib/docker"} in mounts


def test_the_clients_have_the_socket_and_keep_what_they_have() -> None:
    own = {"name": "URL", "value": "$(DOCKER_HOST)"}
    given = asking(containers=[{"name": "build", "env": [own], "volumeMounts": [WORKSPACE]}])
    injected = inject(given)
    (build,) = injected["spec"]["containers"]
    mounts = [WORKSPACE, SOCKET | {"readOnly": True}]
    assert build == {"name": "build", "env": [HOST, *NO_TLS, own], "volumeMounts": mounts}
    assert injected["spec"]["initContainers"][1] == {"name": "mesh", "restartPolicy": "Always"}
    assert injected["metadata"]["annotations"] == {ANNOTATION_INJECT_FORM: "Sidecar", ANNOTATION_GRANTED_BY: "all"}
    assert injected["metadata"]["labels"] == given["metadata"]["labels"]
    assert "schedulingGates" not in injected["spec"]


@pytest.mark.parametrize(
    ("context", "after"),
    [
        (None, {"supplementalGroups": [2375]}),
        ({"fsGroup": 1, "supplementalGroups": [7]}, {"fsGroup": 1, "supplementalGroups": [7, 2375]}),
    ],
)
def test_clients_that_are_not_root_have_the_group_of_the_socket(context: Any, after: dict[str, Any]) -> None:
    spec = {} if context is None else {"securityContext": context}
    assert inject(asking(**spec))["spec"]["securityContext"] == after


def test_a_pod_without_init_containers_gets_its_first() -> None:
    given = asking()
    del given["spec"]["initContainers"]
    assert [each["name"] for each in inject(given)["spec"]["initContainers"]] == ["nested-docker"]


def test_only_the_volumes_of_the_named_containers_are_shared() -> None:
    given = asking()
    given["metadata"]["annotations"] = {ANNOTATION_INJECT_CONTAINERS: "helper"}
    injected = inject(given)
    assert WORKSPACE not in daemon(injected)["volumeMounts"]
    assert "env" not in injected["spec"]["containers"][0]


def test_the_class_s_resources_image_and_template_apply() -> None:
    template = {"spec": {"containers": [{"name": "daemon", "env": [{"name": "A", "value": "b"}]}]}}
    offered = class_spec(
        resources={"limits": {"cpu": "1"}},
        engine={"image": "docker:28-dind", "caBundleRef": {"name": "authorities", "key": "ca.crt"}},
        podTemplate=template,
    )
    injected = inject(asking(), offered)
    first = daemon(injected)
    assert (first["image"], first["resources"]["limits"]) == ("docker:28-dind", {"cpu": "1"})
    assert {"name": "A", "value": "b"} in first["env"]
    bundle = next(each for each in injected["spec"]["volumes"] if each["name"] == "nested-docker-ca-bundle")
    assert bundle["configMap"]["name"] == "authorities"
    assert judged(injected, offered) == ""


# --- which pods cannot have it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"hostNetwork": True}, "spec.hostNetwork is true"),
        ({"hostPID": True}, "spec.hostPID is true"),
        ({"shareProcessNamespace": True}, "spec.shareProcessNamespace is true"),
        ({"hostUsers": False}, "spec.hostUsers is false"),
        ({"os": {"name": "windows"}}, "spec.os.name is windows"),
        ({"runtimeClassName": "kata"}, "spec.runtimeClassName is kata"),
    ],
)
def test_a_pod_that_the_daemon_cannot_share_is_denied(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InjectionError, match=message) as error:
        inject(asking(**spec))
    assert str(error.value).endswith(ELSEWHERE)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"podTemplate": {"spec": {"nodeSelector": {"a": "b"}}}}, "podTemplate.spec.nodeSelector of"),
        ({"podTemplate": {"metadata": {"labels": {"a": "b"}}}}, "podTemplate.metadata of"),
        (
            {"podTemplate": {"spec": {"containers": [{"name": "logs", "image": "x"}]}}},
            "podTemplate.spec.containers[logs] of",
        ),
        ({"engine": {"imagePullSecrets": [{"name": "registry"}]}}, "engine.imagePullSecrets of"),
        ({"evictions": "Denied"}, "evictions: Denied of"),
        ({"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}, "storage.type Claim of"),
        ({"runtimeClassName": "kata"}, "set it to kata"),
        ({"lifetime": {"activeDeadlineSeconds": 60}}, "spec.activeDeadlineSeconds is empty"),
        ({"podNamespace": "daemons"}, "runs its daemons in namespace daemons"),
    ],
)
def test_a_class_that_has_more_than_a_container_is_denied(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InjectionError) as error:
        inject(asking(), class_spec(**fields))
    assert message in str(error.value)
    assert "NestedDockerClass standard" in str(error.value)


@pytest.mark.parametrize(("given", "allowed"), [(60, True), (59, True), (61, False)])
def test_a_pod_ends_as_soon_as_its_class_says(given: int, allowed: bool) -> None:
    offered = class_spec(lifetime={"activeDeadlineSeconds": 60})
    if allowed:
        assert daemon(inject(asking(activeDeadlineSeconds=given), offered))
        return
    with pytest.raises(InjectionError, match=r"spec.activeDeadlineSeconds is 61.*set it to 60 at most"):
        inject(asking(activeDeadlineSeconds=given), offered)


# --- volumes ----------------------------------------------------------------------------------------


def mounts_of(*mounts: dict[str, Any]) -> list[dict[str, Any]]:
    containers = [{"name": f"c{number}", "volumeMounts": [mount]} for number, mount in enumerate(mounts)]
    given = pod(containers=containers, initContainers=[])
    return mounts_of_clients(chosen_containers(given, InjectionRequest("standard")))


def test_a_volume_is_writable_if_it_is_for_one_container() -> None:
    assert mounts_of(WORKSPACE | {"readOnly": True}, WORKSPACE) == [WORKSPACE]
    assert mounts_of(WORKSPACE, WORKSPACE | {"readOnly": True}) == [WORKSPACE]
    assert mounts_of(WORKSPACE | {"readOnly": True}) == [WORKSPACE | {"readOnly": True}]


def test_a_volume_may_have_several_paths() -> None:
    other = WORKSPACE | {"mountPath": "/src", "subPath": "src"}
    assert mounts_of(WORKSPACE, other) == [WORKSPACE, other]


@pytest.mark.parametrize(
    "other",
    [
        WORKSPACE | {"name": "cache"},
        WORKSPACE | {"subPath": "x"},
        WORKSPACE | {"name": "cache", "mountPath": "builds"},
        WORKSPACE | {"name": "cache", "mountPath": "//builds/"},
    ],
)
def test_different_volumes_at_a_path_are_denied(other: dict[str, Any]) -> None:
    with pytest.raises(InjectionError, match="at /builds container c0 has volume workspace, and container c1 has"):
        mounts_of(WORKSPACE, other)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/var",
        "/var/lib",
        "/var/lib/docker",
        "/var/lib/docker/volumes",
        "/var/run",
        "/run",
        "/var/run/docker.sock",
        "/var/run/nested-docker",
        "/etc",
        "/etc/docker/certs.d",
        "/usr",
        "/usr/local",
        "/usr/local/bin",
        "/proc",
        "/sys/fs/cgroup",
        "/dev",
        "usr/local/bin",
        "//usr/local/bin",
        "/opt/../usr/local/bin",
        "/usr/local/bin/docker",
        "/usr/bin/dockerd",
        "bin//sh",
    ],
)
def test_a_volume_cannot_hide_what_the_daemon_needs(path: str) -> None:
    with pytest.raises(InjectionError, match=r"volumeMounts of container c0: .*(choose another|use a) path"):
        mounts_of(WORKSPACE | {"mountPath": path})


@pytest.mark.parametrize(
    "path",
    [
        "/usr/src/app",
        "/home/runner/_work",
        "/dev/shm",
        "/etc/gitconfig",
        "/var/run/secrets/kubernetes.io/serviceaccount",
        "/var/jenkins_home",
        "/tmp",
        "/opt",
        "/usr/local/bin/kubectl",
    ],
)
def test_the_usual_places_of_ci_systems_are_shared(path: str) -> None:
    assert mounts_of(WORKSPACE | {"mountPath": path}) == [WORKSPACE | {"mountPath": path}]


def unpacking(maker: dict[str, Any], part: str, source: dict[str, Any] | None = None) -> Pod:
    """A pod whose init container fills a volume, as that of Argo Workflows does, and whose job has a part of it."""
    return asking(
        volumes=[{"name": "inputs", **(source or {"emptyDir": {}})}],
        initContainers=[{"name": "init", "volumeMounts": [{"name": "inputs", "mountPath": "/inputs"} | maker]}],
        containers=[
            {"name": "main", "volumeMounts": [{"name": "inputs", "mountPath": "/src", "subPath": part}]},
        ],
    )


@pytest.mark.parametrize(("maker", "part"), [({}, "repo"), ({}, "a/b"), ({"subPath": "a"}, "a/b/c")])
def test_a_part_of_a_volume_that_an_init_container_makes_is_denied(maker: dict[str, Any], part: str) -> None:
    with pytest.raises(InjectionError, match=f"main: init container init may make subPath {part} of volume inputs"):
        inject(unpacking(maker, part))


@pytest.mark.parametrize(
    ("maker", "part", "source"),
    [
        ({"subPath": "repo"}, "repo", None),
        ({"subPath": "other"}, "repo", None),
        ({"subPath": "re"}, "repo", None),
        ({"readOnly": True}, "repo", None),
        ({}, "repo", {"configMap": {"name": "settings"}}),
    ],
)
def test_a_part_of_a_volume_that_is_there_is_shared(maker: dict[str, Any], part: str, source: Any) -> None:
    injected = inject(unpacking(maker, part, source))
    assert {"name": "inputs", "mountPath": "/src", "subPath": part} in daemon(injected)["volumeMounts"]
    assert judged(injected) == ""


def test_an_init_container_may_have_a_part_of_its_own_volume() -> None:
    both = [WORKSPACE, WORKSPACE | {"mountPath": "/cache", "subPath": "cache"}]
    assert judged(inject(asking(initContainers=[{"name": "clone", "volumeMounts": both}]))) == ""


def test_a_path_with_variables_is_denied() -> None:
    with pytest.raises(InjectionError, match="use subPath"):
        mounts_of(WORKSPACE | {"subPathExpr": "$(JOB)"})


def test_a_block_device_is_denied_because_the_daemon_may_have_another_one_there() -> None:
    device = {"name": "disk", "devicePath": "/dev/xvda"}
    given = asking(containers=[{"name": "build", "volumeDevices": [device]}, {"name": "helper"}])
    with pytest.raises(InjectionError, match=r"volumeDevices of container build: .* /dev/xvda, .*node.*form Remote"):
        inject(given)
    given["metadata"]["annotations"] = {ANNOTATION_INJECT_CONTAINERS: "helper"}
    assert judged(inject(given)) == ""


# --- which classes have it --------------------------------------------------------------------------


def test_the_class_decides_for_a_pod_that_names_no_form() -> None:
    request = InjectionRequest("standard")
    assert chosen_form(request, class_spec()) is InjectionForm.REMOTE
    assert chosen_form(request, class_spec(injection={"forms": ["Sidecar", "Remote"]})) is InjectionForm.SIDECAR


def test_a_class_must_offer_the_form() -> None:
    request = InjectionRequest("standard", form=InjectionForm.SIDECAR)
    assert chosen_form(request, class_spec(injection={"forms": ["Remote", "Sidecar"]})) is InjectionForm.SIDECAR
    with pytest.raises(InjectionError, match="NestedDockerClass standard offers Remote: choose one of these"):
        chosen_form(request, class_spec())


def test_a_mode_that_changes_the_job_s_containers_cannot_be_a_sidecar() -> None:
    assert sidecar_mode("standard", class_spec(modes=["Rootless", "Dind"])) == Mode.DIND
    with pytest.raises(InjectionError) as error:
        sidecar_mode("standard", class_spec(modes=["HostSocket", "Rootless"]))
    message = str(error.value)
    assert "HostSocket: the node's daemon" in message
    assert "Rootless: it needs a user namespace of the whole pod" in message
    assert "choose a class with mode Dind" in message


@pytest.mark.parametrize(
    ("labels", "form", "message"),
    [
        (None, "Beside", "is 'Beside': set it to Remote or Sidecar"),
        ({"nesteddocker.dev/inject-from": "build"}, "Sidecar", "runs in another pod: remove one of them"),
    ],
)
def test_a_form_that_cannot_be_is_denied(labels: dict[str, str] | None, form: str, message: str) -> None:
    with pytest.raises(InjectionError) as error:
        injection_request(pod(labels=labels, annotations={ANNOTATION_INJECT_FORM: form}))
    assert message in str(error.value)
