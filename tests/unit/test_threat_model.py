"""Every defence in docs/threat-model.md names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for section in SECTIONS
    if "| attack | defence | shown by |" in section
    for line in section.splitlines()
    if line.startswith("|") and not line.startswith(("| attack |", "|---"))
]


def test_there_are_rows_for_every_attacker() -> None:
    attackers = [section.splitlines()[0] for section in SECTIONS if "| attack |" in section]
    assert attackers == [
        "A tenant", "A developer", "A client", "A build", "A taken-over operator", "A user of the same machine",
    ]  # fmt: skip
    assert len(ROWS) >= 35


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_a_test_that_exists(row: list[str]) -> None:
    attack, defence, shown = row
    assert attack
    assert defence
    file, _, name = shown.strip("`").partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in names, f"{shown} does not exist"
