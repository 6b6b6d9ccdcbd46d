"""Pod Security Admission: a pod that the namespace's level forbids is never tried."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nested_docker.api.meta import Mode
from nested_docker.domain.admission.pod_security_standards import NEWEST, PodSecurityLevel, violations
from nested_docker.domain.node_facts import version
from nested_docker.domain.objects import ClusterFacts, Manifest

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"
VERSION_LABEL = "pod-security.kubernetes.io/enforce-version"

ANY_VERSION = float("inf")
"""Of the API server's version: it may admit what any version admits."""

SHOWN_VIOLATIONS = 5
"""Of a pod, that a message names."""


def judges(namespace_labels: Mapping[str, str]) -> bool:
    """Whether a namespace's label may forbid a pod; without it the API server's configuration decides."""
    return namespace_labels.get(ENFORCE_LABEL) in {PodSecurityLevel.BASELINE, PodSecurityLevel.RESTRICTED}


def forbidden(manifest: Manifest, namespace_labels: Mapping[str, str], latest: float = ANY_VERSION) -> list[str]:
    """What the level that a namespace's label enforces forbids of a pod; empty: nothing, as far as that is known.

    Args:
        manifest: the pod.
        namespace_labels: of its namespace.
        latest: the API server's minor version, by which it judges where the namespace names none or a later one.
    """
    if not judges(namespace_labels):
        return []
    level = PodSecurityLevel(namespace_labels[ENFORCE_LABEL])
    return violations(manifest, level, _judged_by(namespace_labels, latest))


def _judged_by(namespace_labels: Mapping[str, str], latest: float) -> float:
    named = re.fullmatch(r"v1\.(\d+)", namespace_labels.get(VERSION_LABEL, ""))
    return min(int(named[1]), latest) if named else latest


def oldest_api_server(cluster: ClusterFacts) -> float:
    """The minor version of the newest kubelet, than which no API server is older; ANY_VERSION: no node says it."""
    versions = [version(node.kubelet) for node in cluster.nodes.values()]
    return max((found[1] for found in versions if found is not None), default=ANY_VERSION)


def denial(
    mode: Mode,
    manifest: Manifest,
    namespace: str,
    namespace_labels: Mapping[str, str],
    *,
    others: Sequence[Mode],
    latest: float = ANY_VERSION,
) -> str:
    """The message for a pod that does not pass.

    Args:
        mode: of the pod.
        manifest: the pod.
        namespace: where it would be.
        namespace_labels: of the namespace.
        others: modes whose pods would pass.
        latest: as for `forbidden`.
    """
    level = PodSecurityLevel(namespace_labels[ENFORCE_LABEL])
    found = forbidden(manifest, namespace_labels, latest)
    more = f" and {len(found) - SHOWN_VIOLATIONS} more" if len(found) > SHOWN_VIOLATIONS else ""
    newer = range(int(min(_judged_by(namespace_labels, latest), NEWEST)) + 1, NEWEST + 1)
    since = next((each for each in newer if not violations(manifest, level, each)), None)
    later = f". The standards of Kubernetes 1.{since} and newer admit it ({VERSION_LABEL})" if since else ""
    passing = ", ".join(others)
    remedy = (
        f"choose mode {passing}" if passing else "no mode passes it: use a class with a podNamespace that allows it"
    )
    return (
        f"namespace {namespace} enforces the Pod Security level {level} ({ENFORCE_LABEL}), which forbids what the pod "
        f"has in mode {mode}: {', '.join(found[:SHOWN_VIOLATIONS])}{more}{later}. {remedy[0].upper()}{remedy[1:]}, or "
        "ask a cluster admin to change the class or the label"
    )
