"""Directories that only this user can read, in memory where the system has such a place."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

MAX_SOCKET_PATH = 100
"""Bytes of a unix socket's path; Linux allows 107, macOS 103."""
LONGEST_NAME = 40


def private_directory() -> Path:
    """A new directory that only this user can read; the caller removes it."""
    for parent in (os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm", tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if parent and len(parent) + LONGEST_NAME < MAX_SOCKET_PATH and os.access(parent, os.W_OK | os.X_OK):
            return Path(tempfile.mkdtemp(prefix="nested-docker-", dir=parent))
    return Path(tempfile.mkdtemp(prefix="nested-docker-"))


@functools.cache
def process_directory() -> Path:
    """The private directory of this process, which is removed when it ends."""
    directory = private_directory()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
