"""docs/policy.md is true: its commands print what it shows, its case file runs, it has every field."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.conftest import Run

from nested_docker.api import crd
from nested_docker.api.meta import Enforcement
from nested_docker.api.v1alpha1 import NestedDockerPolicySpec
from nested_docker.cli.policy_cases import PolicyCase, PolicyTest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/policy.md").read_text()
SESSIONS = re.findall(r"^```console\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
CASE_FILES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory with the examples, which a session may change."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def test_there_are_sessions_and_a_case_file() -> None:
    assert len(SESSIONS) >= 4
    assert len(CASE_FILES) == 1


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.splitlines()[0])
def test_commands_print_what_is_shown(session: str, checkout: Path) -> None:
    """In a real shell, with the real executable."""
    lines = session.splitlines(keepends=True)
    commands = "".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))
    format_value = "".join(line for line in lines if not line.startswith("$ "))
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    printed = subprocess.run(
        ["bash", "-c", commands],
        cwd=checkout,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert printed.stdout == format_value


def test_the_case_file_runs(checkout: Path, run: Run) -> None:
    (checkout / "examples/policy-tests/docs.case.yaml").write_text(CASE_FILES[0])
    result = run("test", "examples/policy-tests")
    assert result.exit_code == 0
    assert "docs.case.yaml: a CI namespace gets Sysbox" in result.stdout


@pytest.mark.parametrize("model", [PolicyTest, PolicyCase])
def test_the_case_file_shows_every_field(model: Any) -> None:
    for name in crd.structural(model)["properties"]:
        assert re.search(rf"^[- ]*{name}:", CASE_FILES[0], re.MULTILINE), name


def test_the_table_has_every_field_of_a_policy_and_no_other() -> None:
    section = TEXT.split("\n## Fields\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) == [*_fields(crd.structural(NestedDockerPolicySpec))]


def _fields(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, member in schema["properties"].items():
        if "properties" in member and name not in {"namespaceSelector", "guard"}:  # the latter are guard.md's
            yield from _fields(member, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_every_option_and_level_is_there(run: Run) -> None:
    options = set(re.findall(r"--[a-z-]+", run("check", "--help").stdout)) - {"--help"}
    assert options
    assert [option for option in options if f"`{option}" not in TEXT] == []
    assert [level for level in Enforcement if f"| `{level}` |" not in TEXT] == []
