"""The archive that a Linux kernel unpacks at its start: format "newc" of cpio, uncompressed."""

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class File:
    """One file, owned by root.

    Attributes:
        path: where, without a leading slash; folders above it are made by `archive`.
        content: what is in it.
        mode: its permission bits.
    """

    path: str
    content: bytes
    mode: int = 0o644


def archive(files: Iterable[File]) -> bytes:
    """Pack files and the folders that they are in.

    Archives may be joined: the kernel unpacks one after the other.
    """
    entries: dict[str, tuple[int, bytes]] = {}
    for file in files:
        for folder in reversed(PurePosixPath(file.path).parents[:-1]):
            entries[str(folder)] = (stat.S_IFDIR | 0o755, b"")
        entries[file.path] = (stat.S_IFREG | file.mode, file.content)
    packed = [_entry(number, *item) for number, item in enumerate(sorted(entries.items()), start=1)]
    return b"".join([*packed, _entry(0, _TRAILER, (0, b""))])


def _entry(number: int, path: str, what: tuple[int, bytes]) -> bytes:
    mode, content = what
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (number, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name), 0)
    head = _MAGIC + b"".join(b"%08X" % field for field in fields) + name
    return _aligned(head) + _aligned(content)


def _aligned(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
