"""What is wrong with an input, collected so that it is told at once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import typer

SHOWN_VALUE = 200
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True)
class Place:
    """Where a document stands.

    Attributes:
        file: as it was named, or found; `-` is standard input.
        document: its number in the stream, from 1; 0: the file as a whole is meant.
        item: its part of a document that is a list of objects.
    """

    file: str
    document: int = 0
    item: str = ""

    def __str__(self) -> str:
        document = f"document {self.document}" if self.document else ""
        return ": ".join(part for part in (self.file, document, self.item) if part)


@dataclass(frozen=True)
class Findings:
    """Problems, each of which stops everything, and notes, which stop nothing."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, place: Place, what: str, *, path: str = "") -> None:
        """Take note of something that is wrong."""
        self._add(self.problems, place, what, path)

    def note(self, what: str, place: Place | None = None) -> None:
        """Take note of something that the reader should know."""
        self._add(self.notes, place, what, "")

    def tell(self) -> None:
        """Print notes and problems to standard error.

        Raises:
            typer.Exit: with code 2, if there are problems.
        """
        for told in self.notes:
            typer.echo(f"note: {told}", err=True)
        for told in self.problems:
            typer.echo(told, err=True)
        self.notes.clear()
        if self.problems:
            count = len(self.problems)
            typer.echo(f"{count} problem{'s' if count > 1 else ''}: nothing was judged", err=True)
            raise typer.Exit(2)

    @staticmethod
    def _add(to: list[str], place: Place | None, what: str, path: str) -> None:
        told = ": ".join(part for part in (str(place or ""), path, what) if part)
        if told not in to:
            to.append(told)


def shown(value: Any) -> str:
    """A value as a message repeats it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_VALUE else text[:SHOWN_VALUE] + "…"


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """The nearest of the known words; where none is near, all of them."""
    by_lower_case = {word.lower(): word for word in known}
    near = get_close_matches(given.lower(), by_lower_case, n=1, cutoff=0.6)
    if near:
        return f"did you mean {by_lower_case[near[0]]}?"
    return f"there is {', '.join(sorted(by_lower_case.values())) or 'none'}"
