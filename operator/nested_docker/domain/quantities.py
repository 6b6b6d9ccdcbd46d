"""Kubernetes quantities as numbers."""

from __future__ import annotations

import re
from decimal import Decimal

from nested_docker.api.meta import QUANTITY
from nested_docker.domain.shown import shown

_PARTS = re.compile(r"^([+-]?[0-9.]+)(.*)$")
_SUFFIXES = {
    "": Decimal(1),
    **{letters: Decimal(1000) ** power for power, letters in enumerate(["n", "u", "m"], start=-3)},
    **{letters: Decimal(1000) ** power for power, letters in enumerate("kMGTPE", start=1)},
    **{f"{letters}i": Decimal(1024) ** power for power, letters in enumerate("KMGTPE", start=1)},
}


def parse(quantity: str) -> Decimal:
    """The value of a quantity in the unit of the resource, such as 0.5 for `500m`.

    Raises:
        ValueError: the text is not a quantity.
    """
    match = _PARTS.match(quantity)
    if match is None or re.match(QUANTITY, quantity) is None:
        raise ValueError(f"{shown(quantity)} is not a quantity, such as 500m, 4 or 8Gi")
    number, suffix = match.groups()
    if suffix in _SUFFIXES:
        return Decimal(number) * _SUFFIXES[suffix]
    return Decimal(number + suffix)
