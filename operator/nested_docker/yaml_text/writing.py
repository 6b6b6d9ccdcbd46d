"""Writes YAML that kubectl reads as what was written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from nested_docker.yaml_text.numbers import needs_quotes

MOST_COLUMNS = 110
"""Width of a line, before text is folded."""


class _PlainDumper(yaml.SafeDumper):
    """YAML without anchors and aliases, which readers of manifests do not expect."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every occurrence in full."""
        del data
        return True


class _BlockDumper(_PlainDumper):
    """Text of several lines is written as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if needs_quotes(text) else None)


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|") if "\n" in text else _text(dumper, text)


_PlainDumper.add_representer(str, _text)
_BlockDumper.add_representer(str, _block)


def to_yaml(documents: Iterable[Any], *, blocks: bool = False) -> str:
    """Values as one YAML stream, a document each.

    Args:
        documents: to write.
        blocks: whether text of several lines is written as such, as a person writes it.
    """
    dumper = _BlockDumper if blocks else _PlainDumper
    return yaml.dump_all(documents, Dumper=dumper, sort_keys=False, width=MOST_COLUMNS)
