"""Whoever may write a Secret chooses no variable of somebody else's shell."""

from __future__ import annotations

import json

import pytest
from tests.support.factory import HOME, class_spec, policy_spec
from tests.unit.world import World

from nested_docker.api.meta import Mode
from nested_docker.domain.client_variables import client_variables
from nested_docker.domain.observed import DATA_DIGESTS

ADDRESS = {"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}
PASSABLE = {
    "DOCKER_BUILDKIT": "0",
    "TESTCONTAINERS_HOST_OVERRIDE": "192.0.2.7",
    "DOCKER_AUTH_CONFIG": '{"auths":{"registry.example.com":{"auth":"dTpw"}}}',
}


def test_what_the_operator_writes_passes() -> None:
    assert client_variables(PASSABLE) == PASSABLE


@pytest.mark.parametrize(
    "name",
    ["PROMPT_COMMAND", "LD_PRELOAD", "BASH_ENV", "ENV", "PATH", "DOCKER_HOST", "DOCKER_CONFIG", "HTTPS_PROXY", "a;b"],
)
def test_nothing_else_passes(name: str) -> None:
    assert client_variables({name: "touch /tmp/x"}) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOCKER_BUILDKIT", "$(id)"),
        ("TESTCONTAINERS_HOST_OVERRIDE", "a b"),
        ("TESTCONTAINERS_HOST_OVERRIDE", "a\nb"),
        ("DOCKER_AUTH_CONFIG", "no json"),
        ("DOCKER_AUTH_CONFIG", "[" * 10_000),
        ("DOCKER_AUTH_CONFIG", "[]"),
        ("DOCKER_AUTH_CONFIG", '{"auths":[]}'),
    ],
)
def test_neither_does_another_value(name: str, value: str) -> None:
    assert client_variables({name: value}) == {}


def test_no_setting_that_runs_a_program_passes_with_credentials() -> None:
    config = {
        "auths": {"r": {"auth": "dTpw", "identitytoken": "x"}, "s": {"auth": 1}, "t": None},
        "credHelpers": {"r": "../../tmp/evil"},
        "credsStore": "evil",
    }
    passed = client_variables({"DOCKER_AUTH_CONFIG": json.dumps(config)})
    assert json.loads(passed["DOCKER_AUTH_CONFIG"]) == {"auths": {"r": {"auth": "dTpw"}}}


@pytest.mark.parametrize("access", ["Guarded", "Raw"])
@pytest.mark.parametrize("mode", [*Mode])
def test_every_variable_of_every_mode_passes(mode: str, access: str) -> None:
    classes = {"standard": class_spec(hostSocket={"access": access})}
    guard = {"allowRaw": True, "guard": {"containers": {"publish": "Ephemeral"}}}
    world = World({"mode": mode}, classes=classes, policies={"p": policy_spec(hostSocket=guard)})
    world.settle()
    if mode == "HostSocket":
        world.pod()["status"]["hostIP"] = "192.0.2.7"
        world.settle()
    written = {*world.observe().children[HOME.env_secret][DATA_DIGESTS]}
    assert written - ADDRESS <= client_variables(PASSABLE).keys()
    assert ("TESTCONTAINERS_HOST_OVERRIDE" in written) == (mode == "HostSocket"), "the test must see what modes add"
