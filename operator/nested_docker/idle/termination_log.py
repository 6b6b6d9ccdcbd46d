"""The termination message: what the pod's status says about an ended container."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

TERMINATION_LOG = Path("/dev/termination-log")


def idle_since(now: datetime, idle: float) -> str:
    """The message of a watch that ends.

    Args:
        now: the present moment, in UTC.
        idle: seconds for which nothing has used the daemon.
    """
    return f"idle since {now - timedelta(seconds=idle):%Y-%m-%dT%H:%M:%SZ}"


def leave(message: str, log: Path = TERMINATION_LOG) -> bool:
    """Write a message where the kubelet looks for it; whether there was such a place."""
    try:
        with log.open("r+", encoding="utf-8") as file:  # which makes no file where Kubernetes has made none
            file.write(message)
    except OSError:
        return False
    return True
