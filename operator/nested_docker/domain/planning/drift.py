"""Drift: every desired value must be observed; what others add is theirs, unless it changes the meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WHOLE = frozenset({"spec.selector", "spec.podSelector", "spec.ingress"})
"""Selectors and rules change their meaning with an additional key, so nothing may be added there."""

SETS = frozenset({"metadata.finalizers", "metadata.ownerReferences"})
"""Lists to which others add their own entries, in any order: server-side apply keeps these entries."""


def first_difference(desired: Any, observed: Any, path: str = "", *, whole: bool = False) -> str:
    """The path of the first place where `desired` is not contained in `observed`; empty: none.

    Mappings may hold more than is desired, except under the paths in `WHOLE`. Lists must agree in
    length and order, element by element, except those in `SETS`, which may hold more. An empty or
    absent value equals another empty or absent one, since the API server drops them.
    """
    whole = whole or path in WHOLE
    if not desired and not observed and not isinstance(desired, bool):
        return ""
    if isinstance(desired, Mapping) and isinstance(observed, Mapping):
        added = sorted(observed.keys() - desired.keys()) if whole else []
        if added:
            return f"{path}.{added[0]}"
        pairs = ((f"{path}.{key}".lstrip("."), value, observed.get(key)) for key, value in desired.items())
    elif path in SETS and isinstance(desired, list) and isinstance(observed, list):
        return "" if all(_contains(observed, each) for each in desired) else path
    elif isinstance(desired, list) and isinstance(observed, list) and len(desired) == len(observed):
        pairs = ((f"{path}[{index}]", value, observed[index]) for index, value in enumerate(desired))
    else:
        return "" if desired == observed else path or "."
    found = (first_difference(value, there, inner, whole=whole) for inner, value, there in pairs)
    return next((difference for difference in found if difference), "")


def _contains(observed: list[Any], desired: Any) -> bool:
    return any(not first_difference(desired, each) for each in observed)
