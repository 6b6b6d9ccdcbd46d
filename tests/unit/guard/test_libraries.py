"""What client libraries send for their documented operations passes, whatever form it has."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import requests
from docker import APIClient
from requests.adapters import BaseAdapter
from tests.guard.clients import docker_java, docker_py, dockerode
from tests.guard.clients.call import Call
from tests.unit.guard.decisions import UID, rules
from urllib3 import HTTPResponse

from nested_docker.guard.decision import Decision, decide, parse_request
from nested_docker.guard.routes import BodyKind

FREE = rules(images={"push": ["localhost/**"], "save": True})
NAMES = {
    "container": "c1", "stopped": "c2", "exec": "e1", "network": "n1", "volume": "v1", "image": "localhost/i1:1",
    "escaped": "localhost%2Fi1:1", "new": "x1",
}  # fmt: skip
CALLS = [
    pytest.param(call, id=f"{library}: {call.name}")
    for library, calls in (("dockerode", dockerode.CALLS), ("docker-java", docker_java.CALLS))
    for call in calls
]


def fill(text: str) -> str:
    for name, value in NAMES.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def decided(method: str, target: str, body: bytes) -> Decision:
    """As the guard does, which does not read a stream."""
    request = parse_request(method, target.encode())
    return decide(request, body if request.match.route.body is BodyKind.JSON else b"", FREE, UID)


@pytest.mark.parametrize("call", CALLS)
def test_a_documented_operation_of_a_library_passes(call: Call) -> None:
    body = call.body if isinstance(call.body, bytes) else b"" if call.body is None else json.dumps(call.body).encode()
    plan = decided(call.method, fill(call.target), fill(body.decode()).encode()).forward_plan
    assert not plan.query.keys() - known_parameters(call)
    for text in json.dumps(plan.body), json.dumps(plan.query):
        for unknown in ("authconfig", "hijack", "PortSpecs", "LxcConf", "containerId", "abortSignal"):
            assert f'"{unknown}"' not in text


def known_parameters(call: Call) -> frozenset[str]:
    return frozenset(parse_request(call.method, fill(call.target).encode()).match.route.query) | {"v", "changes"}


class Body(io.BytesIO):
    """The body of a response that is not a stream."""

    chunked = False


class Deciding(BaseAdapter):
    """Answers the SDK's requests if the guard would forward them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        body = request.body if isinstance(request.body, bytes) else (request.body or "")
        data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else b""
        decided(request.method or "", request.path_url, data)
        self.seen.append(f"{request.method} {request.path_url}")
        response = requests.Response()
        response.status_code = 200
        response._content = b'{"Id": "x1", "ID": "x1", "Config": {"Tty": true}}'
        response.raw = HTTPResponse(body=Body(), preload_content=False)
        response.headers["X-Docker-Container-Path-Stat"] = "e30="
        response.request, response.url = request, request.url or ""
        return response

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("name", docker_py.OPERATIONS)
def test_a_documented_operation_of_the_sdk_for_python_passes(name: str) -> None:
    client = APIClient(base_url="http://docker.invalid:2375", version="1.45")
    adapter = Deciding()
    client.mount("http://", adapter)
    docker_py.OPERATIONS[name](client, NAMES)
    assert adapter.seen
