"""The NetworkPolicy that lets the clients and the operator in, and nobody else."""

from __future__ import annotations

from typing import Any

from nested_docker.api.v1alpha1.nested_docker import ClientPeer
from nested_docker.domain import names
from nested_docker.domain.manifests.base import Manifest, Owner, child

NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"


def network_policy(owner: Owner, clients: list[ClientPeer], operator_namespace: str) -> Manifest:
    """Ingress to the Docker port only, from `clients` (empty: the own namespace) and the operator."""
    peers = [_peer(client) for client in clients] or [{"podSelector": {}}]
    operator = {
        "namespaceSelector": {"matchLabels": {NAMESPACE_NAME_LABEL: operator_namespace}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "nested-docker"}},
    }
    manifest = child("networking.k8s.io/v1", "NetworkPolicy", owner.name, owner)
    manifest["spec"] = {
        "podSelector": {"matchLabels": {names.LABEL_UID: owner.uid}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [*peers, operator], "ports": [{"port": names.DOCKER_PORT, "protocol": "TCP"}]}],
    }
    return manifest


def _peer(client: ClientPeer) -> dict[str, Any]:
    peer: dict[str, Any] = {"podSelector": client.pod_selector.dump() if client.pod_selector else {}}
    if client.namespace_selector is not None:
        peer["namespaceSelector"] = client.namespace_selector.dump()
    return peer
