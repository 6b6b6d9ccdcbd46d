"""Reading the pages of docs: their paths, links, sections and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "operator/nested_docker"

FOLDERS = frozenset(path.name for path in ROOT.iterdir() if path.is_dir())


def paths(text: str) -> list[str]:
    """What is in backticks and begins with a folder of the repository, or is a module."""
    return [
        path for path in re.findall(r"`([\w./*-]+)`", text) if path.split("/")[0] in FOLDERS or path.endswith(".py")
    ]


def dead_links(page: Path) -> list[str]:
    """Relative links of a page whose file, or whose heading in it, does not exist."""
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8"))
    return [link for link in links if not _exists(page, *link.partition("#")[::2])]


def table(text: str) -> Iterator[list[str]]:
    """The cells of each row of a table, without its head."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if cells[0] not in {"term", "decision"}:
                yield cells


def _exists(page: Path, file: str, heading: str) -> bool:
    target = page.parent / file if file else page
    if not target.exists():
        return False
    headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE) if heading else []
    return not heading or heading in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
