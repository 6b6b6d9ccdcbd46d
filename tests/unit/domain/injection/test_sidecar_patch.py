"""The daemon as a sidecar is added once, nothing is overwritten, and what is missing at the end is denied."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.unit.domain.injection.pods import Pod
from tests.unit.domain.injection.sidecars import HOST, NO_TLS, asking, daemon, inject, judged

from nested_docker.domain.injection.request import InjectionError


def stored(injected: Pod) -> Pod:
    """The pod with what the API server and autoscalers add or write otherwise."""
    found = copy.deepcopy(injected)
    first = daemon(found)
    first["terminationMessagePath"] = "/dev/termination-log"
    first["resources"] = {"requests": {"cpu": "1500m"}}
    first["volumeMounts"].append({"name": "kube-api-access-x", "mountPath": "/var/run/secrets", "readOnly": True})
    first["startupProbe"]["successThreshold"] = 1
    return found


def test_a_second_time_adds_nothing() -> None:
    again = stored(inject(asking()))
    assert inject(again) == again
    assert judged(again) == ""


def test_variables_of_env_from_and_of_images_bring_no_tls_to_the_socket() -> None:
    """The kubelet prefers `env`. The API server leaves out empty values, as a user may write them."""
    given = asking(
        containers=[{"name": "build", "env": [{"name": "DOCKER_TLS_VERIFY"}], "envFrom": [{"secretRef": {}}]}]
    )
    injected = inject(given)
    (build,) = injected["spec"]["containers"]
    assert [each for each in build["env"] if each in NO_TLS] == [NO_TLS[0], NO_TLS[2]]
    for variable in build["env"]:
        if not variable.get("value"):
            variable.pop("value", None)
    assert inject(injected) == injected
    assert judged(injected) == ""


def test_what_another_webhook_adds_gets_the_socket_and_its_volume() -> None:
    injected = inject(asking())
    late = {"name": "late", "volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    injected["spec"]["containers"].append(late)
    again = inject(injected)
    assert HOST in again["spec"]["containers"][2]["env"]
    assert late["volumeMounts"][0] in daemon(again)["volumeMounts"]
    assert judged(again) == ""


def test_a_sidecar_that_another_webhook_puts_first_may_stay_there() -> None:
    injected = inject(asking())
    injected["spec"]["initContainers"].insert(0, {"name": "proxy", "restartPolicy": "Always"})
    assert judged(injected) == ""


def test_a_client_that_comes_before_the_daemon_goes_behind_it() -> None:
    injected = inject(asking())
    injected["spec"]["initContainers"].append(injected["spec"]["initContainers"].pop(0))
    assert "/spec/initContainers" in judged(injected)
    assert [each["name"] for each in inject(injected)["spec"]["initContainers"]] == ["nested-docker", "mesh", "clone"]


def _drop(found: Pod) -> None:
    del found["spec"]["initContainers"][0]


def _weaken(found: Pod) -> None:
    daemon_of = found["spec"]["initContainers"][0]
    daemon_of["securityContext"] = {"privileged": False}


def _rewrite(found: Pod) -> None:
    found["spec"]["initContainers"][0]["image"] = "mirror/docker:29-dind"


def _unmount(found: Pod) -> None:
    found["spec"]["initContainers"][0]["volumeMounts"] = []


def _unset(found: Pod) -> None:
    del found["spec"]["containers"][0]["env"]


def _empty(found: Pod) -> None:
    found["spec"]["volumes"] = found["spec"]["volumes"][:1]


def test_a_container_with_another_command_is_denied() -> None:
    injected = inject(asking())
    daemon(injected)["command"] = ["sh", "-c", "mine"]
    with pytest.raises(InjectionError, match="another container nested-docker: rename it"):
        judged(injected)


@pytest.mark.parametrize("change", [_drop, _weaken, _rewrite, _unmount, _unset, _empty])
def test_what_another_webhook_takes_away_is_added_again_or_else_denied(change: Any) -> None:
    injected = inject(asking())
    changed = copy.deepcopy(injected)
    change(changed)
    assert "another admission webhook" in judged(changed)
    assert judged(inject(changed)) == ""


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"initContainers": [{"name": "nested-docker", "image": "mine"}]},
            "spec.initContainers: the pod has another container nested-docker: rename it",
        ),
        (
            {"containers": [{"name": "nested-docker"}]},
            "spec.containers: the pod has another container nested-docker: rename it",
        ),
        (
            {"volumes": [{"name": "nested-docker-data", "hostPath": {"path": "/"}}]},
            "spec.volumes: the pod has another volume nested-docker-data: rename it",
        ),
        (
            {"containers": [{"name": "build", "env": [{"name": "DOCKER_HOST", "value": "tcp://dind"}]}]},
            "env of container build has DOCKER_HOST already",
        ),
        (
            {"containers": [{"name": "build", "env": [{"name": "DOCKER_TLS_VERIFY", "value": "1"}]}]},
            "env of container build has DOCKER_TLS_VERIFY, and there is no TLS",
        ),
        (
            {"containers": [{"name": "build", "env": [{"name": "DOCKER_TLS", "value": "1"}]}]},
            "env of container build has DOCKER_TLS, and there is no TLS",
        ),
        (
            {"containers": [{"name": "build", "env": [{"name": "DOCKER_CERT_PATH", "valueFrom": {"fieldRef": {}}}]}]},
            "env of container build has DOCKER_CERT_PATH, and there is no TLS",
        ),
        (
            {"containers": [{"name": "build", "volumeMounts": [{"name": "x", "mountPath": "/run/nested-docker"}]}]},
            "/run/nested-docker",
        ),
    ],
)
def test_nothing_of_the_pod_is_overwritten(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InjectionError) as error:
        inject(asking(**spec))
    assert message in str(error.value)
