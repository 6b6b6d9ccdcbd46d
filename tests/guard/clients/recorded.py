"""Requests that clients have sent for their documented operations, recorded in front of a plain daemon.

Each line of `recorded/*.jsonl` is one request of the client in the file's name: `method`, `target`, and where there are
any `body`, which is JSON, `stream`, an upload, and `headers` in addition to the usual ones. `failed` is the status if
the plain daemon did not do it, for example because there was no registry; the guard must forward it all the same.
Names of objects are in braces, as in `Call`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from tests.guard.clients.call import Call, build_context

NEVER: Mapping[str, str] = {
    "/images/search": "images.search",
    "/build/prune": "build.prune",
    "/auth": "auth",
    "/session": "buildkit",
    "fromSrc=": "images.import",
    "version=2": "buildkit",
    "/images/create?fromImage=busybox$": "images.pull",
    "/images/localhost/{new}/push$": "images.push",
}
"""Parts of targets, `$` for the end, and the rule that denies them to all clients; the last two name no tag."""

FOLDER = Path(__file__).with_name("recorded")


def _calls(path: Path) -> tuple[Call, ...]:
    return tuple(_call(json.loads(line), number) for number, line in enumerate(path.read_text().splitlines(), 1))


def _call(request: dict[str, object], number: int) -> Call:
    method, target = str(request["method"]), str(request["target"])
    return Call(
        f"{number} {method} {target.partition('?')[0]}",
        method,
        target,
        build_context() if request.get("stream") else request.get("body"),
        dict(request.get("headers") or {}),  # type: ignore[call-overload]
        needs_registry="failed" in request,
    )


CALLS: Mapping[str, tuple[Call, ...]] = {path.stem: _calls(path) for path in sorted(FOLDER.glob("*.jsonl"))}
"""By client, its requests."""


def denying_rule(call: Call) -> str:
    """The rule that denies a request to all clients; empty: none does."""
    return next((rule for part, rule in NEVER.items() if part in f"{call.target}$"), "")


def forms() -> Mapping[str, Call]:
    """By client and name, one request of each form that no rule denies to all: method, path, and fields of the body."""
    found: dict[tuple[str, ...], tuple[str, Call]] = {}
    for client, calls in CALLS.items():
        for call in calls:
            path = re.sub(r"^/v1[.][0-9]+", "", call.target.partition("?")[0])
            fields = sorted(call.body) if isinstance(call.body, dict) else []
            if not denying_rule(call) and not call.needs_registry:
                found.setdefault((call.method, path, *fields), (f"{client}: {call.name}", call))
    return dict(found.values())
