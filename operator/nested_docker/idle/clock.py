"""When a daemon has been idle for long enough; pure."""

from __future__ import annotations


class IdleClock:
    """Counts the seconds since the daemon was last in use.

    Args:
        timeout: seconds of idleness that are long enough.
        now: seconds on a monotonic clock.
    """

    def __init__(self, timeout: float, now: float) -> None:
        self._timeout = timeout
        self._used = self._looked = now

    @property
    def idle(self) -> float:
        """Seconds of idleness up to the last look."""
        return self._looked - self._used

    def observe(self, now: float, *, in_use: bool | None) -> bool:
        """Take a look into account; whether the time is up.

        Args:
            now: when it was taken, in seconds on the same clock.
            in_use: whether the daemon was in use; None: nobody could tell, as while the daemon starts.
                It is neither then, and the clock stands still.
        """
        if in_use is None:
            self._used += now - self._looked
        elif in_use:
            self._used = now
        self._looked = now
        return self.idle >= self._timeout
