"""What client libraries send for their documented operations works through the guard."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from docker import APIClient
from docker.errors import APIError
from tests.guard.clients import docker_java, docker_py, dockerode, recorded
from tests.guard.clients.call import Call
from tests.guard.conftest import RULES
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner, parse

CALLS = [
    pytest.param(call, id=f"{library}: {call.name}")
    for library, calls in (("dockerode", dockerode.CALLS), ("docker-java", docker_java.CALLS))
    for call in calls
    if not call.needs_registry
]


RECORDED = {
    name: call for name, call in recorded.forms().items() if not call.target.partition("?")[0].endswith("/push")
}
"""Without pushes, which need an image of that name."""

NO_PS = "executable file not found in $PATH"
"""`docker top` needs ps on the node."""


class Names(dict[str, str]):
    """Names of objects, which are created when a request needs them."""

    def __init__(self, client: APIClient) -> None:
        super().__init__(new=f"new-{uuid.uuid4().hex[:12]}")
        self._client = client

    def __missing__(self, key: str) -> str:
        self[key] = str(getattr(self, f"_{key}")())
        return self[key]

    def fill(self, text: str) -> str:
        kinds = (
            "container",
            "stopped",
            "paused",
            "exec",
            "started",
            "network",
            "joined",
            "volume",
            "image",
            "escaped",
            "new",
        )
        for key in kinds:
            if f"{{{key}}}" in text:
                text = text.replace(f"{{{key}}}", self[key])
        return text

    def _container(self) -> str:
        container = self._stopped()
        self._client.start(container)
        return container

    def _stopped(self) -> str:
        return str(self._client.create_container("busybox", ["sleep", "60"])["Id"])

    def _paused(self) -> str:
        self._client.pause(self["container"])
        return self["container"]

    def _started(self) -> str:
        started = str(self._client.exec_create(self["container"], ["sleep", "60"], tty=True)["Id"])
        self._client.exec_start(started, detach=True)
        return started

    def _exec(self) -> str:
        return str(self._client.exec_create(self["container"], ["true"])["Id"])

    def _network(self) -> str:
        return str(self._client.create_network(f"network-{self['new']}")["Id"])

    def _joined(self) -> str:
        joined = str(self._client.create_network(f"joined-{self['new']}")["Id"])
        self._client.connect_container_to_network(self["container"], joined)
        return joined

    def _volume(self) -> str:
        return str(self._client.create_volume(f"volume-{self['new']}")["Name"])

    def _image(self) -> str:
        self._client.commit(self["container"], "localhost/image", self["new"])
        return f"localhost/image:{self['new']}"

    def _escaped(self) -> str:
        return self["image"].replace("/", "%2F")


@pytest.fixture(scope="module")
def owner(owners: Callable[[dict[str, Any]], Owner]) -> Owner:
    images = {**RULES["images"], "load": True}
    networks = {**RULES["networks"], "subnets": ["172.28.0.0/16"]}
    limits = {"containers": 500, "networks": 20, "volumes": 500}
    return owners({**RULES, "images": images, "networks": networks, "limits": limits})


@pytest.fixture
def names(dockerd: Dockerd, owner: Owner) -> Iterator[Names]:
    client = APIClient(base_url=f"unix://{owner.socket}", version="1.41")
    yield Names(client)
    for each in client.containers(all=True):
        client.remove_container(each["Id"], v=True, force=True)
    client.prune_networks()
    client.close()


def status(owner: Owner, call: Call, names: Names) -> tuple[int, str]:
    """Send the request; return the status of the response, and its body if that is an error."""
    body = call.body if isinstance(call.body, bytes) else b"" if call.body is None else json.dumps(call.body).encode()
    if not isinstance(call.body, bytes):
        body = names.fill(body.decode()).encode()
    headers = {"Host": "docker", "Content-Length": str(len(body)), "Connection": "close", **call.headers}
    lines = [f"{call.method} {names.fill(call.target)} HTTP/1.1", *(f"{key}: {headers[key]}" for key in headers)]
    with owner.connect() as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        received = b""
        while b"\r\n\r\n" not in received:
            data = client.recv(65536)
            assert data, received
            received += data
        code = int(received.split(b" ")[1])
        while code >= 400 and (data := client.recv(65536)):
            received += data
    return code, parse(received).message if code >= 400 else ""


@pytest.mark.parametrize("call", CALLS)
def test_a_documented_operation_of_a_library_works(owner: Owner, names: Names, call: Call) -> None:
    code, error = status(owner, call, names)
    assert code < 400 or NO_PS in error, error


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_request_does_what_it_did_at_a_plain_daemon(owner: Owner, names: Names, name: str) -> None:
    code, error = status(owner, RECORDED[name], names)
    assert code < 400 or NO_PS in error, error


@pytest.mark.parametrize("name", docker_py.OPERATIONS)
def test_a_documented_operation_of_the_sdk_for_python_works(owner: Owner, names: Names, name: str) -> None:
    error = failure(owner, name, names)
    assert not error or NO_PS in error, error


def failure(owner: Owner, name: str, names: Names) -> str:
    """Why an operation of the SDK fails; empty: it works."""
    with contextlib.closing(APIClient(base_url=f"unix://{owner.socket}", version="1.41")) as client:
        try:
            docker_py.OPERATIONS[name](client, names)
        except APIError as error:
            return str(error)
    return ""


def test_info_has_the_fields_of_the_daemon_and_counts(dockerd: Dockerd, owner: Owner, names: Names) -> None:
    assert names["container"]
    assert names["image"]
    direct = APIClient(base_url=f"unix://{dockerd.socket}", version="1.41")
    client = APIClient(base_url=f"unix://{owner.socket}", version="1.41")
    shown = client.info()
    assert direct.info().keys() - shown.keys() == set()
    assert (shown["Containers"], shown["ContainersRunning"]) == (1, 1)
    assert shown["Images"] == len(client.images(all=True)) > 0
    direct.close()
    client.close()
