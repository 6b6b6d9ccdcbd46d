"""The guard's rules for one NestedDocker: its policy's, narrowed down to its own resources."""

from __future__ import annotations

from nested_docker.api.meta import Quantity, ResourceRequirements
from nested_docker.api.v1alpha1.guard import GuardRules, Resources
from nested_docker.domain import quantities


def tighten(rules: GuardRules, resources: ResourceRequirements) -> GuardRules:
    """The rules with maxima that are no more than the limits in `resources`.

    What clients start runs on the node's daemon, outside the pod's cgroup. So the limits that hold everything
    inside a daemon of one's own hold here the sum of the containers, and each of them.

    Args:
        rules: of the policy that grants the request.
        resources: of the NestedDocker.
    """
    total, each = rules.limits.total, rules.limits.per_container
    cpu = _least(total.cpu, resources.limits.get("cpu"))
    memory = _least(total.memory, resources.limits.get("memory"))
    limits = rules.limits.model_copy(
        update={
            "total": Resources(cpu=cpu, memory=memory, pids=total.pids),
            "per_container": Resources(cpu=_least(each.cpu, cpu), memory=_least(each.memory, memory), pids=each.pids),
        }
    )
    return rules.model_copy(update={"limits": limits})


def _least(*values: Quantity | None) -> Quantity | None:
    return min((value for value in values if value is not None), key=quantities.parse, default=None)
