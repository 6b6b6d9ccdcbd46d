"""Whether a mode can run on the cluster's nodes, by what API and probes say of them: known facts only, no guesses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from nested_docker.api.v1alpha1.node import CgroupVersion, ProbedFacts
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.modes.base import NodeNeeds, Obstacle
from nested_docker.domain.modes.placement import REQUIRED, Placement, placement
from nested_docker.domain.node_facts import container_runtime, kernel_version, version
from nested_docker.domain.objects import ClusterFacts, Manifest, NodeFacts, RuntimeClassFacts
from nested_docker.domain.shown import shorten
from nested_docker.domain.status.reasons import Reason

NAMED_NODES, NAMED_FACTS = 3, 4
"""Nodes that a message names for each fact, and facts that it names."""

MOST_AVOIDED = 64
"""Nodes that a pod avoids by name: the scheduler compares each node with each of them."""


LINUX = NodeNeeds(
    remedy="add Linux nodes, whose container runtime has the handler of the class's runtimeClassName, if it has one; "
    "for an autoscaler to add one, set nodeSelector kubernetes.io/os: linux in the class's podTemplate"
)
"""What every pod of the operator needs."""

UNMAPPED = frozenset({"nfs", "nfs4", "cifs", "smb3"})
"""Filesystems on which no kernel maps user IDs."""


def for_pod(needs: NodeNeeds, effective: EffectiveSpec, cluster: ClusterFacts, runtime_class: str) -> NodeNeeds:
    """The needs, with the handler of the pod's RuntimeClass and the nodes that the pod may be scheduled to.

    Args:
        needs: the mode's.
        effective: the pod's settings.
        cluster: has the RuntimeClass.
        runtime_class: its name; empty: none.
    """
    facts = cluster.runtime_classes.get(runtime_class, RuntimeClassFacts())
    return replace(
        needs,
        placement=placement(effective, facts),
        requested=placement(effective, RuntimeClassFacts()),
        handler=facts.handler or needs.handler,
    )


def node_obstacle(mode: str, needs: NodeNeeds, cluster: ClusterFacts) -> Obstacle | None:
    """Why no node can run the mode; None: one can, or nothing is known against one, or no node is known.

    If the pod may be scheduled to some nodes, only those count.

    Args:
        mode: the mode's name, for the message.
        needs: what it needs.
        cluster: the nodes.
    """
    if not cluster.nodes or any(_can_run(needs, node) for node in cluster.nodes.values()):
        return None
    possible, nodes = _possible(needs.placement, cluster), sorted(cluster.nodes.items())
    if not possible and not _possible(needs.requested, cluster):
        facts = _facts((name, next(needs.requested.obstacles(node))) for name, node in nodes)
        message = (
            f"no node is one that the NestedDocker and its class ask for ({facts}), so nothing is known of what it "
            "can run: correct their nodeSelector, node affinity or tolerations, or add such a node"
        )
        return Obstacle(Reason.NO_CAPABLE_NODE, message, nodes_may_come=True, decides_mode=False)
    missing = (
        (name, _lacking(needs, node) if possible else needs.placement.obstacles(node))
        for name, node in possible or nodes
    )
    facts = _facts((name, next(each)) for name, each in missing)
    message = f"no node can run mode {mode} ({facts}): {needs.remedy}{_elsewhere(needs, nodes) if possible else ''}"
    return Obstacle(Reason.NO_CAPABLE_NODE, message, nodes_may_come=not possible)


def incapable_nodes(needs: NodeNeeds | None, cluster: ClusterFacts) -> tuple[str, ...]:
    """Nodes that the pod must avoid by name; empty: none is known to lack anything, or all are.

    A node to which the scheduler does not bind the pod anyway is not among them.
    """
    if needs is None or not any(_can_run(needs, node) for node in cluster.nodes.values()):
        return ()
    found = (name for name, node in _possible(needs.placement, cluster) if next(_lacking(needs, node), None))
    return tuple(islice(found, MOST_AVOIDED))


def avoiding(spec: Manifest, nodes: Sequence[str]) -> Manifest:
    """A pod's spec with an affinity that keeps it off nodes, in addition to what it has.

    Terms of a node affinity are alternatives, so each gets the names. The API takes one name in each requirement.
    """
    if not nodes:
        return spec
    affinity = dict(spec.get("affinity") or {})
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    required: Mapping[str, Any] = node_affinity.get(REQUIRED) or {}
    off = [{"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in nodes]
    terms = [
        {**term, "matchFields": [*term.get("matchFields", []), *off]}
        for term in required.get("nodeSelectorTerms") or [{}]
    ]
    node_affinity[REQUIRED] = {"nodeSelectorTerms": terms}
    return {**spec, "affinity": {**affinity, "nodeAffinity": node_affinity}}


def _can_run(needs: NodeNeeds, node: NodeFacts) -> bool:
    """Whether the pod may be scheduled to a node that is not known to lack anything."""
    return next(_lacking(needs, node), None) is None and next(needs.placement.obstacles(node), None) is None


def _possible(asked: Placement, cluster: ClusterFacts) -> list[tuple[str, NodeFacts]]:
    """The nodes, by name, to which a pod may be scheduled that asks for this."""
    return [each for each in sorted(cluster.nodes.items()) if next(asked.obstacles(each[1]), None) is None]


def _elsewhere(needs: NodeNeeds, nodes: Iterable[tuple[str, NodeFacts]]) -> str:
    """Nodes that may be able to run it, if NestedDocker and class alone keep it off them: for the end of a message."""
    kept_off = [
        (name, obstacles[0])
        for name, node in nodes
        if next(_lacking(needs, node), None) is None
        and (obstacles := [*needs.requested.obstacles(node)])
        and {*needs.placement.obstacles(node)} <= {*obstacles}
    ]
    if not kept_off:
        return ""
    return f". Other nodes may be able to, but NestedDocker or class keep the pod off them ({_facts(kept_off)})"


def _facts(missing: Iterable[tuple[str, str]]) -> str:
    """What each node lacks, with the nodes that lack the same together."""
    lacking: dict[str, list[str]] = {}
    for name, fact in missing:
        lacking.setdefault(fact, []).append(name)
    facts = [f"{_names(nodes)}: {fact}" for fact, nodes in lacking.items()]
    if len(facts) > NAMED_FACTS:
        facts = [*facts[:NAMED_FACTS], f"and {len(facts) - NAMED_FACTS} more reasons on other nodes"]
    return "; ".join(facts)


def _lacking(needs: NodeNeeds, node: NodeFacts) -> Iterator[str]:
    """What a node is known to lack, with what it has instead."""
    if node.operating_system not in {"", "linux"}:
        yield f"its operating system is {node.operating_system}"
    for what, has, found, oldest in (
        ("kernel", node.kernel, kernel_version(node.kernel), needs.kernel),
        ("kubelet", node.kubelet, version(node.kubelet), needs.kubelet),
    ):
        if found is not None and found < oldest:
            yield f"its {what} {has} is older than {oldest[0]}.{oldest[1]}"
    handler = f"handler {needs.handler}" if needs.handler else "default handler"
    if node.handlers is not None and needs.handler not in node.handlers:
        yield f"its container runtime {node.runtime} has no {handler}"
    if needs.user_namespaces and node.handlers is None and _is_without_user_namespaces(node.runtime):
        yield f"its container runtime {node.runtime} gives pods no user namespaces"
    if needs.user_namespaces and node.handlers is not None and node.handlers.get(needs.handler) is False:
        yield f"the {handler} of its container runtime {node.runtime} does not support user namespaces"
    if node.probed is not None:
        yield from _lacking_probed(needs, node.probed)


def _is_without_user_namespaces(runtime: str) -> bool:
    """Whether a container runtime that names no handlers is known to give no pod a user namespace.

    So are containerd before 2.0, and Docker, with which the kubelet speaks through cri-dockerd.
    """
    name, found = container_runtime(runtime)
    return name == "docker" or (name == "containerd" and found is not None and found < (2, 0))


def _lacking_probed(needs: NodeNeeds, probed: ProbedFacts) -> Iterator[str]:
    if needs.cgroup_v2 and probed.cgroup == CgroupVersion.V1:
        yield "it has cgroup v1"
    if needs.user_namespaces and probed.max_user_namespaces == 0:
        yield "its sysctl user.max_user_namespaces is 0, and has to be raised"
    if needs.mapped_volumes and probed.filesystem in UNMAPPED:
        yield f"its emptyDir volumes have filesystem {probed.filesystem}, on which no user IDs can be mapped"


def _names(nodes: list[str]) -> str:
    shown = ", ".join(shorten(name) for name in nodes[:NAMED_NODES])
    more = f" and {len(nodes) - NAMED_NODES} more" if len(nodes) > NAMED_NODES else ""
    return f"{'node' if len(nodes) == 1 else 'nodes'} {shown}{more}"
