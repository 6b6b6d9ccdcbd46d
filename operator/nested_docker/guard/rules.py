"""Rules as people write them."""

from __future__ import annotations

from pathlib import Path

from nested_docker.api.v1alpha1.guard import GuardRules


def load(text: str | bytes) -> GuardRules:
    """Read rules that people wrote.

    Raises:
        ValueError: they are not JSON, or name what the guard does not know; the message says where.
    """
    return GuardRules.model_validate_json(text, extra="forbid")


def read_rules(given: str) -> GuardRules:
    """Rules from a file, or from the JSON itself.

    Raises:
        OSError: the file cannot be read.
        ValueError: they are wrong; the message says where.
    """
    text = given if given.lstrip().startswith("{") else Path(given).read_text(encoding="utf-8")
    try:
        return load(text)
    except ValueError as error:
        raise ValueError(f"the guard's rules are wrong: {' '.join(str(error).split())}") from error
