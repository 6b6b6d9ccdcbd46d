"""Reasons: each has a form that the API takes, a text for the docs, and traits that agree with each other."""

from __future__ import annotations

import re

import pytest

from nested_docker.domain.status.reasons import Reason, Trait, Type, traits_of

NOT_CONDITIONS = {Reason.NOT_PERMITTED, Reason.CLEANED_UP, Reason.CLEANUP_FAILED, Reason.NODE_GONE}
"""Reasons of admission and of Events only."""


def with_trait(trait: Trait) -> set[Reason]:
    return {each for each in Reason if each.has(trait)}


@pytest.mark.parametrize("name", [*Reason, *Type])
def test_names_are_what_the_api_takes(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", name)
    assert len(name) <= 316


def test_no_reason_twice() -> None:
    assert len({each.value for each in Reason}) == len([*Reason.__members__]) == len([*Reason])


def test_a_denial_stalls_and_is_no_grant() -> None:
    assert with_trait(Trait.DENIAL) <= with_trait(Trait.STALLED)
    assert not with_trait(Trait.DENIAL) & with_trait(Trait.GRANT)
    assert with_trait(Trait.GRANT) == {Reason.GRANTED, Reason.NOT_ENFORCED, Reason.GRANT_REVOKED}


def test_admission_lets_pass_only_denials_that_the_cluster_can_end() -> None:
    assert with_trait(Trait.MAY_PASS) == {
        Reason.POD_NAMESPACE_MISSING,
        Reason.POD_SECURITY_DENIED,
        Reason.RUNTIME_MISSING,
        Reason.NO_CAPABLE_NODE,
    }
    assert with_trait(Trait.MAY_PASS) <= with_trait(Trait.DENIAL)


def test_what_is_settled_or_stalled_does_not_reconcile() -> None:
    assert not with_trait(Trait.SETTLED) & with_trait(Trait.STALLED)
    assert not with_trait(Trait.EXPECTED) & (with_trait(Trait.WARNS) | with_trait(Trait.STALLED))


def test_only_an_ending_keeps_a_pod() -> None:
    assert with_trait(Trait.KEEPS_POD) <= with_trait(Trait.FINAL)
    assert with_trait(Trait.FINAL) == {
        Reason.DEADLINE_EXCEEDED,
        Reason.IDLE_TIMEOUT,
        Reason.COMPLETED,
        Reason.WORKLOAD_FAILED,
    }


def test_only_the_start_is_undetermined() -> None:
    assert with_trait(Trait.UNDETERMINED) == {Reason.DAEMON_STARTING}


def test_reasons_of_admission_and_events_have_no_traits() -> None:
    assert {each.traits for each in NOT_CONDITIONS} == {Trait.NONE}


def test_a_reason_of_another_version_has_no_traits() -> None:
    assert traits_of("NotGranted") == Trait.DENIAL | Trait.STALLED
    assert traits_of("WrittenByAnotherVersion") == Trait.NONE
