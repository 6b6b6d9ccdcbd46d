"""Paths of mounts, as the kubelet and the runtime take them: `usr/bin`, `//usr/bin` and `/usr/bin/` are one place."""

from __future__ import annotations

import posixpath


def mount_path(text: str) -> str:
    """The absolute path of a mount, in its normal form."""
    return posixpath.normpath(f"/{text.lstrip('/')}")


def is_within(path: str, directory: str) -> bool:
    """Whether a path is a directory or in it; both are in normal form."""
    return directory in {"/", path} or path.startswith(f"{directory}/")
