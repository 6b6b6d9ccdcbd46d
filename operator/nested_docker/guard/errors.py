"""Why a request is denied, and the response that the client gets."""

from __future__ import annotations

import json
from http import HTTPStatus

from nested_docker.domain.shown import cut

DENIAL_LENGTH = 1024
"""Characters of a message; a request may have values of a megabyte."""


class GuardDenied(Exception):
    """The guard does not forward a request.

    Args:
        rule: the rule that it violates: a path into GuardRules, or a word for what no rule can allow.
        message: what is wrong and, where there is one, the remedy.
        status: HTTP status of the response. Rules deny with 403, and only those denials can be waived by
            enforcement Warn and Audit.
    """

    def __init__(self, rule: str, message: str, *, status: int = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(cut(message, DENIAL_LENGTH))
        self.rule, self.message, self.status = rule, cut(message, DENIAL_LENGTH), status

    def body(self) -> bytes:
        """The response body, in the form of Docker's errors."""
        return json.dumps({"message": f"denied by the guard: {self.message} (rule: {self.rule})"}).encode()


class AbsentForClients(GuardDenied):
    """What a request names does not exist for clients; the response has the daemon's own words."""

    def body(self) -> bytes:
        """The response body, without a rule."""
        return json.dumps({"message": self.message}).encode()


class ObjectNotFound(AbsentForClients):
    """An object does not exist or belongs to another owner; clients cannot tell which."""

    def __init__(self, message: str) -> None:
        super().__init__("owner", message, status=HTTPStatus.NOT_FOUND)
