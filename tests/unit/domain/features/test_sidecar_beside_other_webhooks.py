"""Pods with a sidecar that meshes, injectors of secrets and hardening webhooks change too, in every order."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.domain.injection.pods import Pod
from tests.unit.domain.injection.sidecars import HOST, SOCKET, asking, daemon, inject, judged

from nested_docker.domain.injection.request import InjectionError, chosen_containers, injection_request
from nested_docker.domain.names import ANNOTATION_INJECT_CONTAINERS

BOTH = {"name": "istio-data", "mountPath": "/var/lib/istio/data"}
REDIRECTS = {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}, "runAsUser": 0, "runAsNonRoot": False}


@dataclass(frozen=True)
class Other:
    """Another webhook.

    Attributes:
        change: what it does to a pod, in place; a second time it changes nothing.
        again: whether the API server asks it again when the pod has changed.
    """

    change: Callable[[Pod], None]
    again: bool = False


def _first(items: list[dict[str, Any]], *wanted: dict[str, Any]) -> list[dict[str, Any]]:
    named = {each["name"] for each in wanted}
    present = {each["name"]: each for each in items}
    return [present.get(each["name"], each) for each in wanted] + [each for each in items if each["name"] not in named]


def _istio(pod: Pod) -> None:
    """Native sidecars: iptables and proxy before all other init containers."""
    spec = pod["spec"]
    spec["initContainers"] = _first(
        spec.get("initContainers") or [],
        {"name": "istio-init", "securityContext": REDIRECTS},
        {"name": "istio-proxy", "restartPolicy": "Always", "startupProbe": {}, "volumeMounts": [BOTH]},
    )
    spec["volumes"] = _first(spec.get("volumes") or [], {"name": "istio-data", "emptyDir": {}})


def _istio_that_holds(pod: Pod) -> None:
    """`holdApplicationUntilProxyStarts`: the proxy is the first container."""
    spec = pod["spec"]
    spec["containers"] = _first(spec["containers"], {"name": "istio-proxy", "volumeMounts": [BOTH]})
    spec["initContainers"] = _first(spec.get("initContainers") or [], {"name": "istio-init"})
    spec["volumes"] = _first(spec.get("volumes") or [], {"name": "istio-data", "emptyDir": {}})


def _linkerd(pod: Pod) -> None:
    spec, names = pod["spec"], {each["name"] for each in pod["spec"].get("initContainers") or []}
    added = [{"name": "linkerd-init"}, {"name": "linkerd-proxy", "restartPolicy": "Always"}]
    spec["initContainers"] = [*(spec.get("initContainers") or []), *(e for e in added if e["name"] not in names)]


def _vault(pod: Pod) -> None:
    """An agent before the job and one beside it, with different volumes at one path, and a mount for each container."""
    spec = pod["spec"]
    if any(each["name"] == "vault-agent" for each in spec["containers"]):
        return
    secrets = {"name": "vault-secrets", "mountPath": "/vault/secrets"}
    for each in spec["containers"]:
        each["volumeMounts"] = [*(each.get("volumeMounts") or []), secrets]
    home = {"mountPath": "/home/vault"}
    agent = {"volumeMounts": [secrets, home | {"name": "home-sidecar"}]}
    before = {"volumeMounts": [secrets, home | {"name": "home-init"}]}
    spec["containers"].append({"name": "vault-agent"} | agent)
    spec["initContainers"] = [*(spec.get("initContainers") or []), {"name": "vault-agent-init"} | before]
    volumes = [{"name": name, "emptyDir": {}} for name in ("vault-secrets", "home-init", "home-sidecar")]
    spec["volumes"] = [*(spec.get("volumes") or []), *volumes]


def _every_container(pod: Pod) -> None:
    """A read-only root, a variable and an image from a mirror for every container."""
    for field in ("initContainers", "containers"):
        for each in pod["spec"].get(field) or []:
            each["securityContext"] = {**(each.get("securityContext") or {}), "readOnlyRootFilesystem": True}
            if not any(variable["name"] == "OTEL" for variable in each.get("env") or []):
                each["env"] = [*(each.get("env") or []), {"name": "OTEL", "value": "x"}]


MESHES = {"istio": _istio, "istio that holds": _istio_that_holds, "linkerd": _linkerd}
OTHERS = {**MESHES, "vault": _vault, "every container": _every_container}


def _ours(pod: Pod) -> None:
    injected = inject(pod)
    pod.clear()
    pod.update(injected)


def stored(pod: Pod, webhooks: list[Other]) -> Pod:
    """The pod after all mutating webhooks, as the API server asks them: in order, and some of them once more."""
    found = copy.deepcopy(pod)
    last: dict[int, Pod] = {}
    for again in (False, True):
        for number, webhook in enumerate(webhooks):
            if not again or (webhook.again and last[number] != found):
                webhook.change(found)
                last[number] = copy.deepcopy(found)
    return found


def assert_complete(pod: Pod) -> None:
    clients = chosen_containers(pod, injection_request(pod))
    order = [each["name"] for each in pod["spec"]["initContainers"]]
    for each in clients:
        assert HOST in each.container["env"]
        assert SOCKET | {"readOnly": True} in each.container["volumeMounts"]
        if each.path.startswith("/spec/initContainers/") and each.container.get("restartPolicy") != "Always":
            assert order.index("nested-docker") < order.index(each.container["name"])
        present = {(mount["name"], mount["mountPath"]) for mount in daemon(pod)["volumeMounts"]}
        shared = {(mount["name"], mount["mountPath"]) for mount in each.container["volumeMounts"]}
        assert shared - {(SOCKET["name"], SOCKET["mountPath"])} <= present
    assert daemon(pod)["securityContext"]["privileged"] is True
    assert not daemon(pod)["securityContext"].get("readOnlyRootFilesystem")


@pytest.mark.parametrize("mesh", MESHES)
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("is_first", [False, True])
def test_a_mesh_and_the_daemon_in_one_pod(mesh: str, again: bool, is_first: bool) -> None:
    """A mesh that is asked last of all, and puts itself before the daemon, is the case of the next test."""
    webhooks = [Other(MESHES[mesh], again), Other(_ours, again=True)]
    pod = stored(asking(), webhooks if is_first else webhooks[::-1])
    if judged(pod):
        assert again
        assert not is_first
        return
    assert_complete(pod)


def test_a_mesh_that_has_the_last_word_leaves_the_named_containers_their_daemon() -> None:
    """The mesh puts its init container first again when ours has moved it; that one needs no daemon."""
    webhooks = [Other(_ours, again=True), Other(_istio, again=True)]
    assert f"name only the containers that need the daemon in the annotation {ANNOTATION_INJECT_CONTAINERS}" in judged(
        stored(asking(), webhooks)
    )
    named = asking()
    named["metadata"]["annotations"] = {ANNOTATION_INJECT_CONTAINERS: "build"}
    pod = stored(named, webhooks)
    assert judged(pod) == ""
    assert_complete(pod)
    assert [each["name"] for each in pod["spec"]["initContainers"]][:3] == [
        "istio-init",
        "istio-proxy",
        "nested-docker",
    ]


@pytest.mark.parametrize("order", [*permutations((_vault, _ours))])
def test_agents_with_their_own_volumes_need_the_annotation(order: tuple[Callable[[Pod], None], ...]) -> None:
    webhooks = [Other(each, again=each is _ours) for each in order]
    with pytest.raises(InjectionError, match=r"/home/vault container .*or name other containers in the annotation"):
        stored(asking(), webhooks)
    named = asking()
    named["metadata"]["annotations"] = {ANNOTATION_INJECT_CONTAINERS: "build"}
    pod = stored(named, webhooks)
    assert judged(pod) == ""
    assert_complete(pod)
    assert {"name": "vault-secrets", "mountPath": "/vault/secrets"} in daemon(pod)["volumeMounts"]


@given(st.permutations([*OTHERS, "ours"]), st.sets(st.sampled_from(sorted(OTHERS))), st.booleans())
def test_in_every_order_a_pod_is_complete_or_denied_with_a_remedy(
    order: list[str], again: set[str], named: bool
) -> None:
    every = {name: Other(change, name in again) for name, change in OTHERS.items()}
    every["ours"] = Other(_ours, again=True)
    pod = asking()
    if named:
        pod["metadata"]["annotations"] = {ANNOTATION_INJECT_CONTAINERS: "build,clone"}
    try:
        pod = stored(pod, [every[name] for name in order])
        problem = judged(pod)
    except InjectionError as error:
        problem = str(error)
    if problem:
        assert ANNOTATION_INJECT_CONTAINERS in problem
    else:
        assert_complete(pod)
