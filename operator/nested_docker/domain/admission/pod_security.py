"""Pod Security Admission: a mode that the namespace's level forbids is never tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nested_docker.domain.modes.base import ModeBehaviour, PodSecurityLevel

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"

_STRICTNESS = list(PodSecurityLevel)


def admits(mode: ModeBehaviour, namespace_labels: Mapping[str, str]) -> bool:
    """Whether a mode's pod passes the level that a namespace's label enforces.

    Without the label the configuration of the API server decides, which nobody else knows.
    """
    level = namespace_labels.get(ENFORCE_LABEL, PodSecurityLevel.PRIVILEGED)
    if level not in _STRICTNESS:
        return True
    return _STRICTNESS.index(PodSecurityLevel(level)) <= _STRICTNESS.index(mode.pod_security.level)


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
