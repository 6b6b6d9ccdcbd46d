"""Links between pages lead somewhere, and the order in docs/architecture.md is the planner's."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit import pages

from nested_docker.domain.planning.plan import DECISIONS

FOLDERS = ("*.md", "docs/**/*.md", "bench/*.md", "hack/cluster/*.md", "charts/*/*.md")
PAGES = sorted(page for folder in FOLDERS for page in pages.ROOT.glob(folder))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert pages.dead_links(page) == []


def test_the_order_of_decisions_is_the_planners() -> None:
    section = (pages.DOCS / "architecture.md").read_text().split("\n## Order of decisions\n")[1].split("\n## ")[0]
    assert [row[0].strip("`") for row in pages.table(section)] == [decide.__name__ for decide in DECISIONS]


def test_the_layers_and_folders_exist() -> None:
    named = pages.paths((pages.DOCS / "architecture.md").read_text())
    assert [path for path in named if not any((root / path).exists() for root in (pages.ROOT, pages.PACKAGE))] == []
