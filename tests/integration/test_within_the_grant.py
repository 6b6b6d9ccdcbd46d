"""What the API server has stored of granted NestedDockers lies within the policy that granted them, field by field."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.world import World
from tests.support.api import Manifest
from tests.support.factory import BUILD_FILES
from tests.support.grants import outside
from tests.support.manifests import nested_docker, nested_docker_class, policy

from nested_docker.controller.cache import CHILD_KINDS
from nested_docker.domain.names import LABEL_NAME

MODES = ["Dind", "HostSocket"]
TERMS: dict[str, Any] = {
    "allowedModes": MODES,
    "allowedImages": {"patterns": ["docker:29-dind", "docker:30-dind"]},
    "allowedResources": ["ephemeral-storage"],
    "allowedStorageClasses": ["fast"],
    "connection": {"clientNamespaces": "Any"},
    "workload": {
        "allowed": True,
        "images": {"patterns": ["docker:29-cli"]},
        "references": ["Secrets", "ConfigMaps"],
        "sharedPaths": ["/builds/src"],
    },
    "scheduling": {
        "tolerationKeys": ["ci"],
        "podLabels": ["team"],
        "podAnnotations": ["note"],
        "affinity": ["NodeAffinity", "PodAffinity"],
    },
    "hostSocket": {"guard": {"limits": {"total": {"cpu": "2"}}}},
    "max": {"cpu": "2", "memory": "4Gi", "storage": "5Gi"},
}
LIMITS = {"limits": {"cpu": "500m", "memory": "1Gi"}}
PLAIN: dict[str, Any] = {
    "resources": LIMITS,
    "storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "1Gi"}},
}
"""What the maxima require."""

REFERENCES: dict[str, Any] = {
    key: [each | {"image": "docker:29-cli", "resources": LIMITS} for each in BUILD_FILES[key]]
    for key in ("initContainers", "containers")
} | {"volumes": BUILD_FILES["volumes"]}
REQUESTS: dict[str, dict[str, Any]] = {
    "image": {"engine": {"image": "docker:30-dind", "mtu": 1400}},
    "limits": {"resources": {"limits": {"cpu": "2", "memory": "3Gi", "ephemeral-storage": "1Gi"}}},
    "claim": {"storage": {"type": "Claim", "claim": {"size": "5Gi", "storageClassName": "fast"}}},
    "ephemeral": {"storage": {"type": "Ephemeral", "ephemeral": {"size": "5Gi"}}},
    "memory": {"storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "5Gi", "medium": "Memory"}}},
    "workload": {
        "workload": {
            "containers": [
                {
                    "name": "job",
                    "image": "docker:29-cli",
                    "command": ["sleep"],
                    "env": [{"name": "A", "value": "$(B)"}],
                    "resources": LIMITS,
                }
            ]
        }
    },
    "references": {"workload": REFERENCES},
    "scheduling": {
        "scheduling": {
            "nodeSelector": {"zone": "z"},
            "tolerations": [{"key": "ci", "operator": "Exists"}],
            "podLabels": {"team": "a"},
            "podAnnotations": {"note": "b"},
            "affinity": {
                "podAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}
                    ]
                }
            },
        }
    },
    "connection": {
        "connection": {
            "clients": [{"podSelector": {}, "namespaceSelector": {}}],
            "secretTemplate": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        }
    },
}


async def children(world: World, name: str) -> list[Manifest]:
    """The children of a NestedDocker, with the same words in place of its name and uid."""
    owner = await world.get("NestedDocker", name)
    assert owner is not None
    found: list[Manifest] = []
    for kind in sorted(CHILD_KINDS):
        listed = await world.api.list(kind, world.namespace, f"{LABEL_NAME}={name}")
        found += [each | {"kind": kind} for each in listed]
    text = json.dumps(found).replace(name, "build").replace(owner["metadata"]["uid"], "uid")
    anonymous: list[Manifest] = json.loads(text)
    return anonymous


async def test_what_is_stored_lies_within_the_grant(world: World) -> None:
    own, template = world.namespace, {"spec": {"nodeName": world.kubelet.node}}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": own}}
    await world.api.create(nested_docker_class(own, modes=MODES, podTemplate=template))
    await world.api.create(policy(own, namespaceSelector=selector, allowedClasses=[own], **TERMS))
    try:
        requests = {"plain": {}} | REQUESTS
        for mode in MODES:
            for title, spec in requests.items():
                fields = PLAIN | spec | {"mode": mode, "className": own}
                await world.api.create(nested_docker(own, f"{title}{mode.lower()}", **fields))
        found = []
        for mode in MODES:
            await world.ready(f"plain{mode.lower()}", 60)
            plain = await children(world, f"plain{mode.lower()}")
            for title, spec in REQUESTS.items():
                name = f"{title}{mode.lower()}"
                await world.ready(name, 60)
                stored = await children(world, name)
                assert len(stored) >= 5, [each["kind"] for each in stored]
                found += [f"{name}: {each}" for each in outside(TERMS, PLAIN | spec | {"mode": mode}, stored, plain)]
        assert found == []
    finally:
        for mode in MODES:
            for title in requests:
                await world.api.delete("NestedDocker", own, f"{title}{mode.lower()}")
        await world.api.delete("NestedDockerPolicy", None, own)
        await world.api.delete("NestedDockerClass", None, own)
