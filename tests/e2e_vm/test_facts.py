"""What probes find out about two nodes that differ: by the operator's own image, in pods of real kubelets.

The last module of this ring leaves the emulated node deleted, so this one has to come before it.
"""

from __future__ import annotations

from typing import Any

from tests.e2e.environment import Environment, until
from tests.e2e_vm.node import NAME, OTHER, SLOW, on_node


def test_each_node_s_facts_are_its_own(cluster: Environment) -> None:
    def probed() -> dict[str, Any]:
        return {each["metadata"]["name"]: each.get("status", {}) for each in cluster.list("nesteddockernodes")}

    def both() -> bool:
        return all(probed().get(name, {}).get("facts") for name in (NAME, OTHER))

    until(both, 60 * SLOW, lambda: str(probed()))
    emulated, native = probed()[NAME]["facts"], probed()[OTHER]["facts"]
    assert (emulated["cgroup"], native["cgroup"]) == ("v2", "v1")
    assert emulated["bootId"] == on_node(cluster, "cat", "/proc/sys/kernel/random/boot_id").strip()
    assert native["bootId"] == cluster.node("cat", "/proc/sys/kernel/random/boot_id").strip()
    assert "AppArmor" in emulated["securityModules"]
    limit = on_node(cluster, "cat", "/proc/sys/user/max_user_namespaces").strip()
    assert emulated["maxUserNamespaces"] == int(limit)


def test_the_table_of_nodes_has_them(cluster: Environment) -> None:
    lines = {line.split()[0]: line.split()[1:] for line in cluster.kubectl("get", "ndn").splitlines()}
    assert lines["NAME"][:4] == ["CGROUP", "LSM", "USERNS", "FILESYSTEM"]
    assert (lines[NAME][0], lines[OTHER][0]) == ("v2", "v1")
