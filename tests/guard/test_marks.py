"""Clients find the labels that they have set, and no others, as at the daemon's own socket."""

from __future__ import annotations

import contextlib
import io
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from docker import APIClient
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner

DOCKERFILE = b"FROM busybox\nRUN true\n"
GIVEN: list[dict[str, str] | None] = [None, {}, {"a": "b"}, {"a": "b", "z": "z"}]

Look = Callable[[APIClient, dict[str, str] | None, str], Any]


def containers(client: APIClient, labels: dict[str, str] | None, name: str) -> Any:
    client.create_container("busybox", ["true"], name=name, labels=labels)
    try:
        inspected = client.inspect_container(name)
        (listed,) = client.containers(all=True, filters={"name": name})
        used = next(each for each in client.df()["Containers"] if each["Id"] == inspected["Id"])
        return (
            inspected["Config"]["Labels"],
            listed["Labels"],
            used["Labels"],
            inspected["HostConfig"].get("Annotations"),
        )
    finally:
        client.remove_container(name)


def networks(client: APIClient, labels: dict[str, str] | None, name: str) -> Any:
    client.create_network(name, labels=labels)
    try:
        (listed,) = client.networks(names=[name])
        return client.inspect_network(name)["Labels"], listed["Labels"]
    finally:
        client.remove_network(name)


def volumes(client: APIClient, labels: dict[str, str] | None, name: str) -> Any:
    created = client.create_volume(name, labels=labels)
    try:
        (listed,) = client.volumes(filters={"name": name})["Volumes"]
        used = next(each for each in client.df()["Volumes"] if each["Name"] == name)
        shown = created["Labels"], client.inspect_volume(name)["Labels"], listed["Labels"], used["Labels"]
        return [each or None for each in shown]  # the daemon knows whether the client has sent {} or nothing
    finally:
        client.remove_volume(name)


def images(client: APIClient, labels: dict[str, str] | None, name: str) -> Any:
    tag = f"localhost/{name}:1"
    output = [*client.build(fileobj=io.BytesIO(DOCKERFILE), tag=tag, labels=labels, nocache=True, rm=True, decode=True)]
    try:
        inspected = client.inspect_image(tag)
        (listed,) = client.images(name=tag)
        used = next(each for each in client.df()["Images"] if each["Id"] == inspected["Id"])
        steps = [each["stream"] for each in output if each.get("stream", "").startswith("Step ")]
        return inspected["Config"].get("Labels", "left out"), listed["Labels"], used["Labels"], steps
    finally:
        client.remove_image(tag, force=True)


@pytest.fixture
def clients(dockerd: Dockerd, alice: Owner) -> Iterator[tuple[APIClient, APIClient]]:
    """One at the guard, and one at the daemon's own socket."""
    yield from _clients(dockerd, alice)


@pytest.fixture
def old_clients(old_dockerd: Dockerd, eve: Owner) -> Iterator[tuple[APIClient, APIClient]]:
    """As `clients`, of the old daemon."""
    yield from _clients(old_dockerd, eve)


@pytest.fixture
def new_clients(dockerd: Dockerd, alice: Owner) -> Iterator[tuple[APIClient, APIClient]]:
    """As `clients`, of an API version with which the daemon leaves out what an image has not."""
    yield from _clients(dockerd, alice, version="1.52")


def _clients(dockerd: Dockerd, owner: Owner, version: str = "1.45") -> Iterator[tuple[APIClient, APIClient]]:
    with (
        contextlib.closing(APIClient(base_url=f"unix://{owner.socket}", version=version)) as guarded,
        contextlib.closing(APIClient(base_url=f"unix://{dockerd.socket}", version=version)) as direct,
    ):
        yield guarded, direct


@pytest.mark.parametrize("labels", GIVEN, ids=["none", "empty", "one", "two"])
@pytest.mark.parametrize("look", [containers, networks, volumes, images])
def test_labels_are_those_that_the_client_has_set(
    clients: tuple[APIClient, APIClient], look: Look, labels: dict[str, str] | None
) -> None:
    guarded, direct = clients
    name = f"marks-{uuid.uuid4().hex[:12]}"
    assert look(guarded, labels, name) == look(direct, labels, name)


@pytest.mark.parametrize("labels", GIVEN, ids=["none", "empty", "one", "two"])
def test_images_of_a_graph_driver_have_the_labels_that_the_client_has_set(
    old_clients: tuple[APIClient, APIClient], labels: dict[str, str] | None
) -> None:
    """A daemon with containerd's store says {} of an image without labels, and this one null."""
    guarded, direct = old_clients
    name = f"marks-{uuid.uuid4().hex[:12]}"
    assert images(guarded, labels, name) == images(direct, labels, name)


@pytest.mark.parametrize("labels", GIVEN, ids=["none", "empty", "one", "two"])
def test_new_clients_find_the_labels_of_images_as_the_daemon_shows_them(
    new_clients: tuple[APIClient, APIClient], labels: dict[str, str] | None
) -> None:
    guarded, direct = new_clients
    name = f"marks-{uuid.uuid4().hex[:12]}"
    assert images(guarded, labels, name) == images(direct, labels, name)


def test_events_have_the_labels_that_the_client_has_set(clients: tuple[APIClient, APIClient]) -> None:
    guarded, _ = clients
    name = f"marks-{uuid.uuid4().hex[:12]}"
    guarded.create_container("busybox", ["true"], name=name, labels={"a": "b"})
    try:
        events = guarded.events(
            since=1, until=int(time.time()) + 1, filters={"event": "create", "container": name}, decode=True
        )
        assert [each["Actor"]["Attributes"] for each in events] == [{"a": "b", "image": "busybox", "name": name}]
    finally:
        guarded.remove_container(name)


def test_a_build_from_the_cache_takes_as_many_steps_as_at_the_daemon(clients: tuple[APIClient, APIClient]) -> None:
    def cached(client: APIClient) -> list[str]:
        name = f"localhost/marks-{uuid.uuid4().hex[:12]}"
        for tag in ("1", "2"):
            output = [*client.build(fileobj=io.BytesIO(DOCKERFILE), tag=f"{name}:{tag}", rm=True, decode=True)]
        client.remove_image(f"{name}:1")
        client.remove_image(f"{name}:2")
        texts = [each.get("stream", "") for each in output]
        return [text for text in texts if text.startswith("Step ") or "cache" in text]

    guarded, direct = clients
    assert (
        cached(guarded) == cached(direct) == ["Step 1/2 : FROM busybox", "Step 2/2 : RUN true", " ---> Using cache\n"]
    )
