"""From text to documents: YAML streams and JSON, as kubectl reads them, and stricter where it is lax."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader as _FastLoader
else:
    _FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnreadableError(ValueError):
    """A document that cannot be read; what follows it cannot be told apart from it."""


class _Loader(_FastLoader):
    """JSON's types only: what YAML calls a timestamp is text."""


def _text(loader: _Loader, node: yaml.ScalarNode) -> Any:
    return loader.construct_scalar(node)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


def documents(text: str) -> Iterator[Any]:
    """Every document of a text, in JSON's types; an empty one is None.

    Raises:
        UnreadableError: after the documents before the one that cannot be read.
    """
    if text.lstrip().startswith("{"):
        try:
            document = json.loads(text, object_pairs_hook=_without_duplicates)
        except json.JSONDecodeError:
            pass  # YAML may begin like that too
        except RecursionError as error:
            raise UnreadableError(_TOO_DEEP) from error
        else:
            yield _plain(document)
            return
    yield from _yaml(text)


_TOO_DEEP = "it is nested too deeply"


def _yaml(text: str) -> Iterator[Any]:
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            _refuse_duplicates(node, set())
            yield _plain(loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UnreadableError(f"{where}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise UnreadableError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise UnreadableError(_TOO_DEEP) from error


def _refuse_duplicates(node: yaml.Node, seen: set[int]) -> None:
    """The last one would win in silence. Looked for before aliases are merged, which makes lawful ones."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, seen)
    elif isinstance(node, yaml.MappingNode):
        keys = set()
        for key, value in node.value:
            if key.value in keys and isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem=_twice(key.value), problem_mark=key.start_mark)
            keys |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
            _refuse_duplicates(value, seen)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise UnreadableError(_twice(key))
        document[key] = value
    return document


def _twice(key: str) -> str:
    return f"the key {key} is there twice: leave one out"


def _plain(document: Any) -> Any:
    """What the API server would get: keys are text, and nothing is there that JSON has no word for."""
    try:
        return json.loads(json.dumps(document, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UnreadableError(f"it cannot be written as JSON: {error}") from error
