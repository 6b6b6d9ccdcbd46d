"""What the end of a container's log says about why it ended."""

from __future__ import annotations

import re
import signal

from nested_docker.domain.shown import VALUE_LENGTH, shorten

KEPT_LINES = 2
FULL = 2000
"""Bytes from which the kubelet, which keeps the last 2048, may have cut the first line."""

SIGNAL_BASE = 128
"""A container that a signal ends has the signal's number above this as its exit code."""

_TIME = re.compile(r'^time="[^"]*" ')
_UNIMPORTANT = re.compile(r'level=(info|debug|trace)\b|"level":"(info|debug|trace)"|TLS handshake error')
_PANIC = re.compile(r"(panic|fatal error): ")
_WARNING = re.compile(r'level=warn(ing)?\b|"level":"warn(ing)?"')


def signal_name(exit_code: int) -> str:
    """Name of the signal that an exit code means, such as SIGKILL; empty: none."""
    try:
        return signal.Signals(exit_code - SIGNAL_BASE).name
    except ValueError:
        return ""


def cause(text: str) -> str:
    """The last lines that a program has printed as it failed, without those of its normal course; empty: none.

    Args:
        text: the end of its log, as the kubelet keeps it.
    """
    lines = text.splitlines()
    if len(text.encode()) >= FULL:
        lines = lines[1:] or lines
    lines = [line.strip() for line in lines if line.strip() and not _UNIMPORTANT.search(line)]
    panics = [line for line in lines if _PANIC.match(line)]
    errors = panics or [line for line in lines if not _WARNING.search(line)] or lines
    return "; ".join(shorten(_TIME.sub("", line), 2 * VALUE_LENGTH) for line in errors[-KEPT_LINES:])
