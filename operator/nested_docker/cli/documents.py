"""Reads Kubernetes objects from files, each with its position."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nested_docker.cli.findings import Findings, Position, format_value
from nested_docker.yaml_text.reading import UnreadableError, parse_documents

STDIN = "-"
MANIFEST_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True)
class Document:
    """An object as it is written, with apiVersion and kind."""

    position: Position
    content: dict[str, Any]


@dataclass(frozen=True)
class _Source:
    """A file to read; `in_directory`: it was found in a directory, not named itself."""

    name: str
    in_directory: bool = False

    def text(self) -> str:
        data = sys.stdin.buffer.read() if self.name == STDIN else Path(self.name).read_bytes()
        return data.decode("utf-8-sig")


def read_documents(names: Iterable[str], findings: Findings) -> list[Document]:
    """Every object in files, directories and, for the name `-`, standard input; a List yields its items."""
    sources = {Path(source.name).resolve(): source for source in _sources(names, findings)}
    return [document for source in sources.values() for document in _documents_in(source, findings)]


def _sources(names: Iterable[str], findings: Findings) -> Iterator[_Source]:
    for name in names:
        path = Path(name)
        if name == STDIN:
            yield _Source(name)
        elif path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix in MANIFEST_SUFFIXES and file.is_file())
            yield from (_Source(str(file), in_directory=True) for file in files)
            if not files:
                suffixes = ", ".join(sorted(MANIFEST_SUFFIXES))
                findings.problem(Position(name), f"the directory contains no {suffixes} file")
        elif path.exists():
            yield _Source(name)
        else:
            findings.problem(Position(name), "no such file or directory: name manifests, a directory of them, or -")


def _documents_in(source: _Source, findings: Findings) -> Iterator[Document]:
    number = 0
    try:
        for number, content in enumerate(parse_documents(source.text()), start=1):
            position = Position(source.name, number)
            if content is not None and _is_object(content, position, source, findings):
                yield from _list_items(Document(position, content), findings)
    except UnreadableError as error:
        findings.problem(Position(source.name, number + 1), str(error))
    except UnicodeDecodeError as error:
        findings.problem(Position(source.name), f"not valid UTF-8: {error.reason} at byte {error.start}")
    except OSError as error:
        findings.problem(Position(source.name), f"cannot be read: {error.strerror}")


def _is_object(content: Any, position: Position, source: _Source, findings: Findings) -> bool:
    """Directories may contain other YAML, such as a chart's values, which is skipped; a named file must be valid."""
    missing = ["apiVersion", "kind"]
    if isinstance(content, dict):
        missing = [field for field in missing if not isinstance(content.get(field), str)]
    if len(missing) == 2 and source.in_directory:
        findings.note("skipped: not a Kubernetes object", position)
    elif missing:
        required = (
            f"{missing[0]} is a required string" if len(missing) == 1 else "apiVersion and kind are required strings"
        )
        findings.problem(position, f"not a Kubernetes object: {required}")
    return not missing


def _are_objects(items: list[Any], kind: str) -> bool:
    """Whether the items are objects; a kind may be called a list without being one."""
    return kind == "List" or all(isinstance(item, dict) for item in items)


def _list_items(document: Document, findings: Findings) -> Iterator[Document]:
    kind = document.content["kind"]
    items = document.content.get("items")
    if not kind.endswith("List") or not isinstance(items, list) or not _are_objects(items, kind):
        yield document
        return
    # The items of a typed list, such as NestedDockerList, may omit apiVersion and kind.
    head = {} if kind == "List" else {"apiVersion": document.content["apiVersion"], "kind": kind.removesuffix("List")}
    for number, item in enumerate(items):
        position = replace(document.position, item=f"items[{number}]")
        if isinstance(item, dict):
            whole = Document(position, head | item)
            if _is_object(whole.content, position, _Source(position.file), findings):
                yield from _list_items(whole, findings)
        else:
            findings.problem(position, f"not a Kubernetes object (value: {format_value(item)})")
