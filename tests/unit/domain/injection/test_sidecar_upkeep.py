"""What stays of a sidecar that is in a pod already: not what only its class says of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.support.factory import class_spec
from tests.unit.domain.injection.pods import Pod
from tests.unit.domain.injection.sidecars import asking, daemon, inject, judged

from nested_docker.domain.injection.request import InjectionError
from nested_docker.domain.injection.sidecar_upkeep import is_same

LIMITED = class_spec(
    resources={"requests": {"cpu": "500m"}, "limits": {"cpu": "1", "memory": "2Gi"}},
    storage={"type": "EmptyDir", "emptyDir": {"sizeLimit": "2Gi"}},
)
CHANGED = "/spec/initContainers/0: another admission webhook has removed or changed"


def in_pod(**fields: Any) -> Pod:
    """A pod with its daemon, whose container has other fields."""
    found = inject(asking(), LIMITED)
    daemon(found)
    found["spec"]["initContainers"][0] |= copy.deepcopy(fields)
    return found


def added(field: str, item: Any) -> Pod:
    return in_pod(**{field: [*daemon(inject(asking(), LIMITED))[field], item]})


@pytest.mark.parametrize(
    "changed",
    [
        added("args", "--host=tcp://0.0.0.0:2375"),
        added("env", {"name": "NESTED_DOCKER_TRIAL", "value": "Off"}),
        added("env", {"name": "NESTED_DOCKER_CONFIG", "value": "{}"}),
        added("volumeMounts", {"name": "workspace", "mountPath": "/usr/local/bin"}),
        added("volumeMounts", {"name": "workspace", "mountPath": "/var/lib/docker/"}),
        in_pod(lifecycle={"postStart": {"exec": {"command": ["/builds/mine"]}}}),
        in_pod(envFrom=[{"configMapRef": {"name": "mine"}}]),
        in_pod(ports=[{"containerPort": 2375, "hostPort": 2375}]),
        in_pod(securityContext={"privileged": True, "runAsUser": 0, "readOnlyRootFilesystem": True}),
        in_pod(securityContext={"privileged": True, "runAsUser": 0, "runAsGroup": 0}),
        in_pod(imagePullPolicy="Never"),
        in_pod(resources={"limits": {"cpu": "64", "memory": "2Gi"}, "requests": {"cpu": "500m"}}),
        in_pod(resources={"limits": {"memory": "2Gi"}, "requests": {"cpu": "500m"}}),
        in_pod(resources={}),
        in_pod(
            resources={"limits": {"cpu": "1", "memory": "2Gi", "example.com/gpu": "8"}, "requests": {"cpu": "500m"}}
        ),
        in_pod(resources={"limits": {"cpu": "1", "memory": "1e40"}, "requests": {"cpu": "500m"}}),
    ],
)
def test_what_only_a_class_says_is_put_back_or_else_denied(changed: Pod) -> None:
    assert CHANGED in judged(changed, LIMITED)
    again = inject(changed, LIMITED)
    assert judged(again, LIMITED) == ""
    assert is_same(daemon(again), daemon(inject(asking(), LIMITED)))


@pytest.mark.parametrize(
    "changed",
    [
        added("env", {"name": "OTEL_SERVICE_NAME", "value": "tests"}),
        added("volumeMounts", {"name": "secrets", "mountPath": "/vault/secrets"}),
        in_pod(imagePullPolicy="Always"),
        in_pod(resizePolicy=[{"resourceName": "cpu", "restartPolicy": "NotRequired"}]),
        in_pod(resources={"limits": {"cpu": "1000m", "memory": "2048Mi"}, "requests": {"cpu": "0.5"}}),
        in_pod(resources={"limits": {"cpu": "0.8", "memory": "1Gi"}, "requests": {"cpu": "0.7", "memory": "1Gi"}}),
        in_pod(
            resources={
                "limits": {"cpu": "1", "memory": "2Gi", "ephemeral-storage": "1Gi"},
                "requests": {"cpu": "500m", "ephemeral-storage": "1Gi"},
            }
        ),
    ],
)
def test_what_plugins_and_webhooks_give_every_container_stays(changed: Pod) -> None:
    assert judged(changed, LIMITED) == ""
    assert inject(changed, LIMITED) == changed


def test_requests_stay_below_the_limits() -> None:
    changed = in_pod(resources={"limits": {"cpu": "8", "memory": "2Gi"}, "requests": {"cpu": "4"}})
    assert daemon(inject(changed, LIMITED))["resources"] == {
        "limits": {"cpu": "1", "memory": "2Gi"},
        "requests": {"cpu": "1"},
    }


def test_what_the_api_server_leaves_out_is_not_missed() -> None:
    variables = [{"name": "EMPTY", "value": ""}]
    said = {"name": "daemon", "env": variables, "stdin": False, "ports": [{"containerPort": 9323}]}
    template = {"spec": {"containers": [said]}}
    offered = class_spec(podTemplate=template)
    back = inject(asking(), offered)
    first = back["spec"]["initContainers"][0]
    del first["stdin"]
    first["ports"][0]["protocol"] = "TCP"
    next(each for each in first["env"] if each["name"] == "EMPTY").pop("value")
    next(each for each in first["env"] if "valueFrom" in each)["valueFrom"]["fieldRef"]["apiVersion"] = "v1"
    assert judged(back, offered) == ""


@pytest.mark.parametrize(
    "source",
    [
        {"emptyDir": {}},
        {"emptyDir": {"sizeLimit": "200Gi"}},
        {"emptyDir": {"sizeLimit": "2Gi", "medium": "Memory"}},
    ],
)
def test_the_data_root_has_the_size_that_the_class_says(source: dict[str, Any]) -> None:
    volumes = [{"name": "workspace", "emptyDir": {}}, {"name": "nested-docker-data"} | source]
    with pytest.raises(InjectionError, match="another volume nested-docker-data: rename it"):
        inject(asking(volumes=volumes), LIMITED)


def test_the_data_root_has_the_storage_class_that_the_class_says() -> None:
    offered = class_spec(storage={"type": "Ephemeral", "ephemeral": {"size": "2048Mi"}})
    back = inject(asking(), offered)
    (claim,) = (each["ephemeral"]["volumeClaimTemplate"] for each in back["spec"]["volumes"] if "ephemeral" in each)
    claim |= {"metadata": {"creationTimestamp": None}}
    claim["spec"] |= {"volumeMode": "Filesystem", "resources": {"requests": {"storage": "2Gi"}}}
    assert judged(back, offered) == ""
    claim["spec"]["storageClassName"] = "fastest"
    with pytest.raises(InjectionError, match="another volume nested-docker-data: rename it"):
        judged(back, offered)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": ""}, {}, True),
        ({"readOnly": False}, {}, True),
        ({"runAsNonRoot": False}, {}, False),
        ({"runAsUser": 0}, {}, False),
        ({"sizeLimit": "2Gi"}, {"sizeLimit": "2048Mi"}, True),
        ({"value": "2Gi"}, {"value": "2048Mi"}, False),
        (["a", "b"], ["a"], False),
        ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}], True),
        ([{"name": "a"}], [{"name": "a"}, {"name": "a"}], False),
    ],
)
def test_what_is_the_same_to_the_api_server(one: Any, other: Any, same: bool) -> None:
    assert is_same(one, other) is same
    assert is_same(other, one) is same
