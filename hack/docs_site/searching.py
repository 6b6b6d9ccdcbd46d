"""The search of a built site, run without a browser and without a network: the site's own scripts and index."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import quickjs

PAGE = """
var window = globalThis;
var localStorage = {setItem() {}};
var document = {readyState: "loading", addEventListener() {}, getElementById() { return null; }};
"""
"""What the scripts ask a browser for before somebody searches."""

FIND = """
function find(query) {
  const results = Search._performSearch(...Search._parseQuery(query));
  return JSON.stringify(results.reverse().map((result) => result[0]));
}
"""
"""The pages in the order in which the browser shows them."""

THEME = re.compile(r"_static/scripts/")
"""Scripts of the theme, which have nothing to do with the search."""

SOURCE = re.compile(r"<script\b[^>]*\bsrc=\"([^\"?]+)")
EXPECTED = {
    "NotGranted": "conditions",
    "NestedDockerNoLeader": "runbook",
    "nested_docker_guard_requests_total": "metrics",
    "testcontainers": "clients",
    "port-forward": "cli",
    "sidecar": "injection",
}
"""What people look for, and a page that must be among the results."""

NOWHERE = "zyzzyva"
"""A word that no page has."""


class SiteSearch:
    """The search of the site in a folder.

    Raises:
        ValueError: search.html loads a script from elsewhere, which is not there without a network.
    """

    def __init__(self, html: Path) -> None:
        self._context: Any = quickjs.Context()
        self._context.eval(PAGE)
        for source in SOURCE.findall((html / "search.html").read_text(encoding="utf-8")):
            if "//" in source:
                raise ValueError(f"search.html: {source} is not part of the site; put it into _static")
            if not THEME.match(source):
                self._context.eval((html / source).read_text(encoding="utf-8"))
        self._context.eval(FIND)

    def pages(self, query: str) -> list[str]:
        """Names of the pages that a query finds, the best first, each once."""
        found = json.loads(self._context.get("find")(query))
        return list(dict.fromkeys(found))


def search_problems(html: Path) -> Iterator[str]:
    """A line for each query that does not find what it should."""
    try:
        search = SiteSearch(html)
    except (OSError, ValueError, quickjs.JSException) as error:
        yield f"search.html: {error}"
        return
    for query, page in EXPECTED.items():
        found = search.pages(query)
        if page not in found:
            yield f"search.html: {query} finds {', '.join(found) or 'nothing'}, and not {page}"
        missing = [each for each in found if not exists(html, each)]
        yield from (f"search.html: {query} finds {each}, which does not exist" for each in missing)
    if found := search.pages(NOWHERE):
        yield f"search.html: {NOWHERE} finds {', '.join(found)}, although no page has it"


def exists(html: Path, page: str) -> bool:
    """Whether the site has a page."""
    return (html / f"{page}.html").exists()
