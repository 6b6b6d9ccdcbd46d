"""The query parameters of all routes, each with the check of its value."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.rules import values
from nested_docker.guard.rules.containers import MAX_TERMINAL
from nested_docker.guard.rules.schema import FieldCheck, any_string
from nested_docker.guard.wire import strict_json
from nested_docker.guard.wire.query import Query

VALIDATED_ELSEWHERE = frozenset(
    {
        "cachefrom",
        "changes",
        "container",
        "cpuperiod",
        "extrahosts",
        "cpuquota",
        "cpushares",
        "filter",
        "filters",
        "fromImage",
        "fromSrc",
    }
    | {
        "labels",
        "memory",
        "memswap",
        "message",
        "name",
        "names",
        "networkmode",
        "ps_args",
        "repo",
        "shmsize",
        "t",
        "tag",
    }
    | {"version", "session", "buildid"}
    | {"remote", "squash", "outputs", "cgroupparent", "ulimits", "isolation", "securityopt"}
)
"""Parameters whose values the route's validator parses, or denies unless they are empty."""

FREE_TEXT = frozenset({"author", "comment", "path", "target"})
"""Parameters that nobody parses: texts that are stored, a path in a container's own files, and the name of a stage."""


def build_arguments(value: Any, where: str) -> str:
    """A JSON object of strings; null passes on the builder's own value."""
    text = any_string(value, where)
    document = strict_json.parse_json((text or "{}").encode(), free_keys=True)
    if document is None:
        return ""
    if not isinstance(document, dict) or not all(each is None or isinstance(each, str) for each in document.values()):
        raise GuardDenied("fields", f"{where} is not a JSON object of strings", status=HTTPStatus.BAD_REQUEST)
    return strict_json.encode_json(document).decode() if text else ""


CHECKS: Mapping[str, FieldCheck] = {
    **dict.fromkeys(("all", "copyUIDGID", "details", "digests", "follow", "force", "forcerm"), values.BOOLEAN),
    **dict.fromkeys(("identity", "link", "logs", "manifests", "nocache", "noOverwriteDirNonDir"), values.BOOLEAN),
    **dict.fromkeys(
        ("noprune", "one-shot", "pause", "pull", "q", "quiet", "rm", "shared-size", "size"), values.BOOLEAN
    ),
    **dict.fromkeys(("statement", "stderr", "stdin", "stdout", "stream", "timestamps", "v", "verbose"), values.BOOLEAN),
    "buildargs": build_arguments,
    "condition": values.one_word("not-running", "next-exit", "removed"),
    "cpusetcpus": values.CPU_SET,
    "cpusetmems": values.CPU_SET,
    "detachKeys": values.KEY_SEQUENCE,
    "dockerfile": values.RELATIVE_PATH,
    "h": values.whole_number(0, MAX_TERMINAL),
    "limit": values.whole_number(-1, 2**31 - 1),
    "platform": values.PLATFORM,
    "platforms": values.PLATFORM,
    "scope": values.one_word("local", "global", "swarm"),
    "signal": values.SIGNAL,
    "since": values.UNIX_TIME,
    "tail": values.TAIL,
    "type": values.one_word("container", "image", "volume", "build-cache"),
    "until": values.UNIX_TIME,
    "w": values.whole_number(0, MAX_TERMINAL),
}
"""By name; a name has the same meaning in all routes but those of EXCEPTIONS."""

EXCEPTIONS: Mapping[tuple[str, str], FieldCheck] = {
    ("/images/{name}/attestations", "type"): any_string,  # the type of a predicate, which the daemon compares
}
"""By route and name."""


def check_parameters(template: str, query: Query) -> Query:
    """The parameters with their values as they were understood.

    Args:
        template: the route's.
        query: its parameters, whose names are known.

    Raises:
        GuardDenied: a value is not one that the parameter can have.
    """
    return {name: tuple(_check(template, name, each) for each in texts) for name, texts in query.items()}


def _check(template: str, name: str, text: str) -> str:
    if name in VALIDATED_ELSEWHERE or name in FREE_TEXT:
        return text
    return str((EXCEPTIONS.get((template, name)) or CHECKS[name])(text, name))
