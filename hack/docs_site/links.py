"""What is wrong with the links of a built site: pages, anchors and files that are missing, and remote files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "srcset", "link": "href"}
"""Elements whose file a browser loads with the page → the attribute that names it."""

NOT_LOADED = {"index", "search", "next", "prev", "genindex", "canonical"}
"""Values of `rel` of a `link` that the browser does not load."""


@dataclass
class Page(HTMLParser):
    """The links and anchors of a page.

    Attributes:
        anchors: values of `id` and `name`.
        links: what a reader can follow.
        files: what the browser loads with the page.
    """

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the parser."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what the element names."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        loaded = LOADED.get(tag, "")
        if loaded in values and values.get("rel") not in NOT_LOADED:
            self.files.append(values[loaded])


def problems(site: Path) -> Iterator[str]:
    """One line for each link that does not work without a network.

    Args:
        site: folder with the HTML.
    """
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path.resolve()] = page = Page()
        page.feed(path.read_text(encoding="utf-8"))
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for file in page.files:
            if urlsplit(file).scheme not in {"", "data"} or file.startswith("//"):
                yield f"{name}: {file} is loaded from elsewhere: put it into the site"
        for link in [*page.links, *page.files]:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.is_file():
                yield f"{name}: {link} does not exist: correct the link"
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].anchors:
                yield f"{name}: {link}: the page has no such anchor: correct the link"
