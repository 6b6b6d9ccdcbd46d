"""Directories that only this user can read, in memory where the system has such a place."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import stat
import tempfile
from pathlib import Path

from nested_docker.client.errors import ClusterError

MAX_SOCKET_PATH = 100
"""Bytes of a unix socket's path; Linux allows 107, macOS 103."""
LONGEST_NAME = 40
WRITABLE = "set XDG_RUNTIME_DIR to a directory that only you can read, and that can be written"


def private_directory() -> Path:
    """A new directory that only this user can read; the caller removes it.

    Raises:
        ClusterError: there is no place for one.
    """
    for parent in (os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm", tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if parent and len(parent) + LONGEST_NAME < MAX_SOCKET_PATH and os.access(parent, os.W_OK | os.X_OK):
            return Path(tempfile.mkdtemp(prefix="nested-docker-", dir=parent))
    try:
        return Path(tempfile.mkdtemp(prefix="nested-docker-"))
    except OSError as error:
        raise ClusterError(f"there is no place for private files: {error.strerror}", WRITABLE) from error


def shared_directory() -> Path:
    """The directory of this user that several processes share; it is the same for each call.

    Raises:
        OSError: it belongs to somebody else, or others can read it.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    path = Path(runtime) / "nested-docker" if runtime else Path(tempfile.gettempdir()) / f"nested-docker-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{path} must be a directory that only you can read: remove it")
    return path


@functools.cache
def process_directory() -> Path:
    """The private directory of this process, which is removed when it ends."""
    directory = private_directory()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
