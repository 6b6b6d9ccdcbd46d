"""The value of the flag `--guard-rules`."""

from __future__ import annotations

from pathlib import Path

from nested_docker.api.v1alpha1.guard import POD_UID, GuardRules


def parse_rules(text: str | bytes) -> GuardRules:
    """Parse rules.

    Raises:
        ValueError: they are not JSON, or have a field that the guard does not know; the message says where.
    """
    return GuardRules.model_validate_json(text, extra="forbid")


def read_rules(value: str) -> GuardRules:
    """Read the rules of a flag.

    Args:
        value: path of a file, or JSON.

    Raises:
        OSError: the file cannot be read.
        ValueError: the rules are invalid; the message says where.
    """
    text = value if value.lstrip().startswith("{") else Path(value).read_text(encoding="utf-8")
    try:
        return parse_rules(text)
    except ValueError as error:
        raise ValueError(f"the guard's rules are invalid: {' '.join(str(error).split())}") from error


def in_pod(rules: GuardRules, pod_uid: str) -> GuardRules:
    """The rules of a guard in a certain pod.

    Args:
        rules: as the policy has them.
        pod_uid: UID of the pod; empty: unknown.

    Raises:
        ValueError: the rules need the pod's UID, and it is unknown.
    """
    parent = rules.limits.cgroup_parent
    if POD_UID not in parent:
        return rules
    if not pod_uid:
        raise ValueError(f"limits.cgroupParent is {parent}, which needs the pod's UID: set --pod-uid")
    # A dash in a slice's name starts another level.
    resolved = parent.replace(POD_UID, pod_uid.replace("-", "_") if parent.endswith(".slice") else pod_uid)
    return rules.model_copy(update={"limits": rules.limits.model_copy(update={"cgroup_parent": resolved})})
