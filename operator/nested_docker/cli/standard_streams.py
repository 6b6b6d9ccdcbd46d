"""Standard streams that are closed, that nobody reads any more, or that cannot be written."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
"""Errors of files that are no defect of the program."""

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}


def open_missing_streams() -> None:
    """Open standard streams that are closed as /dev/null: a socket or a file would get their numbers otherwise."""
    for number, (name, mode) in enumerate(_MODES.items()):
        if getattr(sys, name) is not None:
            continue
        with contextlib.suppress(OSError):
            os.fstat(number)
            os.close(number)
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number, also for `run`'s command
        setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - a number


def discard_output() -> None:
    """Let the interpreter have nothing to say at its end about output that nobody gets."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
