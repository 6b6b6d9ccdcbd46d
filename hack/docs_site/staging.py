"""The sources of the site: the pages of docs, as GitHub shows them, and the files of the repository that they link.

A link to a file outside docs, or to one that is not a page, leads to a page with its content, so nothing on the site
needs a network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from hack.docs_site.navigation import HOME, RECORDS, navigation, toctree, toctrees

OUTSIDE = PurePosixPath("repository")
"""Folder of the site with files from outside docs."""

APART = "---\norphan: true\nnosearch: true\n---\n\n"
"""Begin of a page from outside docs: neither the navigation nor the search has it."""

IMAGES = {".svg", ".png"}
LANGUAGES = {".yaml": "yaml", ".yml": "yaml", ".py": "python", ".json": "json", ".sh": "sh", ".toml": "toml"}

LINK = re.compile(r"(?P<code>(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`))|\]\((?P<target>[^)\s]+)\)", re.DOTALL)
FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[ \t]*$", re.DOTALL | re.MULTILINE)
SCHEME = re.compile(r"[a-z]+:")
LONGEST_FENCE = re.compile(r"^`{3,}", re.MULTILINE)


class Staging:
    """Collects the files of the site.

    Attributes:
        files: path in the sources of the site → content.
    """

    def __init__(self, root: Path) -> None:
        """Nothing is read yet.

        Args:
            root: the repository.
        """
        self._root = root.resolve()
        self._docs = self._root / "docs"
        self.files: dict[str, bytes] = {}

    def stage(self) -> dict[str, bytes]:
        """All files of the site's sources.

        Raises:
            ValueError: a page is missing in the navigation, or a link leads nowhere.
        """
        pages = sorted(path.relative_to(self._docs) for path in self._docs.rglob("*.md"))
        records = [page for page in pages if page.parts[0] == RECORDS]
        for page in pages:
            self._add(self._docs / page)
        index = PurePosixPath(RECORDS, "index.md")
        self.files[str(index)] = _records_index([self._docs / record for record in records]).encode()
        listed = [page.as_posix() for page in pages if page not in records and page.as_posix() != HOME]
        self.files[HOME] += toctrees(navigation([*listed, str(index)])).encode()
        return self.files

    def _add(self, path: Path) -> PurePosixPath:
        """Where a file or folder is on the site; it is added if it is not there yet."""
        place = self._place(path)
        if str(place) in self.files:
            return place
        if path.suffix == ".md" or path.suffix in IMAGES or path.is_dir():
            self.files[str(place)] = b""  # its own links may lead back to it
        if path.is_dir():
            content = "".join(self._entries(path, place))
        elif path.suffix in IMAGES:
            self.files[str(place)] = path.read_bytes()
            return place
        elif path.suffix == ".md":
            content = self._rewritten(path, place)
        else:
            content = _code_page(path.relative_to(self._root).as_posix(), path.read_text(encoding="utf-8"))
        outside = place.parts[0] == OUTSIDE.name
        self.files[str(place)] = ((APART if outside else "") + content).encode()
        return place

    def _place(self, path: Path) -> PurePosixPath:
        if path.is_relative_to(self._docs) and (path.suffix == ".md" or path.suffix in IMAGES):
            return PurePosixPath(path.relative_to(self._docs))
        if path == self._docs / RECORDS:
            return PurePosixPath(RECORDS, "index.md")
        place = OUTSIDE / path.relative_to(self._root)
        if path.is_dir():
            return place / "index.md"
        return place if path.suffix == ".md" or path.suffix in IMAGES else place.with_name(f"{place.name}.md")

    def _entries(self, folder: Path, place: PurePosixPath) -> Iterator[str]:
        yield f"# {folder.relative_to(self._root)}\n\n"
        for path in sorted(folder.iterdir()):
            yield f"- [{path.name}]({_relative(self._add(path), place)})\n"

    def _rewritten(self, page: Path, place: PurePosixPath) -> str:
        """The page with links that lead to places on the site."""

        def on_site(match: re.Match[str]) -> str:
            target = match["target"]
            if match["code"] or SCHEME.match(target) or target.startswith("#"):
                return match[0]
            file, hash_, heading = target.partition("#")
            path = Path(os.path.normpath(page.parent / file))
            if not path.exists() or not path.is_relative_to(self._root):
                raise ValueError(f"{page.relative_to(self._root)}: the link {target} leads nowhere: correct its path")
            return f"]({_relative(self._add(path), place)}{hash_}{heading})"

        return _outside_fences(page.read_text(encoding="utf-8"), lambda text: LINK.sub(on_site, text))


def _outside_fences(text: str, change: Callable[[str], str]) -> str:
    """The text, changed everywhere but in blocks of code."""
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def _relative(place: PurePosixPath, page: PurePosixPath) -> str:
    return Path(os.path.relpath(place, page.parent)).as_posix()


def _code_page(name: str, content: str) -> str:
    longest = max((len(match[0]) for match in LONGEST_FENCE.finditer(content)), default=2)
    fence = "`" * (longest + 1)
    return f"# {name}\n\n{fence}{LANGUAGES.get(Path(name).suffix, 'none')}\n{content.rstrip()}\n{fence}\n"


def _records_index(records: list[Path]) -> str:
    titles = {record.name: record.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for record in records}
    lines = "".join(f"- [{title}]({name})\n" for name, title in titles.items())
    head = "# Decisions\n\nEach record says what was decided, why, and what follows from it.\n\n"
    return f"{head}{lines}{toctree(titles)}"
