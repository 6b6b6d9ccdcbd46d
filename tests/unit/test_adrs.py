"""Every decision in docs/adr says what it is, since when, and whether it still holds."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs/adr"
RECORDS = sorted(FOLDER.glob("*.md"))
STATUS = re.compile(
    r"Proposed|Accepted|Deprecated|(Superseded|In part superseded) by \[\d+\]\((?P<file>\d{4}-[a-z0-9-]+\.md)\)"
)


def test_they_are_numbered_without_a_gap() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_title_date_and_status(record: Path) -> None:
    title, _, dated, _, status, _ = record.read_text(encoding="utf-8").splitlines()[:6]
    assert re.fullmatch(rf"# {int(record.name[:4])}\. \S.*", title)
    assert dated.startswith("Date: ")
    assert date.fromisoformat(dated.removeprefix("Date: "))
    assert status.startswith("Status: ")
    stated = STATUS.fullmatch(status.removeprefix("Status: "))
    assert stated, (
        f"{record.name}: {status!r}: write Proposed, Accepted, Deprecated, or (In part) superseded by [N](FILE)"
    )
    assert stated["file"] is None or (FOLDER / stated["file"]).is_file()
