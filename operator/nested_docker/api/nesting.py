"""A bound on how deeply values of any shape are nested, since every later step over them is recursive."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

MAX_NESTING = 32
"""Levels of objects and lists in a value of any shape; those of a pod's spec have about ten."""


def nesting_exceeds(value: Any, limit: int) -> bool:
    """Whether objects and lists are nested more than `limit` levels deep; not recursive."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for container in level
            if isinstance(container, dict | list)
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def without_deep_values(value: Any, limit: int) -> Any:
    """A copy with `limit` levels of objects and lists; deeper ones are null."""
    if not isinstance(value, dict | list):
        return value
    if limit == 0:
        return None
    if isinstance(value, dict):
        return {key: without_deep_values(child, limit - 1) for key, child in value.items()}
    return [without_deep_values(child, limit - 1) for child in value]


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    if nesting_exceeds(value, MAX_NESTING):
        raise ValueError(f"objects and lists are nested more than {MAX_NESTING} levels deep: nest them less")
    return value


FreeObject = Annotated[dict[str, Any], AfterValidator(_bounded)]
"""An object of any shape, at most `MAX_NESTING` levels deep."""
