"""Denials of well-known clients have a remedy in the message; the rules are the same for them."""

from __future__ import annotations

import pytest
from tests.unit.guard.decisions import denial, forwarded, not_created, rules

from nested_docker.guard.hints import BUILDKIT_HINT, RYUK_HINT


def test_buildx_gets_the_remedy_wherever_its_builder_is_denied() -> None:
    pull = {"fromImage": "moby/buildkit", "tag": "buildx-stable-1"}
    assert (denied := denial("POST", "/images/create", **pull)).rule == "buildkit"
    assert denied.message == BUILDKIT_HINT
    assert forwarded("POST", "/images/create", by=rules(images={"pull": ["docker.io/**"]}), **pull)
    denied = not_created({"Privileged": True}, Image="moby/buildkit:buildx-stable-1")
    assert denied.rule == "HostConfig.Privileged"
    assert BUILDKIT_HINT in denied.message
    assert BUILDKIT_HINT not in not_created({"Privileged": True}).message
    assert BUILDKIT_HINT not in not_created({"PidMode": "host"}, Image="moby/buildkit:buildx-stable-1").message


@pytest.mark.parametrize("image", [None, 7, ["moby/buildkit"], {"moby/buildkit": "x"}])
def test_an_invalid_image_adds_no_remedy(image: object) -> None:
    assert BUILDKIT_HINT not in not_created({"Privileged": True}, Image=image).message


def test_ryuk_gets_the_remedy_wherever_it_is_denied() -> None:
    pull = {"fromImage": "testcontainers/ryuk", "tag": "0.8.1"}
    denied = denial("POST", "/images/create", **pull)
    assert denied.rule == "images.pull"
    assert denied.message.endswith(RYUK_HINT)
    assert forwarded("POST", "/images/create", by=rules(images={"pull": ["docker.io/**"]}), **pull)


@pytest.mark.parametrize(
    "host",
    [
        {"Binds": ["/var/run/docker.sock:/var/run/docker.sock:rw"]},
        {"Binds": ["/srv/docker/docker.sock:/s:ro"]},
        {"Mounts": [{"Type": "bind", "Source": "/run/docker.sock", "Target": "/s"}]},
    ],
)
def test_binds_of_the_daemons_socket_get_the_remedy_for_ryuk(host: dict[str, object]) -> None:
    denied = not_created(host)
    assert denied.rule == "containers.binds"
    assert denied.message.endswith(RYUK_HINT)


def test_other_binds_get_the_remedy_of_copies_and_volumes() -> None:
    denied = not_created({"Binds": ["/src:/src"]})
    assert denied.message.endswith("Copy files with docker cp, or use a named volume")
    assert RYUK_HINT not in denied.message
