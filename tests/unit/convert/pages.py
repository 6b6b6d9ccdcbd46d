"""The examples of docs/migration: what is before, the command, and what is after."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from tests.unit.pages import DOCS

PAGES = sorted((DOCS / "migration").glob("*.md"))


@dataclass(frozen=True)
class Example:
    """A command of a page; `before` is the last such block above it."""

    page: str
    before: str
    arguments: list[str]
    after: list[dict[str, Any]]

    @property
    def workloads(self) -> list[dict[str, Any]]:
        """Objects of Kubernetes before and after; a pipeline is none."""
        documents = [*yaml.safe_load_all(self.before), *self.after] if self.before else self.after
        return [each for each in documents if "kind" in each]


def examples() -> Iterator[Example]:
    for page in PAGES:
        before, arguments = "", list[str]()
        for kind, block in re.findall(r"^```(.*?)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            if kind == "yaml before":
                before = block
            elif kind == "console":
                arguments = shlex.split(block)[2:]
            elif kind == "yaml after":
                given = before if "before.yaml" in arguments else ""
                yield Example(page.stem, given, arguments, [*yaml.safe_load_all(block)])


EXAMPLES = [*examples()]
