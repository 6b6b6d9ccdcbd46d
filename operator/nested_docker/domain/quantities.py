"""Kubernetes quantities as numbers."""

from __future__ import annotations

from decimal import Decimal

from nested_docker.api import amounts
from nested_docker.domain.shown import shown


def parse(quantity: str) -> Decimal:
    """The value of a quantity in the unit of the resource, such as 0.5 for `500m`.

    Raises:
        ValueError: the text is not a quantity.
    """
    try:
        return amounts.value_of(quantity)
    except ValueError as error:
        raise ValueError(f"{shown(quantity)} is {error}") from None
