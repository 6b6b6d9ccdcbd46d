"""Tables as kubectl prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nested_docker.domain.shown import one_line

GAP = 3


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns under a head, each cell printable; an empty one is `-`."""
    cells = [[*head], *([one_line(cell) or "-" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = (
        "".join(cell.ljust(width + GAP) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
    return "\n".join(lines)
