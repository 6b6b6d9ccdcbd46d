"""Quantities as numbers, and the minimum of those that limit anything."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

QUANTITY = (
    r"^(\+|-)?(([0-9]{1,19}(\.[0-9]{0,19})?)|(\.[0-9]{1,19}))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?([0-9]|1[0-8])))?$"
)
"""Kubernetes' syntax, with bounds: 19 digits on either side of the point, and exponents up to 18.

Whatever matches is computed with and written in full at little cost. `1e999999` would have a million digits.
"""

MINIMUM_LIMITS = {"cpu": "10m", "memory": "6Mi"}
"""The minimum limits of a container that are in force as they are written, by resource.

The kubelet does not set a CPU limit of zero, and sets 10m instead of less: the minimum quota of the kernel is 1 ms in
100 ms. Docker rejects a memory limit below 6Mi, and reads zero as unlimited.
"""

MINIMUM_SIZE = "1Mi"
"""The minimum size of a volume. The kubelet reads a `sizeLimit` of zero as unlimited."""

_PARTS = re.compile(r"([+-]?[0-9.]+)(.*)")
_SUFFIXES = {
    "": Decimal(1),
    **{letters: Decimal(1000) ** power for power, letters in enumerate(["n", "u", "m"], start=-3)},
    **{letters: Decimal(1000) ** power for power, letters in enumerate("kMGTPE", start=1)},
    **{f"{letters}i": Decimal(1024) ** power for power, letters in enumerate("KMGTPE", start=1)},
}
_UNITS = {"cpu": Decimal("0.001")}


def value_of(quantity: str) -> Decimal:
    """The value of a quantity in the unit of the resource, such as 0.5 for `500m`.

    Raises:
        ValueError: the text is not a quantity.
    """
    match = _PARTS.fullmatch(quantity)
    if match is None or "\n" in quantity or re.match(QUANTITY, quantity) is None:
        raise ValueError("not a quantity, such as 500m, 4 or 8Gi")
    number, suffix = match.groups()
    if suffix in _SUFFIXES:
        return Decimal(number) * _SUFFIXES[suffix]
    return Decimal(number + suffix)


def limit_in_force(resource: str, quantity: str | None) -> Decimal | None:
    """A limit as the kubelet sets it, rounded up to its unit; None: this quantity limits nothing.

    Args:
        resource: the resource, such as `cpu`.
        quantity: the limit; None: there is none.
    """
    if quantity is None:
        return None
    value, unit = value_of(quantity), _UNITS.get(resource, Decimal(1))
    if value <= 0 or value < value_of(MINIMUM_LIMITS.get(resource, "0")):
        return None
    return (value / unit).to_integral_value(ROUND_CEILING) * unit


def require_limits(limits: dict[str, str]) -> dict[str, str]:
    """Limits by resource, each of which limits something.

    Raises:
        ValueError: one of them does not.
    """
    for resource, quantity in limits.items():
        if limit_in_force(resource, quantity) is None:
            raise ValueError(too_small(resource))
    return limits


def require_limit(resource: str, quantity: str | None) -> str | None:
    """A limit that limits something, or none.

    Raises:
        ValueError: it does not.
    """
    if quantity is not None:
        require_limits({resource: quantity})
    return quantity


def require_size(quantity: str) -> str:
    """A size of a volume that limits it.

    Raises:
        ValueError: it does not.
    """
    if value_of(quantity) < value_of(MINIMUM_SIZE):
        raise ValueError(SIZE_TOO_SMALL)
    return quantity


def too_small(resource: str) -> str:
    """What to say about a limit that does not limit anything."""
    minimum = MINIMUM_LIMITS.get(resource)
    least = f"at least {minimum}, since a lower one is not in force" if minimum else "more than 0"
    return f"the limit of {resource} must be {least}: raise it or leave it out"


SIZE_TOO_SMALL = f"the size must be at least {MINIMUM_SIZE}; 0 would mean unlimited: raise it or leave it out"
