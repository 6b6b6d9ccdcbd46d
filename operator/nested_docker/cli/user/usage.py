"""The answer to Docker's `GET /system/df` as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nested_docker.cli.user.tables import table

UNITS_OF_SIZE = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class UsageRow:
    """One kind of object.

    Attributes:
        kind: as `docker system df` names it.
        total: how many there are.
        active: how many are in use.
        bytes: what they take.
    """

    kind: str
    total: int
    active: int
    bytes: int


def usage_rows(df: Mapping[str, Any]) -> list[UsageRow]:
    """The rows of `docker system df`."""
    images, containers = df.get("Images") or [], df.get("Containers") or []
    volumes, cache = df.get("Volumes") or [], df.get("BuildCache") or []
    return [
        UsageRow("Images", len(images), _count(images, "Containers"), int(df.get("LayersSize") or 0)),
        UsageRow("Containers", len(containers), _running(containers), _sum(containers, "SizeRw")),
        UsageRow(
            "Volumes",
            len(volumes),
            _count([each.get("UsageData") or {} for each in volumes], "RefCount"),
            _sum([each.get("UsageData") or {} for each in volumes], "Size"),
        ),
        UsageRow("Build cache", len(cache), _count(cache, "InUse"), _sum(cache, "Size")),
    ]


def usage_text(rows: Iterable[UsageRow]) -> str:
    """A table of rows."""
    cells = [(row.kind, str(row.total), str(row.active), size_text(row.bytes)) for row in rows]
    return table(("TYPE", "TOTAL", "ACTIVE", "SIZE"), cells)


def size_text(size: float) -> str:
    """A size in decimal units, as Docker prints sizes."""
    for unit in UNITS_OF_SIZE[:-1]:
        if size < 1000:
            return f"{size:.4g}{unit}"
        size /= 1000
    return f"{size:.4g}{UNITS_OF_SIZE[-1]}"


def _count(items: Iterable[Mapping[str, Any]], key: str) -> int:
    return sum(1 for each in items if int(each.get(key) or 0) > 0)


def _running(containers: Iterable[Mapping[str, Any]]) -> int:
    return sum(1 for each in containers if each.get("State") == "running")


def _sum(items: Iterable[Mapping[str, Any]], key: str) -> int:
    return sum(max(0, int(each.get(key) or 0)) for each in items)
