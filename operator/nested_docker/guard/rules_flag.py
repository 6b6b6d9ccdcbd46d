"""Rules as people write them."""

from __future__ import annotations

from pathlib import Path

from nested_docker.api.v1alpha1.guard import POD_UID, GuardRules


def load(text: str | bytes) -> GuardRules:
    """Read rules that people wrote.

    Raises:
        ValueError: they are not JSON, or name what the guard does not know; the message says where.
    """
    return GuardRules.model_validate_json(text, extra="forbid")


def read_rules(given: str) -> GuardRules:
    """Rules from a file, or from the JSON itself.

    Raises:
        OSError: the file cannot be read.
        ValueError: they are wrong; the message says where.
    """
    text = given if given.lstrip().startswith("{") else Path(given).read_text(encoding="utf-8")
    try:
        return load(text)
    except ValueError as error:
        raise ValueError(f"the guard's rules are wrong: {' '.join(str(error).split())}") from error


def in_pod(rules: GuardRules, pod_uid: str) -> GuardRules:
    """The rules of a guard in that pod.

    Args:
        rules: as a policy has them.
        pod_uid: the pod's; empty: it is not known.

    Raises:
        ValueError: the rules speak of the pod, and it is not known.
    """
    parent = rules.limits.cgroup_parent
    if POD_UID not in parent:
        return rules
    if not pod_uid:
        raise ValueError(f"limits.cgroupParent is {parent}, and --pod-uid does not say what {POD_UID} is")
    # In a slice's name a dash would be a level of its own.
    named = parent.replace(POD_UID, pod_uid.replace("-", "_") if parent.endswith(".slice") else pod_uid)
    return rules.model_copy(update={"limits": rules.limits.model_copy(update={"cgroup_parent": named})})
