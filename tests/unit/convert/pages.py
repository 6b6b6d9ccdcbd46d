"""The examples of docs/migration: what is before, the command, and what is after."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from tests.unit.pages import DOCS

FILES = ("before.yaml", "config.toml", "Jenkinsfile")
PAGES = sorted((DOCS / "migration").glob("*.md"))


@dataclass(frozen=True)
class Example:
    """A command of a page; `before` is the last such block above it, which the command reads as `file`.

    `after` is what it prints, and `documents` what that says, unless it is a Jenkinsfile.
    """

    page: str
    before: str
    arguments: list[str]
    after: str
    documents: list[dict[str, Any]]
    file: str

    @property
    def workloads(self) -> list[dict[str, Any]]:
        """Objects of Kubernetes before and after; a pipeline is none."""
        before = [*yaml.safe_load_all(self.before)] if self.file == "before.yaml" else []
        return [each for each in [*before, *self.documents] if "kind" in each]


def examples() -> Iterator[Example]:
    for page in PAGES:
        before, arguments = "", list[str]()
        for kind, block in re.findall(r"^```(.*?)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            if kind.endswith(" before"):
                before = block
            elif kind == "console":
                arguments = shlex.split(block)[2:]
            elif kind.endswith(" after"):
                file = next((each for each in arguments if each in FILES), "")
                documents = _documents(kind.removesuffix(" after"), block)
                yield Example(page.stem, before if file else "", arguments, block, documents, file)


def _documents(language: str, text: str) -> list[dict[str, Any]]:
    if language == "groovy":
        return []
    return [tomllib.loads(text)] if language == "toml" else [*yaml.safe_load_all(text)]


EXAMPLES = [*examples()]
