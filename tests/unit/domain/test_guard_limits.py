"""The guard's rules for one NestedDocker: no more than its policy gives, and no more than its own limits."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nested_docker.api.meta import Quantity, ResourceRequirements
from nested_docker.api.v1alpha1.guard import GuardRules, Resources
from nested_docker.domain import quantities
from nested_docker.domain.guard_limits import tighten

CPUS = st.sampled_from(["100m", "1", "1500m", "2", "16"])
MEMORIES = st.sampled_from(["64Mi", "1Gi", "1500M", "2Gi", "1Ti"])
OWN = st.fixed_dictionaries({}, optional={"cpu": CPUS, "memory": MEMORIES})
MAXIMA = st.fixed_dictionaries({}, optional={"cpu": CPUS, "memory": MEMORIES, "pids": st.integers(1, 9999)})


def rules(total: dict[str, Any], each: dict[str, Any]) -> GuardRules:
    given_rules = {"limits": {"total": total, "perContainer": each, "containers": 3}, "build": {"allowed": True}}
    return GuardRules.model_validate(given_rules)


def resources(**limits: str) -> ResourceRequirements:
    return ResourceRequirements.model_validate({"limits": limits})


def at_most(value: Quantity | None, *maxima: Quantity | None) -> bool:
    """Whether a maximum is there as soon as one of these is, and exceeds none of them."""
    known = [quantities.parse(most) for most in maxima if most is not None]
    return value is not None and quantities.parse(value) <= min(known) if known else value is None


@given(total=MAXIMA, each=MAXIMA, own=OWN)
def test_no_limit_exceeds_the_policys_or_the_nested_dockers(
    total: dict[str, Any], each: dict[str, Any], own: dict[str, str]
) -> None:
    before = rules(total, each)
    limits = tighten(before, resources(**own)).limits
    for name in ("cpu", "memory"):
        whole = getattr(limits.total, name)
        assert at_most(whole, total.get(name), own.get(name))
        assert at_most(getattr(limits.per_container, name), each.get(name), whole)
    assert (limits.total.pids, limits.per_container.pids) == (total.get("pids"), each.get("pids"))


@given(total=MAXIMA, each=MAXIMA, own=OWN)
def test_nothing_else_changes_and_once_is_enough(
    total: dict[str, Any], each: dict[str, Any], own: dict[str, str]
) -> None:
    before = rules(total, each)
    once = tighten(before, resources(**own))
    assert tighten(once, resources(**own)) == once
    assert before == rules(total, each)
    kept = {"total": before.limits.total, "per_container": before.limits.per_container}
    assert once.model_copy(update={"limits": once.limits.model_copy(update=kept)}) == before


def test_without_any_limit_there_is_none() -> None:
    limits = tighten(GuardRules(), ResourceRequirements()).limits
    assert (limits.total, limits.per_container) == (Resources(), Resources())


def test_a_limit_is_given_on_as_it_was_written() -> None:
    limits = tighten(rules({"cpu": "2"}, {"memory": "1Gi"}), resources(cpu="1500m", memory="4Gi")).limits
    assert (limits.total.cpu, limits.total.memory) == ("1500m", "4Gi")
    assert (limits.per_container.cpu, limits.per_container.memory) == ("1500m", "1Gi")
