"""From files to Kubernetes objects, each with the place where it stands."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nested_docker.cli.findings import Findings, Place, shown
from nested_docker.cli.streams import UnreadableError, documents

STDIN = "-"
SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True)
class Document:
    """An object as somebody has written it."""

    place: Place
    content: dict[str, Any]


@dataclass(frozen=True)
class _Source:
    """A file to read; `found`: it was not named itself, but its directory."""

    name: str
    found: bool = False

    def text(self) -> str:
        data = sys.stdin.buffer.read() if self.name == STDIN else Path(self.name).read_bytes()
        return data.decode("utf-8-sig")


def read(names: Iterable[str], findings: Findings) -> list[Document]:
    """Every object in files, directories and, by the name `-`, standard input; lists are taken apart."""
    sources = {Path(source.name).resolve(): source for source in _sources(names, findings)}
    return [document for source in sources.values() for document in _objects(source, findings)]


def _sources(names: Iterable[str], findings: Findings) -> Iterator[_Source]:
    for name in names:
        path = Path(name)
        if name == STDIN:
            yield _Source(name)
        elif path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
            yield from (_Source(str(file), found=True) for file in found)
            if not found:
                findings.problem(Place(name), f"the directory holds no {', '.join(sorted(SUFFIXES))} file")
        elif path.exists():
            yield _Source(name)
        else:
            findings.problem(Place(name), "there is no such file or directory")


def _objects(source: _Source, findings: Findings) -> Iterator[Document]:
    number = 0
    try:
        for number, content in enumerate(documents(source.text()), start=1):
            place = Place(source.name, number)
            if content is not None and _is_object(content, place, source, findings):
                yield from _items(Document(place, content), findings)
    except UnreadableError as error:
        findings.problem(Place(source.name, number + 1), str(error))
    except UnicodeDecodeError as error:
        findings.problem(Place(source.name), f"it is not text in UTF-8: {error.reason} at byte {error.start}")
    except OSError as error:
        findings.problem(Place(source.name), f"it cannot be read: {error.strerror}")


def _is_object(content: Any, place: Place, source: _Source, findings: Findings) -> bool:
    """Directories hold values of charts and the like, which are passed over; what was named is meant."""
    missing = ["apiVersion", "kind"]
    if isinstance(content, dict):
        missing = [field for field in missing if not isinstance(content.get(field), str)]
    if len(missing) == 2 and source.found:
        findings.note("passed over: it is not a Kubernetes object", place)
    elif missing:
        findings.problem(place, f"it is not a Kubernetes object: {' and '.join(missing)} must be there, as text")
    return not missing


def _are_objects(items: list[Any], kind: str) -> bool:
    """Of other kinds that are called lists, nothing is known."""
    return kind == "List" or all(isinstance(item, dict) for item in items)


def _items(document: Document, findings: Findings) -> Iterator[Document]:
    kind = document.content["kind"]
    items = document.content.get("items")
    if not kind.endswith("List") or not isinstance(items, list) or not _are_objects(items, kind):
        yield document
        return
    # The items of a NestedDockerList, say, need not repeat what they are.
    head = {} if kind == "List" else {"apiVersion": document.content["apiVersion"], "kind": kind.removesuffix("List")}
    for number, item in enumerate(items):
        place = replace(document.place, item=f"items[{number}]")
        if isinstance(item, dict):
            whole = Document(place, head | item)
            if _is_object(whole.content, place, _Source(place.file), findings):
                yield from _items(whole, findings)
        else:
            findings.problem(place, f"it is not a Kubernetes object (value: {shown(item)})")
