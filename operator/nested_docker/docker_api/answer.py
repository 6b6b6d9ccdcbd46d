"""Answers of a Docker daemon, and typed reads of their JSON: a daemon may be a tenant's and send anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from nested_docker.docker_api.errors import DockerApiError


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    Attributes:
        source: the daemon and the request, for messages: `DAEMON: METHOD PATH`.
        status: the HTTP status; a redirect is an answer like any other.
        body: all of it.
    """

    source: str
    status: int
    body: bytes

    def json(self) -> Any:
        """The body's JSON, in UTF-8.

        Raises:
            DockerApiError: the body is not JSON.
        """
        try:
            return json.loads(self.body.decode(), parse_constant=_not_json)
        except (ValueError, RecursionError) as error:
            raise DockerApiError(f"{self.source} is answered with invalid JSON: {error}") from error

    def as_object(self) -> dict[str, Any]:
        """The JSON object of an answer with status 200.

        Raises:
            DockerApiError: the status is another, or the body is not a JSON object.
        """
        document = self._ok()
        if not isinstance(document, dict):
            raise DockerApiError(f"{self.source} is not answered with a JSON object")
        return document

    def as_list(self) -> list[Any]:
        """The JSON list of an answer with status 200.

        Raises:
            DockerApiError: the status is another, or the body is not a JSON list.
        """
        document = self._ok()
        if not isinstance(document, list):
            raise DockerApiError(f"{self.source} is not answered with a JSON list")
        return document

    def _ok(self) -> Any:
        if self.status != 200:
            raise DockerApiError(f"{self.source} is answered with status {self.status}")
        return self.json()


def string(document: Mapping[str, Any], key: str, limit: int) -> str:
    """A string field, printable and short enough to be shown; empty: it is missing or null.

    Args:
        document: a JSON object of an answer.
        key: the field.
        limit: the most characters to return.

    Raises:
        DockerApiError: the field is not a string.
    """
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DockerApiError(f"the daemon's answer has a {key} that is not a string")
    return printable(value, limit)


def array(document: Mapping[str, Any], key: str) -> list[Any]:
    """A list field; empty: it is missing or null.

    Raises:
        DockerApiError: the field is not a list.
    """
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DockerApiError(f"the daemon's answer has a {key} that is not a list")
    return value


def printable(text: str, limit: int) -> str:
    """The printable characters of a text, at most `limit` of them: no control, format or surrogate characters."""
    return "".join(filter(str.isprintable, text))[:limit]


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
