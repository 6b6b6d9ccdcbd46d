"""Collects the problems of an input, so that one run reports all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import typer

MAX_VALUE_CHARACTERS = 200
"""Characters of a wrong value that a message repeats, before it is cut."""


@dataclass(frozen=True)
class Position:
    """Where a document is.

    Attributes:
        file: its path as given, or as found in a directory; `-` is standard input.
        document: its number in the stream, from 1; 0 means the file as a whole.
        item: the item of a list, such as `items[2]`; empty: the document itself.
    """

    file: str
    document: int = 0
    item: str = ""

    def __str__(self) -> str:
        document = f"document {self.document}" if self.document else ""
        return ": ".join(part for part in (self.file, document, self.item) if part)


@dataclass(frozen=True)
class Findings:
    """Problems, which stop the command, and notes, which do not."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, position: Position, what: str, *, path: str = "") -> None:
        """Add a problem: its position, its path in the document, and what is wrong there."""
        self._add(self.problems, position, what, path)

    def note(self, what: str, position: Position | None = None) -> None:
        """Add a note."""
        self._add(self.notes, position, what, "")

    def exit_on_problems(self) -> None:
        """Print notes and problems to standard error.

        Raises:
            typer.Exit: with code 2, if there are problems.
        """
        for line in self.notes:
            typer.echo(f"note: {line}", err=True)
        for line in self.problems:
            typer.echo(line, err=True)
        self.notes.clear()
        if self.problems:
            count = len(self.problems)
            typer.echo(f"{count} problem{'s' if count > 1 else ''}: nothing was evaluated", err=True)
            raise typer.Exit(2)

    @staticmethod
    def _add(to: list[str], position: Position | None, what: str, path: str) -> None:
        line = ": ".join(part for part in (str(position or ""), path, what) if part)
        if line not in to:
            to.append(line)


def format_value(value: Any) -> str:
    """A value as JSON, cut to MAX_VALUE_CHARACTERS, for a message."""
    from nested_docker.domain.shown import shown

    return shown(value, MAX_VALUE_CHARACTERS)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A hint: the nearest of the known words, or all of them if none is near."""
    by_lower_case = {word.lower(): word for word in known}
    near = get_close_matches(given.lower(), by_lower_case, n=1, cutoff=0.6)
    if near:
        return f"did you mean {by_lower_case[near[0]]}?"
    return f"known: {', '.join(sorted(by_lower_case.values())) or 'none'}"
