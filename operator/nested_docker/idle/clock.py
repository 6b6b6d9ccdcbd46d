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

    def observe(self, now: float, *, in_use: bool | None) -> bool:
        """Take a look into account; whether the time is up.

        `in_use=None` means that nobody can tell, as while the daemon starts: the clock stands still.
        """
        if in_use is None:
            self._used += now - self._looked
        elif in_use:
            self._used = now
        self._looked = now
        return now - self._used >= self._timeout
