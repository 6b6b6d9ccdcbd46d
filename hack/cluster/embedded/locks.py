"""Locks between processes: they end with their last holder, so a crash can't leave one behind."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def try_lock(path: Path) -> int | None:
    """Take an exclusive lock, or None if another process holds it.

    The lock belongs to the open file: it lasts until this process and all that inherited the
    descriptor returned here have closed it or ended.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked(path: Path, tell: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock for a block, after waiting for whoever has it.

    Args:
        path: The lock's file.
        tell: Called with a line to show, if there is someone to wait for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if tell is not None:
                tell(f"waiting for another command, which has the lock {path}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
