"""docs/contributing names files that exist, and what it says of modes, reasons, routes and commands is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.unit import pages

from nested_docker.api.meta import Mode
from nested_docker.cli.app import app
from nested_docker.domain.modes import MODES
from nested_docker.domain.status.reasons import Reason
from nested_docker.guard.routes import ROUTES, Route

PAGES = sorted((pages.DOCS / "contributing").glob("*.md"))
SOURCES = {path: path.read_text() for path in pages.PACKAGE.rglob("*.py")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_exists(page: Path) -> None:
    named = pages.paths(page.read_text())
    assert named
    assert [path for path in named if not any(pages.ROOT.glob(path))] == []


def test_every_page_is_in_the_index_and_lists_its_files() -> None:
    index = (pages.DOCS / "contributing/README.md").read_text()
    for page in PAGES:
        if page.name != "README.md":
            assert f"]({page.name})" in index
            assert "\n## Files\n" in page.read_text()


@pytest.mark.parametrize("mode", Mode)
def test_a_mode_has_one_file_one_row_and_one_section(mode: Mode) -> None:
    file = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", mode.value).lower()
    assert type(MODES[mode]).__module__ == f"nested_docker.domain.modes.{file}"
    assert f"\n## {mode.value}\n" in (pages.DOCS / "modes.md").read_text()


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_used_and_documented(reason: Reason) -> None:
    users = [path for path, source in SOURCES.items() if re.search(rf"\bReason\.{reason.name}\b", source)]
    assert [path for path in users if path.name != "reasons.py"]
    assert f"\n## {reason.value}\n" in (pages.DOCS / "conditions.md").read_text()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_a_route_is_decided_in_the_rules(route: Route) -> None:
    module = getattr(route.validate, "__module__", type(route.validate).__module__)
    assert module.startswith(("nested_docker.guard.rules.", "nested_docker.guard.routes"))


def _commands(group: typer.Typer, prefix: str = "") -> Iterator[str]:
    for command in group.registered_commands:
        yield f"{prefix}{command.name}"
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from _commands(inner.typer_instance, f"{prefix}{inner.typer_instance.info.name} ")


@pytest.mark.parametrize("command", list(_commands(app)))
def test_a_command_has_the_module_of_its_name(command: str) -> None:
    group = command.split(maxsplit=1)[0]
    names = {command.replace(" ", "_").replace("-", "_"), group.replace("-", "_")}
    folders = ("cli", "cli/user")
    assert [name for name in names for folder in folders if (pages.PACKAGE / f"{folder}/{name}.py").is_file()]
