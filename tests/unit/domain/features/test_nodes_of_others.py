"""What is decided on nodes as distributions and clouds make them: their Node objects, as far as anything reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, class_spec, observed, policy_spec

from nested_docker.api.meta import Mode
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.effective import resolve
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.preflight import incapable_nodes
from nested_docker.domain.node_facts import node_facts, runtime_class_facts
from nested_docker.domain.objects import ClusterFacts
from nested_docker.domain.status.reasons import Reason

ALL = ["Rootless", "UserNamespace", "Sysbox", "Dind"]
SYSBOX = {"handler": "sysbox-runc", "scheduling": {"nodeSelector": {"sysbox-runtime": "running"}}}


def handlers(*names: str, user_namespaces: bool = True) -> list[dict[str, Any]]:
    """As the kubelet writes them: both features of each."""
    features = {"recursiveReadOnlyMounts": True, "userNamespaces": user_namespaces}
    return [{"name": name, "features": features} for name in names]


def node(kernel: str, kubelet: str, runtime: str, **more: Any) -> dict[str, Any]:
    system = more.pop("system", "linux")
    info = {
        "kernelVersion": kernel,
        "kubeletVersion": kubelet,
        "containerRuntimeVersion": runtime,
        "operatingSystem": system,
        "architecture": more.pop("architecture", "amd64"),
        "bootID": "5a3f2f6e-9c0b-4a44-8c7e-0d5a3c1f9b11",
    }
    labels = {"kubernetes.io/os": system, **more.pop("labels", {})}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": info, **more.pop("status", {})}
    return {"metadata": {"labels": labels}, "spec": more, "status": status}


MODERN: dict[str, dict[str, Any]] = {
    "kind": node(
        "6.8.0-88-generic", "v1.34.1", "containerd://2.1.4", status={"runtimeHandlers": handlers("", "runc", "test")}
    ),
    "Flatcar": node(
        "6.6.47-flatcar", "v1.33.5", "containerd://2.0.5", status={"runtimeHandlers": handlers("", "runc")}
    ),
    "Talos": node("6.12.57-talos", "v1.34.1", "containerd://2.1.5", status={"runtimeHandlers": handlers("", "runc")}),
    "Bottlerocket": node(
        "6.12.46", "v1.34.1-eks-113cf36", "containerd://2.1.4+bottlerocket", status={"runtimeHandlers": handlers("")}
    ),
    "GKE": node(
        "6.6.105+", "v1.34.1-gke.2037000", "containerd://2.1.4", status={"runtimeHandlers": handlers("", "runc")}
    ),
    "k3s": node("6.12.48+deb13-amd64", "v1.34.1+k3s1", "containerd://2.1.4-k3s2"),
    "k0s on arm64": node("6.12.34+rpt-rpi-v8", "v1.34.1+k0s", "containerd://2.1.4", architecture="arm64"),
    "OpenShift": node(
        "5.14.0-570.60.1.el9_6.x86_64",
        "v1.33.5",
        "cri-o://1.33.5-2.rhaos4.20.git1b1a520.el9",
        status={"runtimeHandlers": handlers("", "crun", "runc")},
    ),
    "a kubelet that says nothing": {"metadata": {}},
    "a kernel of one's own": node("linux-next", "v1.34.1", "containerd://Unknown"),
}

OLD: dict[str, tuple[dict[str, Any], str]] = {
    "GKE with containerd 1.7": (
        node("6.6.72+", "v1.32.9-gke.1010000", "containerd://1.7.27"),
        "its container runtime containerd://1.7.27 gives pods no user namespaces",
    ),
    "k3s with containerd 1.7": (
        node("6.12.1-amd64", "v1.31.4+k3s1", "containerd://1.7.23-k3s2"),
        "its container runtime containerd://1.7.23-k3s2 gives pods no user namespaces",
    ),
    "Bottlerocket with containerd 1.7": (
        node("6.12.20", "v1.33.0-eks-802817d", "containerd://1.7.27+bottlerocket"),
        "its container runtime containerd://1.7.27+bottlerocket gives pods no user namespaces",
    ),
    "minikube with Docker": (
        node("6.6.95", "v1.34.0", "docker://28.4.0"),
        "its container runtime docker://28.4.0 gives pods no user namespaces",
    ),
    "Docker without a version": (node("6.6.95", "v1.34.0", "docker://"), "docker:// gives pods no user namespaces"),
    "Azure with Ubuntu 22.04": (
        node("5.15.0-1096-azure", "v1.33.4", "containerd://2.0.6", status={"runtimeHandlers": handlers("")}),
        "its kernel 5.15.0-1096-azure is older than 6.3",
    ),
    "EKS with Amazon Linux 2023": (
        node("6.1.153-175.280.amzn2023.x86_64", "v1.33.5-eks-113cf36", "containerd://2.1.4"),
        "its kernel 6.1.153-175.280.amzn2023.x86_64 is older than 6.3",
    ),
    "Rocky Linux 8": (
        node("4.18.0-553.el8_10.x86_64", "v1.33.5", "cri-o://1.33.4"),
        "its kernel 4.18.0-553.el8_10.x86_64 is older than 6.3",
    ),
    "gVisor as the default handler": (
        node(
            "6.6.105+",
            "v1.34.1",
            "containerd://2.1.4",
            status={"runtimeHandlers": handlers("", "runsc", user_namespaces=False)},
        ),
        "the default handler of its container runtime containerd://2.1.4 does not support user namespaces",
    ),
}


def decide(
    nodes: Mapping[str, Any], *, spec: Mapping[str, Any] | None = None, modes: list[str] | None = None, **of_class: Any
) -> Accepted | NotAccepted:
    """The decision on these nodes, by the operator's own reading of them."""
    modes = modes or ALL
    cluster = ClusterFacts(
        runtime_classes={"sysbox-runc": runtime_class_facts(SYSBOX)},
        nodes={
            name: node_facts(each | {"metadata": {"name": name, **each["metadata"]}}) for name, each in nodes.items()
        },
    )
    request = observed(
        dict(spec or {}),
        classes={"standard": class_spec(modes=modes, **of_class)},
        policies={"p": policy_spec(allowedModes=modes, hostSocket={"guard": {}})},
        cluster=cluster,
    )
    return accept(request, DEFAULTS)


