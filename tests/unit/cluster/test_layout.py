import ipaddress
from pathlib import Path

import pytest
from embedded.layout import SLOTS, Cluster, Home
from embedded.report import ClusterError

HOME = Home(Path("/home"))


@pytest.mark.parametrize("slot", [0, 7, SLOTS - 1])
def test_parts_of_a_clusters_network_lie_inside_it_and_apart(slot: int) -> None:
    cluster = Cluster(HOME, "default", slot)
    whole = ipaddress.IPv4Network(cluster.net)
    pods, services = ipaddress.IPv4Network(cluster.pods), ipaddress.IPv4Network(cluster.services)
    bridge = ipaddress.IPv4Interface(cluster.docker_bridge).network
    link = ipaddress.IPv4Interface(f"{cluster.machine_ip}/24").network
    parts = [pods, services, bridge, link]
    assert all(part.subnet_of(whole) for part in parts)
    assert not any(a.overlaps(b) for a in parts for b in parts if a is not b)
    assert ipaddress.IPv4Network(cluster.node_pods).subnet_of(pods)
    assert ipaddress.IPv4Address(cluster.node_ip) in link
    assert ipaddress.IPv4Address(cluster.api_service_ip) == services[1]


def test_slots_share_nothing() -> None:
    clusters = [Cluster(HOME, "default", slot) for slot in range(SLOTS)]
    for attribute in ("net", "link", "cgroup", "api"):
        assert len({getattr(cluster, attribute) for cluster in clusters}) == SLOTS
    assert all(len(cluster.link) <= 15 for cluster in clusters)


@pytest.mark.parametrize("name", ["", "../x", "A", "a b", "-a", "a-", "x" * 33])
def test_a_name_that_cannot_be_a_folders_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="cluster name"):
        HOME.state(name)


def test_home_from_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NESTED_DOCKER_CLUSTER_HOME", str(tmp_path))
    assert Home.from_environment().path == tmp_path
    monkeypatch.delenv("NESTED_DOCKER_CLUSTER_HOME")
    assert Home.from_environment().path == Path.home() / ".cache/nested-docker/cluster"
