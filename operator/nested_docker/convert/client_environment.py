"""What led a client to its old daemon: environment variables that go, and addresses in scripts that are named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.recognition import LOCAL_HOST
from nested_docker.domain.shown import shorten

ADDRESSES = ("localhost", "127.0.0.1", "docker.sock", ":2375", "DOCKER_HOST=")
SERVICE_ADDRESSES = (*ADDRESSES, "tcp://docker", "//docker:")
"""Those of a service of a CI system, whose usual alias is `docker`."""


def remove_variable(name: str, value: Any, path: str, original: Any, draft: SpecDraft) -> None:
    """Name the removal of one of `recognition.CLIENT_VARIABLES`.

    Args:
        name: of the variable.
        value: that it has.
        path: where it is.
        original: what is there.
        draft: what grows.

    Raises:
        UnconvertibleError: it leads to a daemon that stays, or nobody knows where it leads.
    """
    if name == "DOCKER_HOST" and not (isinstance(value, str) and LOCAL_HOST.match(value)):
        raise UnconvertibleError(
            f"{path}: DOCKER_HOST is {shorten(str(value))!r}, which is not the daemon that is replaced",
            "remove the variable if the new daemon shall be used instead",
        )
    has_meaning = name != "DOCKER_TLS_CERTDIR"
    why = "the connection has its own value" if has_meaning else "it has no meaning for clients"
    draft.differs(path, original, f"removed: {why}")


def name_old_address(text: Any, path: str, draft: SpecDraft, addresses: Iterable[str] = ADDRESSES) -> None:
    """Name a word or line of a script that may have the address of the old daemon; it is not changed."""
    if any(each in str(text) for each in addresses):
        draft.differs(path, text, "it may mean the old daemon: check it, since it is not changed")


def script_lines(script: Any) -> list[Any]:
    """The lines of a script, which is a list, or one line, or absent."""
    return script if isinstance(script, list) else [script] if script else []