@pytest.mark.parametrize("name", MODERN)
def test_where_nothing_is_known_against_it_the_least_privilege_is_chosen(name: str) -> None:
    outcome = decide({"n1": MODERN[name]})
    assert isinstance(outcome, Accepted)
    assert outcome.effective.mode == "Rootless"


@pytest.mark.parametrize("name", OLD)
def test_what_a_node_is_known_to_lack_is_why_not(name: str) -> None:
    made, fact = OLD[name]
    outcome = decide({"n1": made})
    assert isinstance(outcome, Accepted)
    assert outcome.effective.mode == "Dind"
    for why in outcome.modes_not_chosen:
        if why.mode != "Sysbox":
            assert why.reason == "NoCapableNode"
            assert f"(node n1: {fact}" in why.message or fact in why.message
            assert "use nodes with Kubernetes 1.30, Linux 6.3" in why.message
    named = decide({"n1": made}, spec={"mode": "UserNamespace"})
    assert isinstance(named, NotAccepted)
    assert fact in named.message


def test_a_runtime_that_names_its_handlers_has_said_what_it_can() -> None:
    backported = node("6.12", "v1.34.1", "containerd://1.7.27", status={"runtimeHandlers": handlers("")})
    outcome = decide({"n1": backported})
    assert isinstance(outcome, Accepted)
    assert outcome.effective.mode == "Rootless"


# --- nodes of another kind ------------------------------------------------------------------------------

WINDOWS = node("10.0.20348.3692", "v1.33.4", "containerd://1.7.20+azure", system="windows")
LINUX = node("5.15.0-1096-azure", "v1.33.4", "containerd://1.7.27")
OTHERS = {
    "virtual-kubelet": node(
        "",
        "v1.25.0-vk-azure-aci-1.6.2",
        "",
        labels={"type": "virtual-kubelet"},
        taints=[{"key": "virtual-kubelet.io/provider", "value": "azure", "effect": "NoSchedule"}],
    ),
    "Fargate": node(
        "5.10.242-239.961.amzn2.x86_64",
        "v1.33.4-eks-113cf36",
        "containerd://1.7.27",
        labels={"eks.amazonaws.com/compute-type": "fargate"},
        taints=[{"key": "eks.amazonaws.com/compute-type", "value": "fargate", "effect": "NoSchedule"}],
    ),
    "GKE Sandbox": node(
        "6.6.105+",
        "v1.34.1-gke.2037000",
        "containerd://2.1.4",
        labels={"sandbox.gke.io/runtime": "gvisor"},
        taints=[{"key": "sandbox.gke.io/runtime", "value": "gvisor", "effect": "NoSchedule"}],
        status={"runtimeHandlers": handlers("", "gvisor")},
    ),
}


