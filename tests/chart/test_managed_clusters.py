"""Values that differ from provider to provider reach their objects."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.conftest import OPERATOR, SYSTEM, Helm
from tests.chart.rendered import environment, of_kind

Manifests = list[dict[str, Any]]


def pod(manifests: Manifests) -> dict[str, Any]:
    (deployment,) = of_kind(manifests, "Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def place(manifest: dict[str, Any]) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def ports(manifests: Manifests) -> list[int]:
    (policy,) = (each for each in of_kind(manifests, "NetworkPolicy") if place(each) == (SYSTEM, OPERATOR))
    return [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]


VALUES = {
    "networkPolicy.apiServerPorts={8443}": lambda manifests: 8443 in ports(manifests) and 6443 not in ports(manifests),
    "clusterDomain=corp.example": lambda manifests: (
        environment(manifests)["NESTED_DOCKER_CLUSTER_DOMAIN"] == "corp.example"
    ),
    "image.repository=registry.example/op": lambda manifests: pod(manifests)["containers"][0]["image"].startswith(
        "registry.example/op:"
    ),
    "imagePullSecrets[0].name=pull": lambda manifests: pod(manifests).get("imagePullSecrets") == [{"name": "pull"}],
    "engine.image=registry.example/dind:28": lambda manifests: (
        environment(manifests)["NESTED_DOCKER_ENGINE_IMAGE"] == "registry.example/dind:28"
    ),
}


@pytest.mark.parametrize("value", VALUES)
def test_a_value_reaches_its_object(offline: Helm, value: str) -> None:
    assert VALUES[value](offline.render(value))
    assert not VALUES[value](offline.render())
