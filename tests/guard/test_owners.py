"""Two owners and every route with a name: neither can use the other's objects."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import docker
import pytest
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Answer, Owner

from nested_docker.guard.routes import ROUTES, BodyKind, Route

NAMED = [route for route in ROUTES if "{" in route.template]
CLOSED = {"plugins", "nodes", "services", "tasks", "secrets", "configs", "debug", "distribution"}
"""Kinds of objects that no client of the guard can use."""

QUERIES = {
    "archive": "?path=/tmp",
    "rename": "?name=renamed-{unique}",
    "tag": "?repo=localhost/tagged&tag={unique}",
    "push": "?tag=latest",
    "logs": "?stdout=1",
    "stats": "?stream=0",
    "resize": "?h=10&w=10",
    "wait": "?condition=not-running",
}
BODIES = {"exec": {"Cmd": ["true"]}, "start": {"Detach": True}, "update": {"RestartPolicy": {"Name": "no"}}}


@pytest.fixture(scope="module")
def things(bob: Owner, dockerd: Dockerd) -> Iterator[dict[str, list[str]]]:
    """Bob's objects: all names of each, by kind."""
    unique = uuid.uuid4().hex[:8]
    name = f"things-{unique}"
    network, volume, image = f"net-{unique}", f"vol-{unique}", f"localhost/things:{unique}"
    network_id = bob.docker("network", "create", network)
    bob.docker("volume", "create", volume)
    container = bob.docker("run", "-d", "--name", name, "busybox", "sleep", "6000")
    bob.docker("build", "-t", image, "-", stdin=f"FROM busybox\nLABEL x={unique}\n")
    image_id = dockerd.docker("image", "inspect", "--format", "{{.Id}}", image)
    client = docker.APIClient(base_url=f"unix://{dockerd.socket}", version="auto")
    exec_ = client.exec_create(container, ["true"])["Id"]
    client.close()
    yield {
        "containers": [container, container[:12], name],
        "exec": [exec_],
        "networks": [network_id, network_id[:12], network],
        "volumes": [volume],
        "images": [image, image_id, image_id.removeprefix("sha256:")[:12]],
    }
    bob.docker("rm", "-f", container)


@pytest.mark.parametrize("route", NAMED, ids=lambda route: f"{route.method} {route.template}")
def test_another_owners_object_does_not_exist(route: Route, alice: Owner, things: dict[str, list[str]]) -> None:
    kind = route.template.split("/")[1]
    if kind in CLOSED:
        assert _ask(alice, route, "x1").status in {403, 404}
        return
    for name in things[kind]:
        answer = _ask(alice, route, name)
        assert answer.status in {403, 404}, answer
        # The same response as for a name that does not exist.
        assert _anonymous(answer, name) == _anonymous(_ask(alice, route, "nobodys1"), "nobodys1")


STAYS = {
    *("GET /containers/{id}/json", "GET /containers/{id}/logs", "GET /containers/{id}/changes"),
    *("GET /containers/{id}/export", "GET /containers/{id}/stats", "GET /containers/{id}/archive"),
    *("HEAD /containers/{id}/archive", "POST /containers/{id}/exec", "POST /containers/{id}/update"),
    *("GET /exec/{id}/json", "GET /networks/{id}", "GET /volumes/{id}", "GET /images/{name}/json"),
    *("GET /images/{name}/history", "POST /images/{name}/tag", "POST /exec/{id}/start"),
}  # fmt: skip
"""Routes that an owner can request repeatedly."""


@pytest.mark.parametrize("route", [route for route in NAMED if f"{route.method} {route.template}" in STAYS],
                         ids=lambda route: f"{route.method} {route.template}")  # fmt: skip
def test_an_owned_object_is_found_by_every_name(route: Route, bob: Owner, things: dict[str, list[str]]) -> None:
    for name in things[route.template.split("/")[1]]:
        assert 200 <= _ask(bob, route, name).status < 300, name


def test_lists_never_overlap(alice: Owner, bob: Owner, dockerd: Dockerd, things: dict[str, list[str]]) -> None:
    mine = alice.docker("run", "-d", "busybox", "sleep", "60")
    alice.docker("volume", "create", "lists1")
    alice.docker("network", "create", "lists1")
    raw = dockerd.docker("run", "-d", "busybox", "sleep", "60")
    views = [
        {
            *(each["Id"] for each in owner.request("GET", "/containers/json?all=1").json),
            *(each["Id"] for each in owner.request("GET", "/networks").json),
            *(each["Name"] for each in owner.request("GET", "/volumes").json["Volumes"] or ()),
        }
        for owner in (alice, bob)
    ]
    assert not views[0] & views[1]
    assert raw not in views[0] | views[1]
    assert {mine, "lists1"} <= views[0]
    assert {things["containers"][0], things["networks"][0], things["volumes"][0]} <= views[1]
    usage = [owner.request("GET", "/system/df").json for owner in (alice, bob)]
    assert mine in {each["Id"] for each in usage[0]["Containers"]}
    assert mine not in {each["Id"] for each in usage[1]["Containers"]}
    assert alice.docker("network", "inspect", "bridge", "--format", "{{len .Containers}}") == "0"
    dockerd.docker("rm", "-f", mine, raw)
    alice.docker("volume", "rm", "lists1")
    alice.docker("network", "rm", "lists1")


def test_a_taken_name_does_not_reveal_its_owner(alice: Owner, things: dict[str, list[str]]) -> None:
    container, _, name = things["containers"]
    answer = alice.request("POST", f"/containers/create?name={name}", {"Image": "busybox"})
    assert answer.status == 409
    assert container not in answer.message


def test_labels_of_images_give_containers_no_owner(alice: Owner, dockerd: Dockerd) -> None:
    tag = f"localhost/lender:{uuid.uuid4().hex[:8]}"
    alice.docker("build", "-t", tag, "-", stdin=f"FROM busybox\nLABEL nesteddocker.dev/uid={alice.uid}\n")
    raw = dockerd.docker("run", "-d", "--privileged", tag, "sleep", "60")
    assert alice.request("GET", f"/containers/{raw}/json").status == 404
    assert raw not in alice.docker("ps", "-aq", "--no-trunc")
    dockerd.docker("rm", "-f", raw)
    alice.docker("rmi", tag)


def _anonymous(answer: Answer, name: str) -> bytes:
    return (
        answer.body.replace(name.encode(), b"")
        .replace(name.split(":", maxsplit=1)[0].encode(), b"")
        .replace(b":latest", b"")
    )


def _ask(owner: Owner, route: Route, name: str) -> Answer:
    last = route.template.rsplit("/", 1)[1]
    query = QUERIES.get(last, "").replace("{unique}", uuid.uuid4().hex[:8])
    body = BODIES.get(last) if route.body is BodyKind.JSON else b"\0" * 1024 if route.body is BodyKind.STREAM else None
    if last == "push":
        name = name.split(":", maxsplit=1)[0]
    if last in {"connect", "disconnect"}:
        body = {"Container": "nobodys1"}
    target = route.template.replace("{id}", name).replace("{name}", name)
    if route.template.endswith("/{name}/get"):
        target = target if ":" in name else route.template.replace("{name}", f"{name}:latest")
    return owner.request(route.method, f"{target}{query}", body)
