"""Whether a mode can run on the cluster's nodes, by what API and probes say of them: known facts only, no guesses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from nested_docker.api.v1alpha1.node import CgroupVersion, ProbedFacts
from nested_docker.domain.modes.base import NodeNeeds, Obstacle
from nested_docker.domain.node_facts import kernel_version, version
from nested_docker.domain.objects import ClusterFacts, Manifest, NodeFacts
from nested_docker.domain.shown import shorten
from nested_docker.domain.status.reasons import Reason

NAMED_NODES, NAMED_FACTS = 3, 4
"""Nodes that a message names for each fact, and facts that it names."""

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

MOST_AVOIDED = 64
"""Nodes that a pod avoids by name: the scheduler compares each node with each of them."""


UNMAPPED = frozenset({"nfs", "nfs4", "cifs", "smb3"})
"""Filesystems on which no kernel maps user IDs."""


def of_runtime_class(needs: NodeNeeds, cluster: ClusterFacts, name: str) -> NodeNeeds:
    """The needs, with the handler and the nodes of the pod's RuntimeClass."""
    facts = cluster.runtime_classes.get(name)
    if facts is None:
        return needs
    return replace(needs, labels={**facts.node_selector, **needs.labels}, handler=facts.handler or needs.handler)


def node_obstacle(mode: str, needs: NodeNeeds, cluster: ClusterFacts) -> Obstacle | None:
    """Why no node can run the mode; None: one can, or nothing is known against one, or no node is known.

    Args:
        mode: the mode's name, for the message.
        needs: what it needs.
        cluster: the nodes.
    """
    lacking: dict[str, list[str]] = {}
    for name, node in sorted(cluster.nodes.items()):
        missing = next(_lacking(needs, node), None)
        if missing is None:
            return None
        lacking.setdefault(missing, []).append(name)
    if not lacking:
        return None
    facts = [f"{_names(nodes)}: {fact}" for fact, nodes in lacking.items()]
    if len(facts) > NAMED_FACTS:
        facts = [*facts[:NAMED_FACTS], f"and {len(facts) - NAMED_FACTS} more reasons on other nodes"]
    message = f"no node can run mode {mode} ({'; '.join(facts)}): {needs.remedy}"
    return Obstacle(Reason.NO_CAPABLE_NODE, message)


def incapable_nodes(needs: NodeNeeds | None, cluster: ClusterFacts) -> tuple[str, ...]:
    """Nodes that the pod must avoid by name; empty: none is known to lack anything, or all are.

    A node without the labels is not among them, because the pod's node selector keeps it off.
    """
    if needs is None or not any(next(_lacking(needs, node), None) is None for node in cluster.nodes.values()):
        return ()
    found = (name for name, node in sorted(cluster.nodes.items()) if next(_lacking_facts(needs, node), None))
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


def _lacking(needs: NodeNeeds, node: NodeFacts) -> Iterator[str]:
    """What a node is known to lack, with what it has instead."""
    for label, value in needs.labels.items():
        if node.labels.get(label) != value:
            yield f"it does not have the label {label}={value}"
    yield from _lacking_facts(needs, node)


def _lacking_facts(needs: NodeNeeds, node: NodeFacts) -> Iterator[str]:
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
    if needs.user_namespaces and node.handlers is not None and node.handlers.get(needs.handler) is False:
        yield f"the {handler} of its container runtime {node.runtime} does not support user namespaces"
    if node.probed is not None:
        yield from _lacking_probed(needs, node.probed)


def _lacking_probed(needs: NodeNeeds, probed: ProbedFacts) -> Iterator[str]:
    if needs.cgroup_v2 and probed.cgroup == CgroupVersion.V1:
        yield "it has cgroup v1"
    if needs.user_namespaces and probed.max_user_namespaces == 0:
        yield "its sysctl user.max_user_namespaces is 0"
    if needs.mapped_volumes and probed.filesystem in UNMAPPED:
        yield f"its emptyDir volumes have filesystem {probed.filesystem}, on which no user IDs can be mapped"


def _names(nodes: list[str]) -> str:
    shown = ", ".join(shorten(name) for name in nodes[:NAMED_NODES])
    more = f" and {len(nodes) - NAMED_NODES} more" if len(nodes) > NAMED_NODES else ""
    return f"{'node' if len(nodes) == 1 else 'nodes'} {shown}{more}"
