"""JSON of the API server: whatever an object looks like, the others of a list or watch are read."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.support.nesting import DEEP, nested, with_managed_fields

from nested_docker.adapters import bounded_json
from nested_docker.adapters.bounded_json import KEPT_LEVELS, is_too_deep, loads
from nested_docker.domain.partial import PartialObject


@pytest.mark.parametrize(
    "kind", ["NestedDocker", "Secret", "Pod", "Service", "Namespace", "Node", "NetworkPolicy", "PodDisruptionBudget"]
)
@pytest.mark.parametrize("depth", [DEEP, 2000, 100_000])
def test_managed_fields_are_left_out_where_they_are_too_deep(kind: str, depth: int) -> None:
    found = loads(with_managed_fields(kind, "a", managed=nested(depth), data='{"key": "}]{[\\"\\\\"}'))
    assert isinstance(found, PartialObject)
    assert found.missing == "metadata.managedFields"
    assert found["metadata"] == {"name": "a", "namespace": "ns", "uid": "a-uid"}
    assert found["data"] == {"key": '}]{["\\'}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata.annotations", nested(DEEP)),
        ("spec.engine", f'{{"config": {nested(DEEP, "[", "]")}}}'),
        ("spec.scheduling", f'{{"affinity": {nested(DEEP)}}}'),
        ("status.mode", nested(DEEP)),
        ("spec", nested(DEEP, "[", "]")),
        ("data", f"[{nested(DEEP, '[1, ', ', 2]')}]"),
    ],
)
def test_the_field_with_missing_values_is_named(field: str, value: str) -> None:
    key, _, name = field.partition(".")
    document = json.loads(with_managed_fields("NestedDocker", "a"))
    document[key] = {**document.get(key, {}), name: "DEEP"} if name else "DEEP"
    found = loads(json.dumps(document).replace('"DEEP"', value))
    assert isinstance(found, PartialObject)
    assert found.missing == field
    assert found["metadata"]["uid"] == "a-uid"


def test_the_others_of_a_list_are_whole() -> None:
    items = [
        with_managed_fields("Pod", "a"),
        with_managed_fields("Pod", "b", managed=nested(DEEP)),
        with_managed_fields("Pod", "c", managed=nested(90)),
    ]
    found = loads(f'{{"kind": "PodList", "metadata": {{"resourceVersion": "7"}}, "items": [{",".join(items)}]}}')
    assert [type(item) for item in found["items"]] == [dict, PartialObject, dict]
    assert [item["metadata"]["name"] for item in found["items"]] == ["a", "b", "c"]
    assert found["metadata"] == {"resourceVersion": "7"}
    assert found["items"][0] == json.loads(items[0])


def test_so_is_the_rest_of_an_event() -> None:
    found = loads(f'{{"type": "MODIFIED", "object": {with_managed_fields("Pod", "a", managed=nested(DEEP))}}}')
    assert found["type"] == "MODIFIED"
    assert isinstance(found["object"], PartialObject)


def test_ordinary_documents_are_parsed_as_usual() -> None:
    for document in ("[1, 2]", '"text"', "null", with_managed_fields("Pod", "a", managed=nested(400))):
        assert loads(document) == json.loads(document)
        assert not is_too_deep(document.encode())


@pytest.mark.parametrize(
    "document",
    [
        b'{"a": ' * DEEP,
        b"[" * DEEP,
        b'{"a": ' * DEEP + b'"' + b'\\"' * 200_000,
        nested(DEEP).encode() + b"}",
        b"]" * 9 + nested(DEEP).encode(),
        b'{"a": \xff' + nested(DEEP).encode() + b"}",
    ],
)
def test_what_is_not_json_is_one_error_and_found_soon(document: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match=r".+"):
        loads(document)
    is_too_deep(document)
    assert time.monotonic() - started < 2


def test_the_mark_cannot_be_forged() -> None:
    ordinary = with_managed_fields("Pod", "a", note=json.dumps("left out"))
    deep = with_managed_fields("Pod", "b", managed=nested(DEEP))
    found: Any = loads(f'{{"items": [{ordinary}, {deep}]}}')
    assert [type(item) for item in found["items"]] == [dict, PartialObject]


def test_nesting_within_brackets_is_counted_not_guessed() -> None:
    wide = "[" + ",".join(["{}"] * 5000) + "]"
    assert not is_too_deep(wide.encode())
    assert is_too_deep(nested(DEEP).encode())
    assert KEPT_LEVELS < bounded_json.SAFE_BRACKETS


def test_an_ordinary_pod_costs_little_more() -> None:
    pod = with_managed_fields(
        "Pod",
        "a",
        managed=nested(8),
        spec=json.dumps(
            {"containers": [{"name": f"c{i}", "env": [{"name": "A", "value": "B" * 30}] * 6} for i in range(22)]}
        ),
    )
    line = f'{{"type": "MODIFIED", "object": {pod}}}'.encode()
    assert 8000 < len(line) < 16000

    def cheapest(work: Any) -> float:
        times = []
        for _ in range(300):
            started = time.perf_counter()
            work(line)
            times.append(time.perf_counter() - started)
        return min(times)

    assert cheapest(is_too_deep) < 0.3 * cheapest(json.loads)
