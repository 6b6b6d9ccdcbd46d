"""Commands of README and docs: `nested-docker` knows their options, and the files that they name exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from tests.unit import pages

from nested_docker.cli.app import app

PAGES = [pages.ROOT / "README.md", *sorted(pages.DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def lines() -> Iterator[tuple[str, str]]:
    """Name of a page, and a line of its blocks; continued lines are one."""
    for page in PAGES:
        if page.parent.name != "adr":
            for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
                for line in block.replace("\\\n", " ").splitlines():
                    if language in {"", "sh"}:
                        yield page.name, line.removeprefix("$ ")


def commands() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Name of a page, and the arguments of `nested-docker` in its blocks."""
    for page, line in lines():
        if line.startswith("nested-docker "):
            yield page, tuple(shlex.split(re.split(r" [|>] ", line)[0], comments=True)[1:])


COMMANDS = sorted(set(commands()))
APPLIED = sorted({(page, file) for page, line in lines() for file in re.findall(r"-f (examples/\S+)", line)})


def test_there_are_commands() -> None:
    assert {"README.md", "quickstart.md", "cli.md"} <= {page for page, _ in COMMANDS}
    assert {"quickstart.md"} <= {page for page, _ in APPLIED}


@pytest.mark.parametrize(("page", "arguments"), COMMANDS, ids=str)
def test_a_command_exists_and_takes_these_options(page: str, arguments: tuple[str, ...]) -> None:
    given = [each.lower() if each == "NAMESPACE" else each for each in arguments]
    parse(typer.main.get_command(app), "nested-docker", given, None)


def parse(command: Any, name: str, arguments: list[str], parent: Any) -> None:
    """Parse as the command would; an unknown command, option or value raises what it would say."""
    context = command.make_context(name, arguments, parent=parent)
    if isinstance(command, typer.core.TyperGroup):
        name, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        parse(inner, name or "", rest, context)


@pytest.mark.parametrize(("page", "file"), APPLIED, ids=str)
def test_a_file_that_is_applied_exists(page: str, file: str) -> None:
    assert (pages.ROOT / file).is_file(), page
