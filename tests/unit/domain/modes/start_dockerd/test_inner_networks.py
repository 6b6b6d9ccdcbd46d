"""The MTU and the address pools of inner networks."""

from __future__ import annotations

import pytest
from tests.unit.domain.modes.start_dockerd.container import CNI, Container, Run

SYSFS = """#!/bin/sh
echo "$@" >>ROOT/mounts
[ "$2" != sysfs ] || { mkdir -p "$4/class/net/eth0"; echo 1440 >"$4/class/net/eth0/mtu"; }
"""
"""A mount that shows the interfaces of the pod's network namespace."""


def test_the_mtu_is_that_of_the_pods_interface(container: Container) -> None:
    done = container.start()
    assert "--mtu=1450" in done.flags
    assert (done.stderr, "sysfs" in container.read("mounts")) == ("", False)


@pytest.mark.parametrize("ip", [None, "#!/bin/sh\necho 'ip: applet not found' >&2; exit 127\n", "#!/bin/sh\n"])
def test_without_netlink_a_sysfs_of_the_pods_network_says_it(container: Container, ip: str | None) -> None:
    (container.root / "bin/ip").unlink()
    if ip:
        container.program("ip", ip)
    container.program("mount", SYSFS)
    container.program("umount", '#!/bin/sh\necho "$@" >>ROOT/unmounted\n')
    done = container.start()
    assert "--mtu=1440" in done.flags
    assert container.read("unmounted") == f"{container.root}/run/nested-docker-sysfs\n"


def test_without_both_ipv6_says_it(container: Container) -> None:
    (container.root / "bin/ip").unlink()
    container.write("unmountable", "sysfs")
    container.write("proc/sys/net/ipv6/conf/eth0/mtu", "1430\n")
    done = container.start()
    assert "--mtu=1430" in done.flags
    assert done.stderr == ""


@pytest.mark.parametrize("unmountable", ["sysfs", ""])
def test_the_interfaces_of_the_node_are_not_the_pods(container: Container, unmountable: str) -> None:
    (container.root / "bin/ip").unlink()
    container.write("sys/class/net/eth0/mtu", "9001\n")
    container.write("unmountable", unmountable)
    done = container.start()
    assert done.code == 0
    assert not [flag for flag in done.flags if "mtu" in flag]
    assert "the MTU of eth0 cannot be read" in done.stderr
    assert "set spec.engine.mtu" in done.stderr


def test_the_users_mtu_needs_no_interface(container: Container) -> None:
    done = container.start(NESTED_DOCKER_MTU="1300")
    assert "--mtu=1300" in done.flags
    assert (done.stderr, "sysfs" in container.read("mounts")) == ("", False)


def pools(done: Run) -> list[str]:
    return [flag.removeprefix("--default-address-pool=base=") for flag in done.flags if "address-pool" in flag]


DOCKERS = {
    "172.17.0.0/16,size=16",
    "172.18.0.0/16,size=16",
    "172.19.0.0/16,size=16",
    "172.20.0.0/14,size=16",
    "172.24.0.0/14,size=16",
    "172.28.0.0/14,size=16",
    "192.168.0.0/16,size=20",
}
"""Docker's own pools."""


@pytest.mark.parametrize(
    ("services", "dns", "pod", "lost"),
    [
        ("10.96.0.1", "10.96.0.10", "10.244.1.5", set()),
        ("fd00::1", "fd00::a", "fd00:1::5", set()),
        ("172.20.0.1", "172.20.0.10", "10.0.4.7", {"172.20.0.0/14,size=16"}),
        ("10.100.0.1", "10.100.0.10", "172.31.44.7", {"172.28.0.0/14,size=16"}),
        ("10.96.0.1", "10.96.0.10", "192.168.117.66", {"192.168.0.0/16,size=20"}),
        ("10.96.0.1", "172.19.3.4", "10.244.1.5", {"172.19.0.0/16,size=16"}),
        ("172.24.0.1", "172.24.0.10", "10.0.4.7", {"172.24.0.0/14,size=16", "172.28.0.0/14,size=16"}),
        ("172.16.0.1", "172.16.0.10", "10.0.4.7", DOCKERS - {"192.168.0.0/16,size=20"}),
        ("172.17.0.1", "172.17.0.10", "192.168.1.7", {"172.17.0.0/16,size=16", "192.168.0.0/16,size=20"}),
    ],
)
def test_inner_networks_stay_apart_from_the_clusters(
    container: Container, services: str, dns: str, pod: str, lost: set[str]
) -> None:
    container.write("etc/resolv.conf", f"nameserver {dns}\n")
    container.write("etc/hosts", f"127.0.0.1\tlocalhost\n{pod}\tbuild-1.sub.team.svc\tbuild-1\n")
    done = container.start(KUBERNETES_SERVICE_HOST=services)
    assert set(pools(done)) == (DOCKERS - lost if lost else set())
    assert ("apart from what the cluster uses" in done.stderr) is bool(lost)


@pytest.mark.parametrize(
    ("node", "lost"),
    [
        ("172.18.0.2", {"172.18.0.0/16,size=16", "172.19.0.0/16,size=16"}),
        ("172.31.44.7", {"172.28.0.0/14,size=16"}),
        ("192.168.1.20", {"192.168.0.0/16,size=20"}),
        ("172.17.3.4", {"172.17.0.0/16,size=16"}),
        ("10.0.4.7", set()),
        ("fd00::7", set()),
        ("", set()),
    ],
)
def test_inner_networks_stay_apart_from_the_node_s(container: Container, node: str, lost: set[str]) -> None:
    assert set(pools(container.start(NESTED_DOCKER_NODE=node))) == (DOCKERS - lost if lost else set())


def test_a_route_counts_and_a_bridge_of_the_last_run_does_not(container: Container) -> None:
    lines = CNI + "eth0 00001CAC 00000000 0001\ndocker0 000011AC 00000000 0001\nbr-0a1b 000012AC 00000000 0001\n"
    container.write("proc/net/route", "Iface Destination Gateway Flags\n" + lines)
    assert set(pools(container.start())) == DOCKERS - {"172.28.0.0/14,size=16"}


def test_where_the_cluster_uses_all_of_dockers_ranges_another_one_is_used(container: Container) -> None:
    container.write("etc/hosts", "192.168.7.5\tbuild-1\n")
    container.write("etc/resolv.conf", "nameserver 10.210.0.10\n")
    assert pools(container.start(KUBERNETES_SERVICE_HOST="172.16.0.1")) == ["10.224.0.0/12,size=20"]


def test_the_users_own_pools_are_left_alone(container: Container) -> None:
    config = '{"default-address-pools":[{"base":"172.20.0.0/16","size":24}]}'
    assert pools(container.start(KUBERNETES_SERVICE_HOST="172.20.0.1", NESTED_DOCKER_CONFIG=config)) == []
