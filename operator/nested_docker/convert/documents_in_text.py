"""Text with YAML or JSON in it: its documents, and how one is written again in the same place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nested_docker.yaml_text.reading import parse_document
from nested_docker.yaml_text.writing import to_yaml

COMMENTS = "comments of the text are not in the output"

_BORDER = re.compile(r"^---[ \t]*(?:#.*)?(?:\r?\n|\Z)", re.MULTILINE)
"""What separates documents; YAML allows such a line in no scalar."""


@dataclass(frozen=True)
class TextDocument:
    """A document of a text.

    Attributes:
        content: as JSON values.
        start: position of its text.
        end: position after it.
    """

    content: Any
    start: int
    end: int


def documents_in(text: str) -> list[TextDocument]:
    """The documents of a text.

    Raises:
        UnreadableError: one cannot be read.
    """
    found = []
    for start, end in _pieces(text):
        content = parse_document(text[start:end])
        if content is not None:
            found.append(TextDocument(content, start, end))
    return found


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for border in _BORDER.finditer(text):
        yield start, border.start()
        start = border.end()
    yield start, len(text)


def written_like(old: str, content: Any) -> str:
    """A document as text that stands where another one stood: JSON if it was, and with its indentation."""
    if _is_json(old):
        indent = 2 if "\n" in old.strip() else None
        return _placed_like(old, json.dumps(content, indent=indent, ensure_ascii=False))
    return _placed_like(old, to_yaml([content], blocks=True))


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _placed_like(old: str, new: str) -> str:
    """New lines with the indentation of the old ones, between the same white space."""
    body = old.strip("\r\n \t")
    before, after = old[: old.index(body)], old[old.index(body) + len(body) :]
    indentation = before.rpartition("\n")[2]
    return before + f"\n{indentation}".join(new.rstrip("\n").split("\n")) + after


def first_comment(text: str) -> str:
    """The first line that is a comment; empty: there is none."""
    return next((line.strip() for line in text.splitlines() if line.lstrip().startswith("#")), "")
