"""Judging requests in tests."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard import decision as judge
from nested_docker.guard.errors import Refusal
from nested_docker.guard.model import Verdict

UID = "11111111-2222-3333-4444-555555555555"

OPEN = GuardRules.model_validate(
    {
        "containers": {"commit": True, "publish": "Ephemeral"},
        "networks": {"bridge": True, "create": True},
        "images": {"use": ["busybox"], "tags": ["localhost/**"], "pull": ["docker.io/library/*"], "save": True},
        "build": {"allowed": True},
    }
)
"""What a policy for CI jobs would say."""


def rules(**changes: dict[str, Any]) -> GuardRules:
    """OPEN with parts of it changed."""
    document = OPEN.dump()
    for part, values in changes.items():
        document[part] = {**document[part], **values}
    return GuardRules.model_validate(document)


def decide(
    method: str, path: str, body: Any = None, *, by: GuardRules = OPEN, **query: str | list[str]
) -> judge.Decision:
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    target = f"{path}?{urlencode(query, doseq=True)}" if query else path
    return judge.decide(judge.read(method, target.encode()), data, by, UID)


def passes(method: str, path: str, body: Any = None, *, by: GuardRules = OPEN, **query: str | list[str]) -> Verdict:
    return decide(method, path, body, by=by, **query).verdict


def refused(method: str, path: str, body: Any = None, *, by: GuardRules = OPEN, **query: str | list[str]) -> Refusal:
    try:
        verdict = passes(method, path, body, by=by, **query)
    except Refusal as refusal:
        return refusal
    raise AssertionError(f"{method} {path} {body} passed: {verdict}")


def created(host: dict[str, Any] | None = None, *, by: GuardRules = OPEN, **config: Any) -> Verdict:
    body = {"Image": "busybox", **config, **({} if host is None else {"HostConfig": host})}
    return passes("POST", "/v1.45/containers/create", body, by=by)


def not_created(host: dict[str, Any] | None = None, *, by: GuardRules = OPEN, **config: Any) -> Refusal:
    body = {"Image": "busybox", **config, **({} if host is None else {"HostConfig": host})}
    return refused("POST", "/v1.45/containers/create", body, by=by)
