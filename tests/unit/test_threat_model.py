"""Every attack in docs/threat-model.md and docs/injection.md names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADS = {
    "docs/threat-model.md": "| attack | defence | shown by |",
    "docs/injection.md": "| attack | what stops it | shown by |",
}
TESTS = re.compile(r"`(?P<file>[^`]+\.py)::(?P<name>\w+)`")


def _sections(page: str) -> list[str]:
    return re.split(r"^## ", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for page, head in HEADS.items()
    for section in _sections(page)
    if head in section
    for line in section.splitlines()
    if line.startswith("|") and not line.startswith(("| attack |", "|---"))
]


@pytest.mark.parametrize(
    ("page", "attackers", "least"),
    [
        (
            "docs/threat-model.md",
            ["A tenant", "A developer", "A client", "A build", "A taken-over operator", "A user of the same machine"],
            35,
        ),
        ("docs/injection.md", ["Attacks"], 40),
    ],
)
def test_there_are_rows_for_every_attacker(page: str, attackers: list[str], least: int) -> None:
    found = [section for section in _sections(page) if HEADS[page] in section]
    assert [section.splitlines()[0] for section in found] == attackers
    assert sum(line.startswith("|") for section in found for line in section.splitlines()) >= least
    assert not [section for section in _sections(page) if "| attack |" in section and section not in found]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_tests_that_exist(row: list[str]) -> None:
    attack, defence, shown = row
    assert attack
    assert defence
    assert TESTS.sub("", shown).replace(",", "").strip() == "", f"{shown} has more than tests"
    named = [*TESTS.finditer(shown)]
    assert named, f"{attack}: no test"
    for each in named:
        assert each["name"] in _tests_of(each["file"]), f"{each[0]} does not exist"


@cache
def _tests_of(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
