"""The NetworkPolicy that admits only the clients and the operator."""

from __future__ import annotations

from typing import Any

from nested_docker.api.v1alpha1.nested_docker import ClientPeer
from nested_docker.domain import names
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Manifest, child

NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"


def network_policy(
    object_names: ObjectNames, clients: list[ClientPeer], operator_namespace: str, *, published_ports: bool
) -> Manifest:
    """Ingress from the clients and the operator only.

    Args:
        object_names: names of the children.
        clients: who may connect; empty: every pod of the NestedDocker's namespace.
        operator_namespace: where the operator's pods are, which connect to the Docker port only.
        published_ports: whether clients reach every port, and not the Docker port only.
    """
    peers = [_peer(client, object_names) for client in clients or [ClientPeer()]]
    operator = {
        **_namespace(operator_namespace),
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "nested-docker"}},
    }
    docker_port = {"ports": [{"port": names.DOCKER_PORT, "protocol": "TCP"}]}
    manifest = child("networking.k8s.io/v1", object_names.network_policy, object_names.owner)
    manifest["spec"] = {
        "podSelector": {"matchLabels": {names.LABEL_UID: object_names.owner.uid}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": peers} | ({} if published_ports else docker_port), {"from": [operator]} | docker_port],
    }
    return manifest


def _peer(client: ClientPeer, object_names: ObjectNames) -> dict[str, Any]:
    """Without a namespaceSelector a NetworkPolicy selects its own namespace; users expect the NestedDocker's."""
    peer: dict[str, Any] = {"podSelector": client.pod_selector.dump() if client.pod_selector else {}}
    if client.namespace_selector is not None:
        peer["namespaceSelector"] = client.namespace_selector.dump()
    elif object_names.remote:
        peer |= _namespace(object_names.owner.namespace)
    return peer


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME_LABEL: name}}}
