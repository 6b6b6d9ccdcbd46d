"""Kubernetes quantities."""

from __future__ import annotations

from decimal import Decimal

import pytest

from nested_docker.domain.quantities import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", "0.5"),
        ("4", "4"),
        ("1.5", "1.5"),
        ("8Gi", str(8 * 2**30)),
        ("1k", "1000"),
        ("2E", "2000000000000000000"),
        ("1e3", "1000"),
        ("12E2", "1200"),
        ("100n", "0.0000001"),
        ("-1", "-1"),
    ],
)
def test_values(text: str, value: str) -> None:
    assert parse(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "a", "1.5.", "1Kib", "1 Gi", "Gi", "1\n", "1Gi\n"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse(text)
