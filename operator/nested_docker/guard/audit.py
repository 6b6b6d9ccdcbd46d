"""The audit log: one line for each decision, without secrets, and without characters that could forge a line."""

from __future__ import annotations

import logging

from nested_docker.guard.errors import GuardDenied

logger = logging.getLogger(f"{__package__}.audit")

MAX_TEXT = 512
"""Characters of a client's text in one line."""


def log_allowed(method: str, path: str, objects: tuple[str, ...], waived: GuardDenied | None) -> None:
    """Log a request that is forwarded; its parameters and body are left out, since they may contain secrets.

    Args:
        method: HTTP method.
        path: path after the API version.
        objects: full IDs of the objects that the request names.
        waived: the violation that enforcement Warn or Audit lets pass; None: there is none.
    """
    fields = {"method": _printable(method), "path": _printable(path), "objects": [_printable(each) for each in objects]}
    if waived is None:
        logger.info("allowed", extra={"decision": "allowed", **fields})
    else:
        logger.warning("allowed although a rule denies it", extra={"decision": "waived", **fields, **_reason(waived)})


def log_denied(method: str, path: str, denied: GuardDenied) -> None:
    """Log a request that is not forwarded."""
    fields = {"method": _printable(method), "path": _printable(path), "status": denied.status}
    logger.warning("denied", extra={"decision": "denied", **fields, **_reason(denied)})


def _reason(denied: GuardDenied) -> dict[str, str]:
    return {"rule": _printable(denied.rule), "reason": _printable(denied.message)}


def _printable(text: str) -> str:
    """Printable ASCII; other characters are escaped."""
    escaped = text[:MAX_TEXT].encode("unicode_escape").decode("ascii")
    return escaped if len(text) <= MAX_TEXT else f"{escaped}…"