@pytest.mark.parametrize("mode", ["Dind", "HostSocket"])
def test_every_mode_needs_linux(mode: str) -> None:
    outcome = decide({"win-1": WINDOWS}, modes=[mode])
    assert isinstance(outcome, NotAccepted)
    assert outcome.reason == Reason.NO_CAPABLE_NODE
    assert f"no node can run mode {mode} (node win-1: its operating system is windows): add Linux nodes" in (
        outcome.message
    )
    assert "set nodeSelector kubernetes.io/os: linux" in outcome.message
    assert isinstance(decide({"win-1": WINDOWS, "linux-1": LINUX}, modes=[mode]), Accepted)


def test_with_the_label_in_the_class_the_pod_waits_for_a_linux_node() -> None:
    template = {"spec": {"nodeSelector": {"kubernetes.io/os": "linux"}}}
    assert isinstance(decide({"win-1": WINDOWS}, modes=["Dind"], podTemplate=template), Accepted)


@pytest.mark.parametrize("mode", [Mode.DIND, Mode.HOST_SOCKET])
def test_its_pod_avoids_nodes_with_another_system(mode: Mode) -> None:
    outcome = decide({"win-1": WINDOWS, "linux-1": LINUX}, modes=[mode])
    assert isinstance(outcome, Accepted)
    cluster = ClusterFacts(nodes={"win-1": node_facts(WINDOWS), "linux-1": node_facts(LINUX)})
    effective = resolve(outcome.spec, outcome.class_spec, MODES[mode], DEFAULTS)
    assert incapable_nodes(MODES[mode].node_needs(effective, cluster), cluster) == ("win-1",)


@pytest.mark.parametrize("name", OTHERS)
def test_a_node_that_the_pod_does_not_tolerate_chooses_no_mode(name: str) -> None:
    """Beside an old node for all pods the special one does not count; alone it says nothing."""
    beside, alone = decide({"special": OTHERS[name], "old": LINUX}), decide({"special": OTHERS[name]})
    assert isinstance(beside, Accepted)
    assert isinstance(alone, Accepted)
    assert (beside.effective.mode, alone.effective.mode) == ("Dind", "Rootless")


def test_a_pool_that_a_cloud_replaces_is_there_all_the_same() -> None:
    """Karpenter drains the only node with Sysbox: the next one has it, too, and no one gets root instead."""
    sysbox = node(
        "5.15.0-1096-aws",
        "v1.34.1",
        "cri-o://1.34.1",
        labels={"sysbox-runtime": "running"},
        taints=[{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}],
        status={"runtimeHandlers": handlers("", "sysbox-runc")},
    )
    outcome = decide({"sysbox": sysbox, "old": LINUX}, modes=["Sysbox", "Dind"])
    assert isinstance(outcome, Accepted)
    assert outcome.effective.mode == "Sysbox"


def test_a_handler_that_no_node_has_is_named_in_every_mode() -> None:
    made = node("6.12", "v1.34.1", "containerd://2.1.4", status={"runtimeHandlers": handlers("", "runc")})
    outcome = decide({"n1": made}, modes=["Dind"], runtimeClassName="sysbox-runc")
    assert isinstance(outcome, Accepted), "the RuntimeClass selects other nodes, and one may come"
    made["metadata"]["labels"]["sysbox-runtime"] = "running"
    outcome = decide({"n1": made}, modes=["Dind"], runtimeClassName="sysbox-runc")
    assert isinstance(outcome, NotAccepted)
    assert "its container runtime containerd://2.1.4 has no handler sysbox-runc" in outcome.message


def test_where_the_class_names_the_node_only_that_one_counts() -> None:
    tainted = OTHERS["GKE Sandbox"]
    template = {"spec": {"nodeName": "worker-1"}}
    outcome = decide({"worker-1": tainted, "worker-2": LINUX}, podTemplate=template)
    assert isinstance(outcome, Accepted)
    assert outcome.effective.mode == "Rootless", "no taint keeps it off"
    outcome = decide({"worker-1": LINUX, "worker-2": tainted}, podTemplate=template, modes=["Rootless"])
    assert isinstance(outcome, NotAccepted)
    assert "(node worker-1: its kernel 5.15.0-1096-azure is older than 6.3)" in outcome.message
