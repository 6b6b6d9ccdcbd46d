"""Times as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from nested_docker.domain.shown import shown

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
LONGEST_SECONDS = 3650 * UNITS["d"]
_PART = re.compile(r"([0-9]{1,9})([dhms])")
_WHOLE = re.compile(rf"[0-9]{{1,9}}|(?:{_PART.pattern})+")


def parse_duration(text: str) -> int:
    """Seconds of a duration such as `90s`, `1h30m`, or `45` for seconds; at most ten years.

    Raises:
        ValueError: it has another form or is longer; the message says which one is right.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{shown(text, 40)} is not a duration: write it as 90s, 5m or 1h30m")
    seconds = int(text) if text.isdigit() else sum(int(number) * UNITS[unit] for number, unit in _PART.findall(text))
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"{text} is too long: use at most 3650d")
    return seconds


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
