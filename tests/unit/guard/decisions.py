"""Decisions on requests in tests."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.decision import Decision, parse_request
from nested_docker.guard.decision import decide as decide_request
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ForwardPlan

UID = "11111111-2222-3333-4444-555555555555"

OPEN = GuardRules.model_validate(
    {
        "containers": {"commit": True, "publish": "Ephemeral"},
        "networks": {"bridge": True, "create": True},
        "images": {"use": ["busybox"], "tags": ["localhost/**"], "pull": ["docker.io/library/*"], "save": True},
        "build": {"allowed": True},
    }
)
"""Rules such as those of a policy for CI jobs."""


def rules(**changes: dict[str, Any]) -> GuardRules:
    """OPEN with changes."""
    document = OPEN.dump()
    for part, values in changes.items():
        document[part] = {**document[part], **values}
    return GuardRules.model_validate(document)


def decide(method: str, path: str, body: Any = None, *, by: GuardRules = OPEN, **query: str | list[str]) -> Decision:
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    target = f"{path}?{urlencode(query, doseq=True)}" if query else path
    return decide_request(parse_request(method, target.encode()), data, by, UID)


def forwarded(
    method: str, path: str, body: Any = None, *, by: GuardRules = OPEN, **query: str | list[str]
) -> ForwardPlan:
    return decide(method, path, body, by=by, **query).forward_plan


def denial(method: str, path: str, body: Any = None, *, by: GuardRules = OPEN, **query: str | list[str]) -> GuardDenied:
    try:
        forward_plan = forwarded(method, path, body, by=by, **query)
    except GuardDenied as denied:
        return denied
    raise AssertionError(f"{method} {path} {body} passed: {forward_plan}")


def created(host: dict[str, Any] | None = None, *, by: GuardRules = OPEN, **config: Any) -> ForwardPlan:
    body = {"Image": "busybox", **config, **({} if host is None else {"HostConfig": host})}
    return forwarded("POST", "/v1.45/containers/create", body, by=by)


def not_created(host: dict[str, Any] | None = None, *, by: GuardRules = OPEN, **config: Any) -> GuardDenied:
    body = {"Image": "busybox", **config, **({} if host is None else {"HostConfig": host})}
    return denial("POST", "/v1.45/containers/create", body, by=by)
