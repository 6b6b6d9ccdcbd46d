"""Whether a pod asks name servers that know the name of its daemon's Service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OF_THE_CLUSTER = "ClusterFirst"
_OF_THE_CLUSTER_ON_HOST_NETWORK = "ClusterFirstWithHostNet"


def foreign_name_servers(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """A warning with the remedy if the pod does not ask the cluster's name servers; else nothing.

    It is no denial: with `None` the pod may name servers that know the cluster's names, such as a cache on its node.
    """
    spec = pod["spec"]
    policy, on_host_network = spec.get("dnsPolicy") or _OF_THE_CLUSTER, bool(spec.get("hostNetwork"))
    if policy == _OF_THE_CLUSTER_ON_HOST_NETWORK or (policy == _OF_THE_CLUSTER and not on_host_network):
        return ()
    remedy = _OF_THE_CLUSTER_ON_HOST_NETWORK if on_host_network else _OF_THE_CLUSTER
    network = " with hostNetwork" if on_host_network else ""
    return (
        f"spec.dnsPolicy is {policy}{network}: the pod finds its Docker daemon only if its name servers know the "
        f"names of the cluster's Services: set it to {remedy}",
    )
