"""What is added to a pod, that it is added once, and that nothing is overwritten."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.domain.injection.pods import Pod, patched, pod

from nested_docker.domain.injection.patch import InjectedConnection, Marks, injection_patch
from nested_docker.domain.injection.request import InjectionError, chosen_containers, injection_request
from nested_docker.domain.names import ANNOTATION_INJECT_CONTAINERS, ANNOTATION_INJECTION_SIGNATURE, LABEL_INJECTION_ID

CONNECTION = InjectedConnection("injected-1")
REMEDY = "or name other containers in the annotation nesteddocker.dev/inject-containers"
ENVIRONMENT = [
    {"name": "DOCKER_HOST", "valueFrom": {"secretKeyRef": {"name": "injected-1-docker-env", "key": "DOCKER_HOST"}}},
    {"name": "DOCKER_TLS_VERIFY", "value": "1"},
    {"name": "DOCKER_CERT_PATH", "value": "/certs/client"},
    {
        "name": "TESTCONTAINERS_HOST_OVERRIDE",
        "valueFrom": {
            "secretKeyRef": {"name": "injected-1-docker-env", "key": "TESTCONTAINERS_HOST_OVERRIDE", "optional": True}
        },
    },
]
MOUNT = {"name": "nested-docker", "mountPath": "/certs/client", "readOnly": True}
GATE = {"name": "nesteddocker.dev/daemon"}
VOLUME = {"name": "nested-docker", "secret": {"secretName": "injected-1-docker"}}


def inject(asking: Pod) -> Pod:
    containers = chosen_containers(asking, injection_request(asking))
    return patched(asking, injection_patch(asking, CONNECTION, containers, Marks("1", "signed")))


def test_a_volume_and_in_each_container_its_mount_and_the_environment_are_added() -> None:
    injected = inject(pod())
    assert injected["spec"] == {
        "initContainers": [
            {"name": "clone", "env": ENVIRONMENT, "volumeMounts": [MOUNT]},
            {"name": "mesh", "restartPolicy": "Always"},
        ],
        "containers": [
            {"name": "build", "env": ENVIRONMENT, "volumeMounts": [MOUNT]},
            {"name": "helper", "env": ENVIRONMENT, "volumeMounts": [MOUNT]},
        ],
        "restartPolicy": "Never",
        "schedulingGates": [GATE],
        "volumes": [VOLUME],
    }
    assert injected["metadata"]["labels"][LABEL_INJECTION_ID] == "1"
    assert injected["metadata"]["annotations"] == {ANNOTATION_INJECTION_SIGNATURE: "signed"}


def test_what_is_there_stays_and_may_refer_to_the_new_variables() -> None:
    own = {"name": "URL", "value": "$(DOCKER_HOST)/info"}
    container = {"name": "build", "env": [own], "volumeMounts": [{"name": "src", "mountPath": "/certs"}]}
    asking = pod(annotations={"a": "b"}, containers=[container], volumes=[{"name": "src", "emptyDir": {}}])
    injected = inject(asking)
    (build,) = injected["spec"]["containers"]
    assert build["env"] == [*ENVIRONMENT, own]
    assert build["volumeMounts"] == [{"name": "src", "mountPath": "/certs"}, MOUNT]
    assert injected["spec"]["volumes"] == [{"name": "src", "emptyDir": {}}, VOLUME]
    assert injected["metadata"]["annotations"] == {"a": "b", ANNOTATION_INJECTION_SIGNATURE: "signed"}


def test_a_second_time_adds_nothing() -> None:
    injected = inject(pod())
    injected["spec"]["volumes"][0]["secret"]["defaultMode"] = 420  # the API server's defaults
    containers = chosen_containers(injected, injection_request(injected))
    assert injection_patch(injected, CONNECTION, containers, Marks("1", "signed")) == ()


def test_a_second_time_adds_what_another_webhook_has_removed_or_added() -> None:
    injected = inject(pod())
    del injected["spec"]["containers"][0]["env"][1]
    injected["spec"]["containers"].append({"name": "late"})
    again = inject(injected)
    build, _, late = again["spec"]["containers"]
    assert sorted(each["name"] for each in build["env"]) == sorted(each["name"] for each in ENVIRONMENT)
    assert late == {"name": "late", "env": ENVIRONMENT, "volumeMounts": [MOUNT]}


@pytest.mark.parametrize(
    ("gates", "after"),
    [([{"name": "kueue.x-k8s.io/admission"}], [{"name": "kueue.x-k8s.io/admission"}, GATE]), ([GATE], [GATE])],
    ids=["another one's gate stays", "ours is added once"],
)
def test_a_pod_waits_for_its_daemon_behind_a_gate(gates: list[dict[str, str]], after: list[dict[str, str]]) -> None:
    assert inject(pod(schedulingGates=gates))["spec"]["schedulingGates"] == after


def test_a_pod_that_names_its_node_has_no_gate() -> None:
    assert "schedulingGates" not in inject(pod(nodeName="node-1"))["spec"]


def test_a_pod_that_shares_a_daemon_has_no_gate() -> None:
    asking = pod()
    containers = chosen_containers(asking, injection_request(asking))
    assert "schedulingGates" not in patched(asking, injection_patch(asking, CONNECTION, containers, None))["spec"]


def container(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "build"} | fields]}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            container(env=[{"name": "DOCKER_HOST", "value": "tcp://localhost:2375"}]),
            f"env of container build has DOCKER_HOST already: remove it there, {REMEDY}",
        ),
        (
            container(env=[{"name": "DOCKER_HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}]),
            f"env of container build has DOCKER_HOST already: remove it there, {REMEDY}",
        ),
        (
            container(env=[ENVIRONMENT[0], {"name": "DOCKER_HOST", "value": ""}]),
            f"env of container build has DOCKER_HOST already: remove it there, {REMEDY}",
        ),
        (
            container(env=[{"name": "DOCKER_TLS_VERIFY"}]),
            f"env of container build has DOCKER_TLS_VERIFY already: remove it there, {REMEDY}",
        ),
        (
            container(env=[{"name": "DOCKER_CERT_PATH", "value": "/certs"}]),
            f"env of container build has DOCKER_CERT_PATH already: remove it there, {REMEDY}",
        ),
        (
            container(volumeMounts=[{"name": "certs", "mountPath": "/certs/client/"}]),
            "volumeMounts of container build: volume certs is mounted at /certs/client: choose a path outside of "
            f"/certs/client, {REMEDY}",
        ),
        (
            container(volumeMounts=[{"name": "certs", "mountPath": "certs/../certs//client"}]),
            "volumeMounts of container build: volume certs is mounted at /certs/client: choose a path outside of "
            f"/certs/client, {REMEDY}",
        ),
        (
            container(volumeMounts=[{"name": "certs", "mountPath": "/certs/client/a"}]),
            "volumeMounts of container build: volume certs is mounted at /certs/client/a: choose a path outside of "
            f"/certs/client, {REMEDY}",
        ),
        (
            {"volumes": [{"name": "nested-docker", "emptyDir": {}}]},
            "spec.volumes: the pod has another volume nested-docker: rename it",
        ),
        (
            {"volumes": [{"name": "nested-docker", "secret": {"secretName": "injected-2-docker"}}]},
            "spec.volumes: the pod has another volume nested-docker: rename it",
        ),
        (
            {"volumes": [{"name": "nested-docker", "secret": {"secretName": "injected-1-docker", "optional": True}}]},
            "spec.volumes: the pod has another volume nested-docker: rename it",
        ),
    ],
    ids=[
        "another host",
        "a host from elsewhere",
        "two hosts",
        "an empty variable",
        "another path",
        "a volume at the path",
        "a volume at the path in other words",
        "a volume below it",
        "a volume of the name",
        "another pod's Secret",
        "an optional Secret, which no kubelet waits for",
    ],
)
def test_nothing_is_overwritten(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InjectionError) as raised:
        inject(pod(**spec))
    assert str(raised.value) == message


def test_containers_that_are_not_named_may_have_anything() -> None:
    helper = {"name": "helper", "env": [{"name": "DOCKER_HOST", "value": "unix:///run/docker.sock"}]}
    injected = inject(pod(annotations={ANNOTATION_INJECT_CONTAINERS: "build"}, containers=[{"name": "build"}, helper]))
    assert injected["spec"]["containers"] == [{"name": "build", "env": ENVIRONMENT, "volumeMounts": [MOUNT]}, helper]
