"""The machine's clocks."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Wall clock in UTC, and a monotonic one that goes on while the machine sleeps."""

    def now(self) -> datetime:
        """The present moment."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since boot, sleep included, so that a lease cannot outlive a suspended machine."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
