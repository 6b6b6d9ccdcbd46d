"""The navigation of the site has each page once."""

from __future__ import annotations

import pytest
from hack.docs_site.navigation import HOME, RECORDS, SECTIONS, navigation, toctrees
from tests.unit.pages import DOCS

PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
LISTED = [page for page in PAGES if page != HOME and not page.startswith(f"{RECORDS}/")]


def test_every_page_is_in_one_section() -> None:
    sections = navigation([*LISTED, f"{RECORDS}/index.md"])
    assert sorted(page for section in sections for page in section.pages) == sorted([*LISTED, f"{RECORDS}/index.md"])
    assert [section.title for section in sections] == list(SECTIONS)


def test_a_page_that_nobody_has_placed_is_named_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"docs/new\.md is 0 times in the navigation: list it once in SECTIONS"):
        navigation([*LISTED, "new.md"])


def test_a_page_in_two_sections_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SECTIONS, "Again", ("cli.md",))
    with pytest.raises(ValueError, match=r"docs/cli\.md is 2 times"):
        navigation(LISTED)


def test_pages_that_do_not_exist_and_empty_sections_are_left_out() -> None:
    assert toctrees(navigation(["cli.md"])) == "\n```{toctree}\n:hidden:\n:caption: Use\n\ncli\n```\n"
