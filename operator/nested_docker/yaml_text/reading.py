"""Parses YAML streams and JSON as kubectl does, but rejects duplicate keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import yaml

from nested_docker.api.nesting import nesting_exceeds
from nested_docker.domain.shown import shorten
from nested_docker.yaml_text import numbers

if TYPE_CHECKING:
    from yaml import SafeLoader as _YamlLoader
else:
    _YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnreadableError(ValueError):
    """A document that cannot be parsed; the rest of the stream is not read.

    Attributes:
        line: where, from 1; 0: it is not one place.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class JsonTypesLoader(_YamlLoader):
    """JSON's types only, and numbers as kubectl reads them: a timestamp is a string, and so is 22:22."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - of the library
        """The value of a node.

        Raises:
            yaml.MarkedYAMLError: it has a tag that its text does not fit.
        """
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise yaml.MarkedYAMLError(
                problem=f"{shorten(str(node.value))} is no value for its tag {shorten(node.tag)}",
                problem_mark=node.start_mark,
            ) from error


def _text(loader: JsonTypesLoader, node: yaml.ScalarNode) -> Any:
    return loader.construct_scalar(node)


def _number(loader: JsonTypesLoader, node: yaml.ScalarNode) -> Any:
    return numbers.number_in(str(loader.construct_scalar(node)))


_OF_NUMBERS = frozenset({f"tag:yaml.org,2002:{each}" for each in ("int", "float", "timestamp", "value")})
JsonTypesLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag not in _OF_NUMBERS]
    for first, resolvers in _YamlLoader.yaml_implicit_resolvers.items()
}
JsonTypesLoader.add_implicit_resolver("tag:yaml.org,2002:float", numbers.FORM, numbers.FIRST)
JsonTypesLoader.add_constructor("tag:yaml.org,2002:timestamp", _text)
for _tag in ("int", "float"):
    JsonTypesLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _number)


def parse_documents(text: str) -> Iterator[Any]:
    """Every document of a text, in JSON's types; an empty document is None.

    Raises:
        UnreadableError: a document cannot be parsed; those before it have been yielded.
    """
    if text.lstrip().startswith("{"):
        try:
            document = json.loads(text, object_pairs_hook=_reject_duplicate_pairs)
        except json.JSONDecodeError:
            pass  # a YAML flow mapping begins like that too
        except UnreadableError:
            raise
        except RecursionError as error:
            raise UnreadableError(_TOO_DEEPLY_NESTED) from error
        except ValueError as error:  # a number with thousands of digits
            raise UnreadableError(str(error).partition(":")[0]) from error
        else:
            yield _as_json(document)
            return
    yield from _yaml(text)


def parse_document(text: str) -> Any:
    """The only document of a text, in JSON's types; None: there is none.

    Raises:
        UnreadableError: it cannot be parsed, or there are several.
    """
    first, *others = [*parse_documents(text)] or [None]
    if others:
        raise UnreadableError("it has several documents: give one")
    return first


def parse_leniently(text: str) -> Any:
    """The document of a text; of several equal keys the last one counts, as for kubectl in its own configuration.

    Raises:
        UnreadableError: it cannot be parsed, or there are several.
    """
    try:
        return yaml.load(text, JsonTypesLoader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise _unreadable(error) from error


MOST_LEVELS = 128
"""Levels of mappings and lists in a document; what is made of it is recursive."""

_TOO_DEEPLY_NESTED = "nested too deeply"


def _yaml(text: str) -> Iterator[Any]:
    try:
        loader = JsonTypesLoader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            _reject_duplicate_keys(loader, node, set())
            if _size(node, {}) > MOST_VALUES:
                raise UnreadableError(
                    f"with its aliases written in full it has more than {MOST_VALUES} values: use fewer"
                )
            yield _as_json(loader.construct_document(node))
    except (yaml.YAMLError, RecursionError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> UnreadableError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        return UnreadableError(f"{where}{error.problem or error.context}", mark.line + 1 if mark else 0)
    return UnreadableError(_TOO_DEEPLY_NESTED if isinstance(error, RecursionError) else " ".join(str(error).split()))


MOST_VALUES = 2_000_000
"""Values of a document with every alias written in full; a few lines could otherwise fill the memory."""


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node has with every alias written in full.

    Args:
        node: the node.
        known: sizes by identity; 0: a node that is being counted.

    Raises:
        UnreadableError: a node contains itself.
    """
    if id(node) in known:
        if not known[id(node)]:
            raise UnreadableError("an alias is inside of what it names: write it in full")
        return known[id(node)]
    known[id(node)] = 0
    size = 1
    if isinstance(node, yaml.SequenceNode):
        size += sum(_size(item, known) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        size += sum(_size(key, known) + _size(value, known) for key, value in node.value)
    known[id(node)] = size
    return size


def _reject_duplicate_keys(loader: JsonTypesLoader, node: yaml.Node, seen: set[int]) -> None:
    """YAML parsers silently take the last one. Runs before merge keys are resolved, since these may repeat keys."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _reject_duplicate_keys(loader, item, seen)
    elif isinstance(node, yaml.MappingNode):
        keys = set[str]()
        for key, value in node.value:
            name = _name_of_key(loader, key)
            if name in keys:
                raise yaml.MarkedYAMLError(problem=_duplicate_key(name), problem_mark=key.start_mark)
            keys.add(name)
            _reject_duplicate_keys(loader, value, seen)


MERGE = "tag:yaml.org,2002:merge"


def _name_of_key(loader: JsonTypesLoader, key: yaml.Node) -> str:
    """The key in JSON, where all are text: `1`, `0x1` and `"1"` are one.

    Raises:
        yaml.MarkedYAMLError: it is a mapping or a list.
    """
    if not isinstance(key, yaml.ScalarNode):
        what = "a key is a mapping or a list: write text; if this is a template, read what it renders"
        raise yaml.MarkedYAMLError(problem=what, problem_mark=key.start_mark)
    if key.tag == MERGE:
        return str(key.value)
    value = loader.construct_object(key)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _reject_duplicate_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise UnreadableError(_duplicate_key(key))
        document[key] = value
    return document


def _duplicate_key(key: str) -> str:
    return f"duplicate key {key}: remove one"


def _as_json(document: Any) -> Any:
    """The document as the API server would get it: keys are strings, and JSON can represent every value."""
    if nesting_exceeds(document, MOST_LEVELS):
        raise UnreadableError(_TOO_DEEPLY_NESTED)
    try:
        # A lone surrogate is no character: no file and no terminal takes it.
        return json.loads(json.dumps(document, allow_nan=False, ensure_ascii=False).encode().decode())
    except UnicodeEncodeError as error:
        raise UnreadableError(f"{error.object[error.start]!a} is no character: correct it") from error
    except (TypeError, ValueError) as error:
        raise UnreadableError(f"cannot be represented in JSON: {error}") from error
