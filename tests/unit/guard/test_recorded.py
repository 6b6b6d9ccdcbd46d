"""What clients have sent for their documented operations passes, or a rule that no client can meet denies it."""

from __future__ import annotations

import json

import pytest
from tests.guard.clients import recorded
from tests.guard.clients.call import Call
from tests.unit.guard.decisions import UID, rules

from nested_docker.guard.decision import Decision, decide, parse_request
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.routes import BodyKind

GENEROUS = rules(
    images={
        "pull": ["docker.io/library/*", "localhost:1/**", "localhost/**"],
        "push": ["localhost/**"],
        "load": True,
        "save": True,
    },
    networks={"subnets": ["172.28.0.0/16"]},
)
NAMES = {
    "container": "c1", "stopped": "c2", "paused": "c3", "exec": "e1", "started": "e2", "network": "n1", "joined": "n2",
    "volume": "v1", "image": "localhost/i1:1", "new": "x1",
}  # fmt: skip
CALLS = [pytest.param(call, id=f"{client}: {call.name}") for client, calls in recorded.CALLS.items() for call in calls]


def fill(text: str) -> str:
    for name, value in NAMES.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def decision(call: Call) -> Decision:
    """As the guard decides, which does not read a stream."""
    body = call.body if isinstance(call.body, bytes) else b"" if call.body is None else json.dumps(call.body).encode()
    request = parse_request(call.method, fill(call.target).encode())
    given = body if request.match.route.body is BodyKind.JSON else b""
    return decide(request, fill(given.decode()).encode() if given else given, GENEROUS, UID)


@pytest.mark.parametrize("call", CALLS)
def test_a_recorded_request_passes_unless_a_rule_denies_it_to_all(call: Call) -> None:
    rule = recorded.denying_rule(call)
    if not rule:
        assert decision(call).forward_plan
        return
    with pytest.raises(GuardDenied) as denied:
        decision(call)
    assert denied.value.rule == rule


@pytest.mark.parametrize("part", recorded.NEVER)
def test_each_exception_is_needed(part: str) -> None:
    assert any(part in f"{call.target}$" for calls in recorded.CALLS.values() for call in calls)


def test_many_requests_of_many_clients_are_recorded() -> None:
    assert {client.rpartition("-")[0] for client in recorded.CALLS} >= {
        "docker-cli", "docker-compose", "docker-java", "docker-py", "dockerode", "moby-client", "testcontainers-node",
        "testcontainers-python",
    }  # fmt: skip
    assert sum(map(len, recorded.CALLS.values())) > 300
