"""The termination message, which the kubelet copies into the pod's status."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

TERMINATION_LOG = Path("/dev/termination-log")


def idle_since(now: datetime, idle: float) -> str:
    """The message of a watch that has ended.

    Args:
        now: the current time, in UTC.
        idle: seconds since the daemon was last in use.
    """
    return f"idle since {now - timedelta(seconds=idle):%Y-%m-%dT%H:%M:%SZ}"


def leave(message: str, log: Path = TERMINATION_LOG) -> bool:
    """Write the termination message.

    Returns:
        Whether the file exists; outside Kubernetes it does not, and is not created.
    """
    try:
        with log.open("r+", encoding="utf-8") as file:  # does not create the file
            file.write(message)
    except OSError:
        return False
    return True
