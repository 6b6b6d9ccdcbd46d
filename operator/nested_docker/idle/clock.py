"""Decides when a daemon has been idle for long enough; pure."""

from __future__ import annotations


class IdleClock:
    """Counts the seconds since the daemon was last in use.

    Args:
        timeout: seconds of idleness after which the time is up.
        now: seconds on a monotonic clock.
    """

    def __init__(self, timeout: float, now: float) -> None:
        self._timeout = timeout
        self._used = self._observed = now

    @property
    def idle(self) -> float:
        """Seconds of idleness up to the last observation."""
        return self._observed - self._used

    def observe(self, now: float, *, in_use: bool | None) -> bool:
        """Add an observation.

        Args:
            now: when it was made, in seconds on the same clock.
            in_use: whether the daemon was in use; None: it is unknown, as while the daemon starts.
                That time does not count as idle, and does not reset the idle time.

        Returns:
            Whether the time is up.
        """
        if in_use is None:
            self._used += now - self._observed
        elif in_use:
            self._used = now
        self._observed = now
        return self.idle >= self._timeout
