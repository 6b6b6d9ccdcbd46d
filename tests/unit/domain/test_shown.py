"""Text of users in messages is short and printable, and so is every message that has such text."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, observed, policy_spec
from tests.support.nesting import nested_document

from nested_docker.api.nesting import MAX_NESTING
from nested_docker.api.v1alpha1 import NestedDockerClassSpec
from nested_docker.cli.findings import format_value
from nested_docker.domain.admission.acceptance import NotAccepted, accept
from nested_docker.domain.admission.grant_request import GrantRequest
from nested_docker.domain.admission.policy import evaluate
from nested_docker.domain.quantities import parse
from nested_docker.domain.shown import MESSAGE_LENGTH, number, one_line, printable_strings, shorten, shown
from nested_docker.domain.status.reasons import Reason
from nested_docker.guard.errors import GuardDenied

LONG = "x" * 1_000_000


def refused(spec: dict[str, Any]) -> str:
    outcome = accept(observed({"mode": "Dind"} | spec), DEFAULTS)
    assert isinstance(outcome, NotAccepted), outcome
    assert outcome.reason == Reason.INVALID_SPEC
    assert len(outcome.message) <= MESSAGE_LENGTH + 1
    assert outcome.message.isprintable()
    return outcome.message


@pytest.mark.parametrize(
    ("text", "limit", "result"),
    [("short", 5, "short"), ("abcdef", 5, "abcde…"), ("a\x1b[2J\nb\u202e", 9, "a\ufffd[2J b\ufffd"), (LONG, 3, "xxx…")],
)
def test_text_is_cut_and_printable(text: str, limit: int, result: str) -> None:
    assert shorten(text, limit) == result


def test_a_value_that_is_nested_too_deeply_is_not_shown() -> None:
    assert shown(nested_document(50_000)) == "a value that is nested too deeply to be shown"
    assert format_value(nested_document(50_000)) == "a value that is nested too deeply to be shown"


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.5", "0.5"), ("64000", "64000"), ("1E+18", "1000000000000000000"), ("1E+999999", "1.000E+999999")],
)
def test_numbers_are_short(value: str, text: str) -> None:
    assert number(Decimal(value)) == text


QUANTITIES = ["1e999999", "1E999999", "1e-999999", "9e99", "1" * 20, "1e19", "1e1.5", "0." + "0" * 25 + "1"]


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("resources.limits.cpu", lambda value: {"resources": {"limits": {"cpu": value}}}),
        ("resources.requests.memory", lambda value: {"resources": {"requests": {"memory": value}}}),
        (
            "storage.emptyDir.sizeLimit",
            lambda value: {"storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": value}}},
        ),
        (
            "storage.ephemeral.size",
            lambda value: {"storage": {"type": "Ephemeral", "ephemeral": {"size": value}}},
        ),
        (
            "workload.containers.0.resources.limits.cpu",
            lambda value: {
                "workload": {"containers": [{"name": "a", "image": "a", "resources": {"limits": {"cpu": value}}}]}
            },
        ),
    ],
)
def test_a_quantity_without_bounds_is_refused(path: str, field: Any, quantity: str) -> None:
    message = refused(field(quantity))
    assert f"spec.{path}: String should match pattern" in message
    assert f'(value: "{quantity}")' in message


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_nor_is_it_parsed(quantity: str) -> None:
    with pytest.raises(ValueError, match=r"is not a quantity, such as 500m, 4 or 8Gi"):
        parse(quantity)


@pytest.mark.parametrize(
    "field", ["cpu", "memory", "storage"], ids=["limits.cpu", "limits.memory", "the size of spec.storage"]
)
def test_a_denial_shows_a_huge_number_in_few_characters(field: str) -> None:
    request = GrantRequest("team-a", {}, "standard", mode="Dind", **{field: Decimal("1E+999999")})  # type: ignore[arg-type]
    decision = evaluate(request, {"small": policy_spec(max={field: "4"})})
    assert f"is 1.000E+999999, and max.{field} is 4" in decision.message
    assert len(decision.message) < MESSAGE_LENGTH


@pytest.mark.parametrize(
    ("spec", "fragment"),
    [
        ({"mode": LONG}, 'value: "xxx'),
        ({"engine": {"image": LONG}}, "spec.engine.image"),
        ({"engine": {"config": {LONG: 1}, "dns": [LONG]}}, "spec.engine.dns.0"),
        ({"scheduling": {"podAnnotations": {LONG: LONG}}}, "spec.scheduling.podAnnotations"),
        ({"workload": {"containers": [{"name": LONG, "image": LONG}]}}, "spec.workload.containers.0.name"),
        ({"scheduling": {"tolerations": [{}] * 100_000}}, "spec.scheduling.tolerations"),
        ({"connection": {"secretTemplate": {"labels": {f"{LONG}{i}": LONG for i in range(9)}}}}, "secretTemplate"),
        ({"engine": {"dns": [f"{i}{'y' * 90}" for i in range(8)]}, "workload": LONG}, "spec.workload"),
        (
            {
                "engine": {
                    "config": dict.fromkeys(map("".join, product(*zip("data-root", "DATA-ROOT", strict=True))), 1)
                }
            },
            "config",
        ),
    ],
)
def test_a_message_is_short_whatever_the_value_is(spec: dict[str, Any], fragment: str) -> None:
    assert fragment in refused(spec)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("engine.config", lambda value: {"engine": {"config": value}}),
        ("scheduling.affinity.podAffinity", lambda value: {"scheduling": {"affinity": {"podAffinity": value}}}),
        ("scheduling.tolerations.0", lambda value: {"scheduling": {"tolerations": [value]}}),
    ],
)
@pytest.mark.parametrize("depth", [MAX_NESTING + 1, 200, 500, 900, 9990, 50_000])
def test_a_value_of_any_shape_has_a_bound_on_its_depth(path: str, field: Any, depth: int) -> None:
    message = refused(field(nested_document(depth)))
    assert f"spec.{path}: objects and lists are nested more than 32 levels deep: nest them less" in message


def test_a_class_has_it_too() -> None:
    shallow = {"spec": {"affinity": nested_document(MAX_NESTING - 2)}}
    NestedDockerClassSpec.model_validate({"modes": ["Dind"], "podTemplate": shallow})
    with pytest.raises(ValueError, match="nested more than 32 levels deep"):
        NestedDockerClassSpec.model_validate({"modes": ["Dind"], "podTemplate": {"spec": nested_document(500)}})


def test_the_guard_shortens_its_messages() -> None:
    denied = GuardDenied("fields", f"{LONG!r}\x1b is no name of an image")
    assert len(json.loads(denied.body())["message"]) < 1200
    assert len(str(denied)) < 1200


def test_what_is_printable_has_no_limit_and_one_line() -> None:
    assert one_line("a" * 1000) == "a" * 1000
    assert one_line("a\x1b[2J\x9b1m\u202eb\nc\r\td\u2028") == "a\ufffd[2J\ufffd1m\ufffdb c  d\ufffd"
    assert printable_strings({"a\x1b": ["\x07", 1, None, {"b": "\n"}]}) == {"a\ufffd": ["\ufffd", 1, None, {"b": " "}]}
