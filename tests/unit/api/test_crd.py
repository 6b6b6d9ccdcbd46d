"""The schemas' generator, and rules that hold for every schema; the API server's word is in tests/contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field

from nested_docker.api import crd
from nested_docker.api.meta import KubeModel


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of our own; what lies within a node that is open to anything is Kubernetes' to describe."""
    yield path, schema
    if "x-kubernetes-preserve-unknown-fields" in schema:
        return
    for name, member in schema.get("properties", {}).items():
        yield from nodes(member, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_every_node_is_typed_described_and_bounded(kind: crd.KindDefinition) -> None:
    for path, node in nodes(crd.structural(kind.model)):
        assert not {"$ref", "const", "title", "default", "nullable"} & node.keys(), path
        assert "type" in node or "x-kubernetes-int-or-string" in node or "x-kubernetes-preserve-unknown-fields" in node
        if "x-kubernetes-int-or-string" in node:
            assert "pattern" in node, path
        if path and not path.endswith("[]"):
            assert node.get("description"), path
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if node.get("type") == "string" and "enum" not in node and ".status" not in path:
            assert "maxLength" in node or node.get("format") == "date-time", path


def test_a_union_is_refused() -> None:
    class Odd(KubeModel):
        field: int | str = Field(description="x")

    schema = crd.structural(Odd)
    assert "anyOf" in schema["properties"]["field"]

    class Worse(KubeModel):
        field: int | str | None = Field(description="x")

    with pytest.raises(ValueError, match="no unions"):
        crd.structural(Worse)


def test_reading_ignores_what_a_newer_version_wrote() -> None:
    assert crd.KINDS[0].model.model_validate({"spec": {"fromTheFuture": 1}}).dump() == {
        "spec": {
            "engine": {},
            "suspend": False,
            "connection": {"secretTemplate": {"labels": {}, "annotations": {}}, "clients": []},
            "scheduling": {"nodeSelector": {}, "tolerations": [], "podLabels": {}, "podAnnotations": {}},
        },
        "status": {
            "observedGeneration": 0,
            "observedRestart": "",
            "conditions": [],
            "endpoint": "",
            "className": "",
            "modesNotChosen": [],
            "policyName": "",
            "podName": "",
            "podNamespace": "",
            "nodeName": "",
            "hazards": [],
            "results": [],
        },
    }
