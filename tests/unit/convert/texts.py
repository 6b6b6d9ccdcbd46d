"""Inputs that are changed at one place, also within texts with YAML or TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import tomli_w
import yaml


def changed(value: Any, junk: Any) -> Iterator[Any]:
    """The value with each of its parts replaced, one at a time."""
    yield junk
    if isinstance(value, dict):
        for key, member in value.items():
            yield from ({**value, key: each} for each in changed(member, junk))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from ([*value[:number], each, *value[number + 1 :]] for each in changed(member, junk))
    elif isinstance(value, str) and "\n" in value:
        yield from within_text(value, lambda said: changed(said, junk))


def within_text(text: str, changed: Callable[[Any], Iterator[Any]]) -> Iterator[str]:
    """The text with each change of what it says; none, if it says no mapping."""
    if "[[runners]]" in text and "runners:" not in text:
        for each in changed(tomllib.loads(text)):
            if isinstance(each, dict) and "null" not in json.dumps(each):  # TOML has no null
                yield tomli_w.dumps(each)
        return
    try:
        documents = [*yaml.safe_load_all(text)]
    except yaml.YAMLError:
        return
    for number, document in enumerate(documents):
        if isinstance(document, dict):
            for each in changed(document):
                yield yaml.safe_dump_all([*documents[:number], each, *documents[number + 1 :]], sort_keys=False)
