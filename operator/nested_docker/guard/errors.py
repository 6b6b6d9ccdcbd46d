"""What a client gets instead of an answer of the daemon's."""

from __future__ import annotations

import json

from nested_docker.domain.shown import cut

DENIAL_LENGTH = 1024
"""Characters of a message; a request may have values of a megabyte."""

FORBIDDEN, MALFORMED, TOO_LARGE, NOT_FOUND, CONFLICT = 403, 400, 413, 404, 409


class GuardDenied(Exception):
    """A request that is not passed on.

    Args:
        rule: what it offends: a path into the rules, or a word for what no rule can allow.
        message: what was asked for and, where there is one, the remedy.
        status: the answer's; rules refuse by 403, and only that can be waived by modes Warn and Audit.
    """

    def __init__(self, rule: str, message: str, *, status: int = FORBIDDEN) -> None:
        super().__init__(cut(message, DENIAL_LENGTH))
        self.rule, self.message, self.status = rule, cut(message, DENIAL_LENGTH), status

    def body(self) -> bytes:
        """The answer in the form of Docker's errors."""
        return json.dumps({"message": f"refused by the guard: {self.message} (rule: {self.rule})"}).encode()


class Absent(GuardDenied):
    """An object that is not there, or is somebody else's: the answer is the daemon's own either way."""

    def __init__(self, message: str) -> None:
        super().__init__("owner", message, status=NOT_FOUND)

    def body(self) -> bytes:
        """As the daemon says it."""
        return json.dumps({"message": self.message}).encode()
