"""A signature holds for one id, namespace and class, and nobody can make one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.domain.injection.pods import pod

from nested_docker.domain.injection.signature import (
    FRESH_SECONDS,
    Injection,
    has_marks,
    requester_digest,
    signed_injection,
)
from nested_docker.domain.names import ANNOTATION_INJECTION_SIGNATURE, LABEL_INJECT, LABEL_INJECTION_ID

KEY = b"k" * 32
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ID = "0123456789abcdef0123"
INJECTION = Injection(ID, "team-a", "standard", requester_digest("alice"), int(NOW.timestamp()))
SIGNATURE = INJECTION.signature(KEY)


def signed(
    *, id_: str = ID, class_name: str = "standard", signature: str = SIGNATURE, **metadata: Any
) -> dict[str, Any]:
    made = pod(
        labels={LABEL_INJECT: class_name, LABEL_INJECTION_ID: id_},
        annotations={ANNOTATION_INJECTION_SIGNATURE: signature},
    )
    return made | {"metadata": made["metadata"] | metadata}


def test_what_was_signed_is_read_back() -> None:
    assert signed_injection(signed(), KEY) == INJECTION


@pytest.mark.parametrize(
    "other",
    [
        signed(id_="f" * 20),
        signed(class_name="privileged"),
        signed(namespace="team-b"),
        signed(signature=SIGNATURE[:-1] + ("0" if SIGNATURE[-1] != "0" else "1")),
        signed(signature=SIGNATURE.replace(str(INJECTION.time), str(INJECTION.time + 1))),
        signed(signature=SIGNATURE.replace(INJECTION.requester, requester_digest("mallory"))),
        signed(signature=SIGNATURE.replace("v1.", "v2.")),
        signed(signature=""),
        signed(signature="x" * 100_000),
        signed(signature=SIGNATURE + "\n"),
        signed(id_=""),
        signed(id_=ID.upper()),
        signed(id_=ID + "\n"),
        signed(annotations=None),
        signed(labels=None),
    ],
    ids=[
        "another id",
        "another class",
        "another namespace",
        "another digit",
        "another time",
        "another requester",
        "another version",
        "empty",
        "long",
        "a line break",
        "no id",
        "an id in capitals",
        "an id with a line break",
        "no annotations",
        "no labels",
    ],
)
def test_it_holds_for_nothing_else(other: dict[str, Any]) -> None:
    assert signed_injection(other, KEY) is None


def test_it_holds_for_one_key() -> None:
    assert signed_injection(signed(), b"x" * 32) is None


@pytest.mark.parametrize("field", ["id", "namespace", "class_name", "requester"])
def test_fields_cannot_run_into_each_other(field: str) -> None:
    moved = replace(INJECTION, **{field: getattr(INJECTION, field) + '", "x'})
    assert moved.signature(KEY).rpartition(".")[2] != SIGNATURE.rpartition(".")[2]


@pytest.mark.parametrize(
    ("seconds", "fresh"),
    [(0, True), (FRESH_SECONDS, True), (-FRESH_SECONDS, True), (FRESH_SECONDS + 1, False), (-61, False)],
)
def test_it_is_fresh_for_one_request(seconds: int, *, fresh: bool) -> None:
    assert INJECTION.is_fresh(NOW + timedelta(seconds=seconds)) is fresh


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        (signed(), True),
        (pod(labels={LABEL_INJECTION_ID: ""}), True),
        (pod(annotations={ANNOTATION_INJECTION_SIGNATURE: ""}), True),
        (pod(), False),
    ],
)
def test_a_pod_with_either_mark_has_marks(marked: dict[str, Any], *, expected: bool) -> None:
    assert has_marks(marked) is expected
