"""Exposure: the NetworkPolicy that admits only the declared clients cannot be written, and so others may connect."""

from __future__ import annotations

from typing import Any

from nested_docker.domain import names
from nested_docker.domain.manifests import metadata
from nested_docker.domain.manifests.metadata import with_metadata
from nested_docker.domain.manifests.network_policy import network_policy
from nested_docker.domain.objects import Manifest
from nested_docker.domain.planning import patience
from nested_docker.domain.planning.patience import Grace
from nested_docker.domain.planning.situation import Situation


def wanted_network_policy(at: Situation) -> Manifest:
    """The NetworkPolicy around the pod."""
    wanted = network_policy(
        at.object_names,
        at.accepted.spec.connection.clients,
        at.defaults.operator_namespace,
        published_ports=at.published_ports,
    )
    return with_metadata(wanted, metadata.of_children(at.effective))


def is_exposed(at: Situation) -> bool:
    """Whether pods other than the declared clients may reach the daemon's pod, and the operator cannot correct that."""
    if not at.manages_network or at.pod is None:
        return False
    labels = at.pod.manifest["metadata"].get("labels", {})
    if labels.get(names.LABEL_UID) != at.observed.owner.uid:
        return at.object_names.pod(at.key_set.id) in at.blocked if at.key_set else False
    identity = at.object_names.network_policy
    stored = at.observed.children.get(identity)
    return identity in at.blocked and (stored is None or _admits_more(stored, wanted_network_policy(at)))


def grace_left(at: Situation) -> Grace | None:
    """How long an exposed pod may go on; None: no longer."""
    return None if at.pod is None else patience.time_left(at.observed, at.pod, at.mode, at.now, at.defaults)


def _admits_more(stored: Manifest, wanted: Manifest) -> bool:
    """Whether a stored NetworkPolicy lets somebody in whom the wanted one does not."""
    if "deletionTimestamp" in stored["metadata"]:
        return True
    there, policy = stored.get("spec", {}), wanted["spec"]
    selects = there.get("podSelector") == policy["podSelector"] and "Ingress" in there.get("policyTypes", [])
    rules = there.get("ingress") or []
    return not (selects and all(any(_within(rule, each) for each in policy["ingress"]) for rule in rules))


def _within(rule: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether one rule admits nobody whom the other does not; an empty list admits everything."""
    return all(
        not other.get(part) or (rule.get(part) and all(each in other[part] for each in rule[part]))
        for part in ("from", "ports")
    )
