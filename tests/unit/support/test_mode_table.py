"""A test that sees something else than the table says fails, or corrects the table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support import mode_table


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "modes.json"
    file.write_text('{"Dind": {"build": "BuildKit", "limit": "holds"}}')
    monkeypatch.setattr(mode_table, "FILE", file)
    monkeypatch.delenv(mode_table.UPDATE, raising=False)
    return file


def test_what_the_table_says_passes(table: Path) -> None:
    mode_table.check("Dind", limit="holds")


@pytest.mark.parametrize(
    ("mode", "observed"), [("Dind", {"limit": "is ignored"}), ("Dind", {"bind": "x"}), ("Other", {"limit": "holds"})]
)
def test_anything_else_names_the_file_and_the_remedy(table: Path, mode: str, observed: dict[str, str]) -> None:
    before = table.read_text()
    with pytest.raises(AssertionError, match=r"docs/modes\.json differs for mode .*UPDATE_MODE_TABLE=1"):
        mode_table.check(mode, **observed)
    assert table.read_text() == before


def test_on_request_it_is_recorded(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mode_table.UPDATE, "1")
    mode_table.check("Dind", limit="is ignored")
    mode_table.check("Sysbox", limit="holds")
    assert json.loads(table.read_text()) == {
        "Dind": {"build": "BuildKit", "limit": "is ignored"},
        "Sysbox": {"limit": "holds"},
    }
