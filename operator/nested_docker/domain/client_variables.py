"""The environment variables that clients get besides the daemon's address.

Whoever may write a Secret of the namespace could otherwise choose variables such as `LD_PRELOAD` or `PROMPT_COMMAND`,
and run code on the machine of everybody who uses the daemon.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from nested_docker.domain.registry_credentials import VARIABLE

BUILDKIT = "DOCKER_BUILDKIT"
PUBLISHED_PORTS_HOST = "TESTCONTAINERS_HOST_OVERRIDE"

_OF_MODES = {BUILDKIT: re.compile(r"[01]"), PUBLISHED_PORTS_HOST: re.compile(r"[0-9A-Za-z.:\[\]-]{1,253}")}
"""Everything that `ModeBehaviour.client_env` may have, and which values."""


def client_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What clients may get of an env Secret: credentials of registries, and what modes add.

    Args:
        environment: the Secret's data, which may come from somebody else than the operator.
    """
    found = {
        name: value
        for name, pattern in _OF_MODES.items()
        if (value := environment.get(name)) is not None and pattern.fullmatch(value)
    }
    credentials = _auths(environment.get(VARIABLE, ""))
    return found | ({VARIABLE: credentials} if credentials else {})


def _auths(text: str) -> str:
    """Credentials without settings that make a client run programs, such as `credHelpers`."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    entries = content.get("auths") if isinstance(content, Mapping) else None
    if not isinstance(entries, Mapping):
        return ""
    auths = {registry: {"auth": entry["auth"]} for registry, entry in entries.items() if _is_auth(entry)}
    return json.dumps({"auths": auths}, separators=(",", ":"))


def _is_auth(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("auth"), str)
