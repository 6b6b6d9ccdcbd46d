"""What the guard counts, and that no client decides how many time series that is."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from nested_docker.guard.errors import GuardDenied, ObjectNotFound
from nested_docker.guard.verdicts import COUNTED_RULES, OTHER, GuardVerdict, Verdicts


def counted(verdicts: Verdicts) -> dict[tuple[str, str], float]:
    (family,) = text_string_to_metric_families(verdicts.metrics())
    assert (family.name, family.type) == ("nested_docker_guard_requests", "counter")
    return {(sample.labels["verdict"], sample.labels["rule"]): sample.value for sample in family.samples}


def test_requests_are_counted_by_verdict_and_rule() -> None:
    verdicts = Verdicts()
    verdicts.count(GuardVerdict.ALLOWED)
    verdicts.count(GuardVerdict.ALLOWED)
    verdicts.count(GuardVerdict.WAIVED, GuardDenied("containers.binds", "x"))
    verdicts.count(GuardVerdict.DENIED, GuardDenied("HostConfig.Privileged", "x"))
    assert counted(verdicts) == {
        ("allowed", ""): 2,
        ("waived", "containers"): 1,
        ("denied", OTHER): 1,
    }


def test_the_order_does_not_depend_on_that_of_the_requests() -> None:
    texts = set()
    for order in (GuardVerdict, reversed(GuardVerdict)):
        verdicts = Verdicts()
        for verdict in order:
            verdicts.count(verdict)
        texts.add(verdicts.metrics())
    assert len(texts) == 1


@pytest.mark.parametrize("rule", ["Mine7", "Mine7.containers", 'a"} 1\nforged{b="', "", "containers\n"])
def test_a_client_s_words_are_no_label(rule: str) -> None:
    verdicts = Verdicts()
    verdicts.count(GuardVerdict.DENIED, GuardDenied(rule, "x"))
    assert counted(verdicts) == {("denied", OTHER): 1}


def test_what_is_another_owner_s_and_what_does_not_exist_count_as_the_same() -> None:
    verdicts = Verdicts()
    verdicts.count(GuardVerdict.DENIED, ObjectNotFound("No such container: theirs"))
    verdicts.count(GuardVerdict.DENIED, ObjectNotFound("No such container: none"))
    assert counted(verdicts) == {("denied", "owner"): 2}


def test_rules_are_words_and_few() -> None:
    assert all(rule.isalpha() for rule in COUNTED_RULES)
    assert len(COUNTED_RULES) < 30


def test_a_guard_without_requests_has_none() -> None:
    assert counted(Verdicts()) == {}
