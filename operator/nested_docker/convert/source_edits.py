"""Edits of a source in Groovy: what is not edited stays letter by letter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Edit:
    """What stands between two positions becomes another text."""

    start: int
    end: int
    text: str = ""


def edited(source: str, edits: Iterable[Edit]) -> str:
    """The text with all edits, of which no two overlap."""
    result, at = "", 0
    for each in sorted(edits, key=lambda edit: edit.start):
        result += source[at : each.start] + each.text
        at = each.end
    return result + source[at:]


def without_members(
    source: str, whole: tuple[int, int], members: Sequence[tuple[int, int]], gone: Iterable[int]
) -> list[Edit]:
    """Remove members of a list that is written as `[a, b]`, with the comma of each; comments stay.

    Args:
        source: the text.
        whole: where the list is, with its brackets.
        members: where they are.
        gone: their numbers.
    """
    numbers = {*gone}
    kept = [number for number in range(len(members)) if number not in numbers]
    if not numbers:
        return []
    if not kept:
        inside = "".join(f"\n{each}" for each in _COMMENT.findall(_without(source, whole, members)))
        return [Edit(whole[0] + 1, whole[1] - 1, f"{inside}\n" if inside else "")]
    edits = []
    for number in sorted(numbers):
        start, end = members[number]
        if number < kept[-1]:
            edits += _cut(source, end, members[number + 1][0], Edit(start, end))
        else:
            edits += _cut(source, members[number - 1][1], start, Edit(start, end))
    return edits


def _cut(source: str, start: int, end: int, member: Edit) -> list[Edit]:
    """Remove a member and what is between it and its neighbour, from start to end; comments there stay."""
    gap = source[start:end]
    if not _COMMENT.search(gap):
        return [Edit(min(start, member.start), max(end, member.end))]
    comma = start + _COMMENT.sub(lambda found: " " * len(found[0]), gap).index(",")
    return [member, Edit(comma, comma + 1)]


def _without(source: str, whole: tuple[int, int], members: Sequence[tuple[int, int]]) -> str:
    """A list without its members."""
    return edited(source[: whole[1]], [Edit(*each) for each in members])[whole[0] :]


def line_of(source: str, position: int) -> int:
    """The line of a position, from 1."""
    return source.count("\n", 0, position) + 1
