"""docs/glossary.md is sorted, short, and points to what exists."""

from __future__ import annotations

import re

import pytest
from tests.unit import pages

PAGE = pages.DOCS / "glossary.md"
ROWS = list(pages.table(PAGE.read_text(encoding="utf-8")))


def test_terms_are_sorted_and_unique() -> None:
    terms = [term.lower() for term, _, _ in ROWS]
    assert terms == sorted(set(terms))
    assert len(terms) >= 25


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_term_has_a_short_meaning_and_a_place_that_exists(row: list[str]) -> None:
    _, meaning, where = row
    assert 1 <= len(re.findall(r"[.](?:\s|$)", meaning)) <= 3
    modules = pages.paths(where)
    assert modules or "](" in where
    assert [module for module in modules if not (pages.PACKAGE / module).is_file()] == []
