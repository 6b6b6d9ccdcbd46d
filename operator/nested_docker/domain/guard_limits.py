"""The guard's rules for one NestedDocker: those of its policy, tightened to its resources."""

from __future__ import annotations

from nested_docker.api.amounts import limit_in_force
from nested_docker.api.meta import Quantity, ResourceRequirements
from nested_docker.api.v1alpha1.guard import GuardRules, Resources
from nested_docker.domain import quantities


def tighten(rules: GuardRules, resources: ResourceRequirements) -> GuardRules:
    """The rules, with maxima that do not exceed the limits in `resources`.

    Clients' containers run on the node's daemon, outside the pod's cgroup. So the limits that would apply to a
    dockerd in the pod apply to the sum of the containers, and to each of them.

    Args:
        rules: rules of the policy that grants the request.
        resources: resources of the NestedDocker.
    """
    total, each = rules.limits.total, rules.limits.per_container
    cpu = _least("cpu", total.cpu, resources.limits.get("cpu"))
    memory = _least("memory", total.memory, resources.limits.get("memory"))
    limits = rules.limits.model_copy(
        update={
            "total": Resources(cpu=cpu, memory=memory, pids=total.pids),
            "per_container": Resources(
                cpu=_least("cpu", each.cpu, cpu), memory=_least("memory", each.memory, memory), pids=each.pids
            ),
        }
    )
    return rules.model_copy(update={"limits": limits})


def _least(resource: str, *values: Quantity | None) -> Quantity | None:
    limits = (value for value in values if value is not None and limit_in_force(resource, value) is not None)
    return min(limits, key=quantities.parse, default=None)
