"""Pod Security Admission: a mode that the namespace's level forbids is never tried."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerSpec
from nested_docker.domain.modes.base import ModeBehaviour, PodSecurityLevel
from nested_docker.domain.node_facts import version
from nested_docker.domain.objects import ClusterFacts

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"
VERSION_LABEL = "pod-security.kubernetes.io/enforce-version"

ANY_VERSION = float("inf")
"""Of the API server's version: it may admit what any version admits."""

_STRICTNESS = list(PodSecurityLevel)


def admits(
    mode: ModeBehaviour,
    namespace_labels: Mapping[str, str],
    spec: NestedDockerSpec,
    class_spec: NestedDockerClassSpec,
    latest: float = ANY_VERSION,
) -> bool:
    """Whether a mode's pod passes, or may pass, the level that a namespace's label enforces.

    Without the label the configuration of the API server decides, which nobody else knows.

    Args:
        mode: the mode.
        namespace_labels: of the pod's namespace.
        spec: the NestedDocker's, which adds to the pod.
        class_spec: its class's, likewise.
        latest: the API server's minor version, by which it judges where the namespace names none or a later one.
    """
    level = namespace_labels.get(ENFORCE_LABEL, PodSecurityLevel.PRIVILEGED)
    if level not in _STRICTNESS:
        return True
    asked, stricter = _STRICTNESS.index(PodSecurityLevel(level)), mode.pod_security.stricter
    if asked <= _STRICTNESS.index(mode.pod_security.level):
        return True
    if stricter is None or asked > _STRICTNESS.index(stricter.level):
        return False
    named = re.fullmatch(r"v1\.(\d+)", namespace_labels.get(VERSION_LABEL, ""))
    judged_by = min(int(named[1]), latest) if named else latest
    return judged_by >= stricter.since and stricter.condition(spec, class_spec)


def oldest_api_server(cluster: ClusterFacts) -> float:
    """The minor version of the newest kubelet, than which no API server is older; ANY_VERSION: no node says it."""
    versions = [version(node.kubelet) for node in cluster.nodes.values()]
    return max((found[1] for found in versions if found is not None), default=ANY_VERSION)


def denial(mode: ModeBehaviour, namespace: str, level: str, others: Sequence[ModeBehaviour]) -> str:
    """The message for a mode that does not pass.

    Args:
        mode: the mode.
        namespace: where its pod would be.
        level: the level enforced there.
        others: modes that would pass.
    """
    passing = ", ".join(other.mode for other in others)
    remedy = (
        f"choose mode {passing}" if passing else "no mode passes it: use a class with a podNamespace that allows it"
    )
    return (
        f"namespace {namespace} enforces the Pod Security level {level} ({ENFORCE_LABEL}), which forbids what mode "
        f"{mode.mode} needs: {mode.pod_security.forbidden}. {remedy[0].upper()}{remedy[1:]}, or ask a cluster "
        "admin to change the label"
    )
