"""The table of modes says something of each mode, and only what tests observe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hack import mode_table
from hack.mode_table import FACTS, ROWS, UNTESTED

from nested_docker.api.meta import Mode

MODES = {mode.value for mode in Mode}


def test_each_fact_of_each_mode_is_observed_or_says_why_not() -> None:
    facts = json.loads(FACTS.read_text())
    observed = {(mode, fact) for mode, of_mode in facts.items() for fact in of_mode}
    assert observed | set(UNTESTED) == {(mode, fact) for mode in MODES for fact in ROWS}
    assert not observed & set(UNTESTED)


def test_no_cell_breaks_the_table() -> None:
    lines = mode_table.mode_table().splitlines()
    assert {line.count("|") for line in lines} == {len(MODES) + 2}
    assert len(lines) == len(ROWS) + 2


def test_a_page_without_its_markers_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "modes.md"
    page.write_text("# Modes\n")
    monkeypatch.setattr(mode_table, "PAGE", page)
    with pytest.raises(ValueError, match=r"docs/modes\.md needs the lines"):
        mode_table.page()
