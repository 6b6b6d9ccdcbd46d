"""JSON of the API server: an object that is nested too deeply does not stop others from being read.

The API server takes values that are nested 10,000 levels deep, and Python's parser a tenth of that. Documents within
Python's limit are parsed as usual. In others, values below `KEPT_LEVELS` levels are left out, and the objects that
have lost one become a `PartialObject`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

from nested_docker.domain.partial import PartialObject

KEPT_LEVELS = 100
"""Levels of a document that is beyond Python's limit; more are left out. A pod has about ten."""

SAFE_BRACKETS = 500
"""A document with at most this many opening brackets is not nested too deeply for Python's parser."""

_OPENING, _CLOSING = b"[{", b"]}"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NEXT_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+(["\[\]{}]|\Z)', re.DOTALL)
"""Everything up to and with the next bracket, or to the end; a quote that is matched is one without its partner."""

_MARK = f"left out {secrets.token_hex(16)}"
"""What is in the place of a value that is left out; nobody can know it."""


def loads(data: bytes | str) -> Any:
    """A document: an object, a list of objects, or an event of a watch.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(data)
    except RecursionError:
        document = json.loads(_cut(data.encode() if isinstance(data, str) else data))
    return _with_partial_objects(document)


def is_too_deep(data: bytes) -> bool:
    """Whether Python's parser rejects a document because of its nesting."""
    if data.count(b"{") + data.count(b"[") <= SAFE_BRACKETS:
        return False
    try:
        json.loads(data)
    except RecursionError:
        return True
    except ValueError:
        return False
    return False


def _cut(data: bytes) -> bytes:
    """The document with `_MARK` in place of each object and list that is more than `KEPT_LEVELS` levels deep."""
    return b"".join(_pieces(data))


def _pieces(data: bytes) -> Iterator[bytes]:
    depth, kept = 0, 0
    for match in _NEXT_BRACKET.finditer(data):
        end = match.end()
        if end == len(data) and not match[1]:
            break
        byte = data[end - 1]
        if byte in _OPENING:
            depth += 1
            if depth == KEPT_LEVELS + 1:
                yield data[kept : end - 1]
                yield json.dumps(_MARK).encode()
        elif byte in _CLOSING:
            if depth == KEPT_LEVELS + 1:
                kept = end
            depth -= 1
        else:
            raise ValueError("a string of the document has no end")
    if depth > KEPT_LEVELS:
        raise ValueError("the document has no end")
    yield data[kept:]


def _with_partial_objects(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    if isinstance(document.get("items"), list):
        return document | {"items": [partial_object(item) for item in document["items"]]}
    if isinstance(document.get("object"), dict) and "type" in document:
        return document | {"object": partial_object(document["object"])}
    return partial_object(document)


def partial_object(obj: Any) -> Any:
    """The object as a `PartialObject`, and without its managed fields, if a value in it was left out."""
    if not isinstance(obj, dict) or not _has_mark(obj):
        return obj
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        obj = obj | {"metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
    paths = (
        path
        for key, value in obj.items()
        for path, part in (
            ((f"{key}.{name}", part) for name, part in value.items()) if isinstance(value, dict) else ((key, value),)
        )
        if _has_mark(part)
    )
    return PartialObject(obj, next(paths, "metadata.managedFields"))


def _has_mark(value: Any) -> bool:
    return _MARK in json.dumps(value)
