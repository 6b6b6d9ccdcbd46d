"""Users of well-known clients are told what to set, under the rule that refuses them; nothing is let through by it."""

from __future__ import annotations

import pytest
from tests.unit.guard.decisions import denied_by, not_created, passes, rules

from nested_docker.guard.hints import BUILDKIT_HINT, RYUK_HINT


def test_buildx_is_told_wherever_its_builder_ends() -> None:
    pull = {"fromImage": "moby/buildkit", "tag": "buildx-stable-1"}
    assert (denied := denied_by("POST", "/images/create", **pull)).rule == "buildkit"
    assert denied.message == BUILDKIT_HINT
    assert passes("POST", "/images/create", by=rules(images={"pull": ["docker.io/**"]}), **pull)
    denied = not_created({"Privileged": True}, Image="moby/buildkit:buildx-stable-1")
    assert denied.rule == "HostConfig.Privileged"
    assert BUILDKIT_HINT in denied.message
    assert BUILDKIT_HINT not in not_created({"Privileged": True}).message
    assert BUILDKIT_HINT not in not_created({"PidMode": "host"}, Image="moby/buildkit:buildx-stable-1").message


@pytest.mark.parametrize("image", [None, 7, ["moby/buildkit"], {"moby/buildkit": "x"}])
def test_an_image_that_is_none_lends_privileges_no_remedy(image: object) -> None:
    assert BUILDKIT_HINT not in not_created({"Privileged": True}, Image=image).message


def test_ryuk_is_told_wherever_it_ends() -> None:
    pull = {"fromImage": "testcontainers/ryuk", "tag": "0.8.1"}
    denied = denied_by("POST", "/images/create", **pull)
    assert denied.rule == "images.pull"
    assert denied.message.endswith(RYUK_HINT)
    assert passes("POST", "/images/create", by=rules(images={"pull": ["docker.io/**"]}), **pull)


@pytest.mark.parametrize(
    "host",
    [
        {"Binds": ["/var/run/docker.sock:/var/run/docker.sock:rw"]},
        {"Binds": ["/srv/docker/docker.sock:/s:ro"]},
        {"Mounts": [{"Type": "bind", "Source": "/run/docker.sock", "Target": "/s"}]},
    ],
)
def test_who_binds_the_daemons_socket_is_told_of_ryuk(host: dict[str, object]) -> None:
    denied = not_created(host)
    assert denied.rule == "containers.binds"
    assert denied.message.endswith(RYUK_HINT)


def test_who_binds_something_else_is_told_of_copies_and_volumes() -> None:
    denied = not_created({"Binds": ["/src:/src"]})
    assert denied.message.endswith("Copy files with docker cp, or use a named volume")
    assert RYUK_HINT not in denied.message
