"""Times as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+)([dhms])")


def parse_duration(text: str) -> int:
    """Seconds of a duration such as `90s`, `1h30m`, or `45` for seconds.

    Raises:
        ValueError: it has another form; the message says which one is right.
    """
    if text.isdigit():
        return int(text)
    if not text or _PART.sub("", text):
        raise ValueError(f"{text!r} is not a duration: write it as 90s, 5m or 1h30m")
    return sum(int(number) * UNITS[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """A duration in at most two neighbouring units, such as `5d3h`, as kubectl shows ages."""
    left = max(0, int(seconds))
    units = [*UNITS.items()]
    first = next((number for number, (_, length) in enumerate(units) if left >= length), len(units) - 1)
    parts: list[str] = []
    for unit, length in units[first : first + 2]:
        count, left = divmod(left, length)
        if count or not parts:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_moment(text: object) -> datetime | None:
    """The moment of a timestamp of the API server; None: there is none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def age_of(timestamp: object, now: datetime) -> str:
    """How long ago a timestamp was; `?` if it is none."""
    moment = parse_moment(timestamp)
    return format_duration((now - moment).total_seconds()) if moment else "?"
