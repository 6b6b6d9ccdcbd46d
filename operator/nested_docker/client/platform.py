"""Where this program runs."""

from __future__ import annotations

import signal

from nested_docker.client.errors import NestedDockerError


def check_platform() -> None:
    """Check that the system has what sockets and processes of this program need.

    Raises:
        NestedDockerError: it has not.
    """
    if not hasattr(signal, "SIGHUP"):
        raise NestedDockerError("nested-docker runs on Linux and macOS only", "on Windows run it in WSL 2")
