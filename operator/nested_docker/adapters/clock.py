"""The system clocks."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """The wall clock in UTC, and a monotonic clock that also counts suspend."""

    def now(self) -> datetime:
        """The current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since boot, including suspend, so that a lease expires on a suspended machine."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
