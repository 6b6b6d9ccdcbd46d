"""One line for each decision, with nothing in it that a client could break a line with, or that is secret."""

from __future__ import annotations

import logging

from nested_docker.guard.errors import GuardDenied

logger = logging.getLogger(f"{__package__}.audit")

MAX_TEXT = 512
"""Characters of what a client chose that a line may have."""


def log_waived(method: str, path: str, objects: tuple[str, ...], waived: GuardDenied | None) -> None:
    """Tell of a request that is passed on; parameters and bodies may have secrets, and are left out."""
    about = {"method": _plain(method), "path": _plain(path), "objects": [_plain(each) for each in objects]}
    if waived is None:
        logger.info("allowed", extra={"decision": "allowed", **about})
    else:
        logger.warning("allowed, though a rule forbids it", extra={"decision": "waived", **about, **_why(waived)})


def log_denied(method: str, path: str, denied: GuardDenied) -> None:
    """Tell of a request that is not passed on."""
    about = {"method": _plain(method), "path": _plain(path), "status": denied.status}
    logger.warning("refused", extra={"decision": "refused", **about, **_why(denied)})


def _why(denied: GuardDenied) -> dict[str, str]:
    return {"rule": _plain(denied.rule), "reason": _plain(denied.message)}


def _plain(text: str) -> str:
    """Printable ASCII; the rest as escapes."""
    escaped = text[:MAX_TEXT].encode("unicode_escape").decode("ascii")
    return escaped if len(text) <= MAX_TEXT else f"{escaped}…"
