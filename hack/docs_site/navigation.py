"""The order of the site's pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch

HOME = "index.md"
"""The first page. It has the navigation, and is not in it."""

RECORDS = "adr"
"""Folder of the decisions, which have one entry and an index."""

SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": ("quickstart.md", "choosing-a-mode.md", "concepts.md"),
    "Use": ("cli.md", "clients.md", "injection.md", "ci.md", "ci/*.md", "sidecar.md", "migration/*.md"),
    "When it fails": ("troubleshooting.md", "conditions.md"),
    "Administer": (
        "install.md",
        "policy.md",
        "admission.md",
        "modes.md",
        "guard.md",
        "pod-namespace.md",
        "nodes.md",
        "other-controllers.md",
        "living-with/*.md",
        "metrics.md",
        "runbook.md",
        "threat-model.md",
    ),
    "Reference": ("api-reference.md", "cli-reference.md", "glossary.md"),
    "Contribute": ("architecture.md", "testing.md", "contributing/*.md", f"{RECORDS}/index.md"),
}
"""Title of a section → its pages, relative to docs; a glob may match several, or none."""


@dataclass(frozen=True)
class Section:
    """A part of the navigation.

    Attributes:
        title: what readers see.
        pages: relative to docs.
    """

    title: str
    pages: tuple[str, ...]


def navigation(pages: Iterable[str]) -> list[Section]:
    """The sections with the pages that exist.

    Args:
        pages: all pages except the first one and the records, relative to docs.

    Raises:
        ValueError: a page is in no section, or in two.
    """
    present = sorted(pages)
    sections = []
    for title, globs in SECTIONS.items():
        found = [page for glob in globs for page in present if fnmatch(page, glob)]
        sections.append(Section(title, tuple(found)))
    listed = [page for section in sections for page in section.pages]
    for page in present:
        if listed.count(page) != 1:
            raise ValueError(
                f"docs/{page} is {listed.count(page)} times in the navigation: "
                "list it once in SECTIONS of hack/docs_site/navigation.py"
            )
    return sections


def toctrees(sections: Iterable[Section]) -> str:
    """The navigation in the markup of Sphinx."""
    return "".join(toctree(section.pages, caption=section.title) for section in sections if section.pages)


def toctree(pages: Iterable[str], *, caption: str = "") -> str:
    """One list of pages, which the navigation shows and the page does not."""
    entries = "".join(f"{page.removesuffix('.md')}\n" for page in pages)
    return f"\n```{{toctree}}\n:hidden:\n{f':caption: {caption}' if caption else ':maxdepth: 1'}\n\n{entries}```\n"
