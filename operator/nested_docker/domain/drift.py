"""Drift: what we want must be in what there is; what others add is theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def first_difference(desired: Any, observed: Any, path: str = "") -> str:
    """The path of the first place where `desired` is not contained in `observed`; empty: none.

    Mappings may hold more than is desired. Lists must agree in length and order, element by
    element. An empty or absent value equals another empty or absent one, since the API server
    drops them.
    """
    if not desired and not observed and not isinstance(desired, bool):
        return ""
    if isinstance(desired, Mapping) and isinstance(observed, Mapping):
        pairs = ((f"{path}.{key}".lstrip("."), value, observed.get(key)) for key, value in desired.items())
    elif isinstance(desired, list) and isinstance(observed, list) and len(desired) == len(observed):
        pairs = ((f"{path}[{index}]", value, observed[index]) for index, value in enumerate(desired))
    else:
        return "" if desired == observed else path or "."
    return next((found for inner, value, there in pairs if (found := first_difference(value, there, inner))), "")
