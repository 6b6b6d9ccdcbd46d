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

FILES = ("before.yaml", "config.toml")
PAGES = sorted((DOCS / "migration").glob("*.md"))


@dataclass(frozen=True)
class Example:
    """A command of a page; `before` is the last such block above it, which the command reads as `file`."""

    page: str
    before: str
    arguments: list[str]
    after: list[dict[str, Any]]
    file: str

    @property
    def workloads(self) -> list[dict[str, Any]]:
        """Objects of Kubernetes before and after; a pipeline is none."""
        is_toml = self.file.endswith(".toml")
        documents = [*yaml.safe_load_all(self.before), *self.after] if self.before and not is_toml else self.after
        return [each for each in documents if "kind" in each]


def examples() -> Iterator[Example]:
    for page in PAGES:
        before, arguments = "", list[str]()
        for kind, block in re.findall(r"^```(.*?)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            if kind in {"yaml before", "toml before"}:
                before = block
            elif kind == "console":
                arguments = shlex.split(block)[2:]
            elif kind in {"yaml after", "toml after"}:
                file = next((each for each in arguments if each in FILES), "")
                after = [tomllib.loads(block)] if kind.startswith("toml") else [*yaml.safe_load_all(block)]
                yield Example(page.stem, before if file else "", arguments, after, file)


EXAMPLES = [*examples()]
