"""Published ports: who reaches what containers publish, and where clients look for it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import HOME, WORKLOAD, class_spec, policy_spec
from tests.unit.world import World

from nested_docker.domain.manifests.secrets import value_digest
from nested_docker.domain.observed import DATA_DIGESTS

DOCKER_PORT = [{"port": 2376, "protocol": "TCP"}]


def ports(world: World) -> list[Any]:
    """Ports that clients and the operator reach; None: all."""
    return [rule.get("ports") for rule in world.children[HOME.network_policy]["spec"]["ingress"]]


def settled(mode: str, **policy: Any) -> World:
    world = World({"mode": mode}, policies={"p": policy_spec(**policy)})
    world.settle()
    return world


@pytest.mark.parametrize("mode", ["Dind", "Sysbox"])
def test_clients_reach_every_port_and_the_operator_one(mode: str) -> None:
    world = settled(mode)
    assert ports(world) == [None, DOCKER_PORT]
    service = world.children[HOME.service]["spec"]
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)


@pytest.mark.parametrize("mode", ["Dind", "Sysbox"])
def test_a_policy_can_deny_it(mode: str) -> None:
    assert ports(settled(mode, publishedPorts="Denied")) == [DOCKER_PORT, DOCKER_PORT]


def test_the_relay_publishes_nothing() -> None:
    assert ports(settled("HostSocket")) == [DOCKER_PORT, DOCKER_PORT]


def test_a_change_of_the_policy_changes_the_network_policy_alone() -> None:
    world = settled("Dind")
    pod = world.pod()["metadata"]["uid"]
    world.base = World({"mode": "Dind"}, policies={"p": policy_spec(publishedPorts="Denied")}).base
    before = world.writes
    world.settle()
    assert ports(world) == [DOCKER_PORT, DOCKER_PORT]
    assert (world.pod()["metadata"]["uid"], world.writes - before) == (pod, 1)


@pytest.mark.parametrize(
    ("access", "publish", "override"),
    [("Guarded", "Ephemeral", True), ("Guarded", "Nothing", False), ("Raw", "Nothing", True)],
)
def test_clients_of_the_node_s_daemon_look_on_the_node(access: str, publish: str, override: bool) -> None:
    guard = {"allowRaw": True, "guard": {"containers": {"publish": publish}}}
    classes = {"standard": class_spec(hostSocket={"access": access})}
    world = World({"mode": "HostSocket"}, classes=classes, policies={"p": policy_spec(hostSocket=guard)})
    world.step()
    world.step()
    world.run_pods()
    world.pod()["status"]["hostIP"] = "192.0.2.7"
    world.settle()
    digests = world.observe().children[HOME.env_secret][DATA_DIGESTS]
    expected = value_digest(b"192.0.2.7") if override else None
    assert digests.get("TESTCONTAINERS_HOST_OVERRIDE") == expected


RAW = {"standard": class_spec(hostSocket={"access": "Raw"})}


def node_of_new_clients(world: World) -> str | None:
    """Digest of the node's address that clients get which start now; None: they wait for the files first."""
    children = world.observe().children
    if HOME.files_secret not in children:
        return None
    digest: str = children[HOME.env_secret][DATA_DIGESTS]["TESTCONTAINERS_HOST_OVERRIDE"]
    return digest


def test_clients_that_start_after_a_move_look_on_the_new_node() -> None:
    world = World({"mode": "HostSocket"}, classes=RAW)
    addresses = {"node-1": "192.0.2.7", "node-2": "192.0.2.8"}
    for world.node, address in addresses.items():
        for child in [*world.children]:
            if child.kind == "Pod":
                del world.children[child]
        seen = set()
        for _ in range(12):
            world.run_pods()
            for child, pod in world.children.items():
                if child.kind == "Pod" and "status" in pod:
                    pod["status"]["hostIP"] = address
            world.step()
            seen.add(node_of_new_clients(world))
        assert node_of_new_clients(world) == value_digest(address.encode())
        assert seen == {None, value_digest(address.encode())}, "nobody gets the old node's address"


def test_clients_of_an_own_daemon_look_at_its_host() -> None:
    world = settled("Dind")
    assert "TESTCONTAINERS_HOST_OVERRIDE" not in world.observe().children[HOME.env_secret][DATA_DIGESTS]


def variables_of_a_workload(mode: str, publish: str) -> dict[str, dict[str, Any]]:
    guard = {"allowRaw": True, "guard": {"containers": {"publish": publish}}}
    policies = {"p": policy_spec(hostSocket=guard, workload={"allowed": True, "images": {"patterns": ["**"]}})}
    world = World({"mode": mode, "workload": WORKLOAD}, policies=policies)
    world.settle()
    containers = world.pod()["spec"]["containers"]
    (builder,) = [each for each in containers if each["name"] == "builder"]
    return {variable["name"]: variable for variable in builder["env"]}


def test_a_workload_beside_the_node_s_daemon_finds_ports_at_its_node() -> None:
    found = variables_of_a_workload("HostSocket", "Ephemeral")
    assert [*found].index("NODE_ADDRESS") < [*found].index("TESTCONTAINERS_HOST_OVERRIDE"), "it expands in order"
    assert found["NODE_ADDRESS"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.hostIP"}}
    assert found["TESTCONTAINERS_HOST_OVERRIDE"]["value"] == "$(NODE_ADDRESS)"


@pytest.mark.parametrize(("mode", "publish"), [("Dind", "Ephemeral"), ("HostSocket", "Nothing")])
def test_another_workload_needs_no_address(mode: str, publish: str) -> None:
    assert not {"NODE_ADDRESS", "TESTCONTAINERS_HOST_OVERRIDE"} & variables_of_a_workload(mode, publish).keys()
