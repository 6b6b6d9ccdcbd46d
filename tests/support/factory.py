"""Makers of observed things, with defaults that a test overrides where it matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import ClusterFacts, NodeFacts, Owner, RuntimeClassFacts
from nested_docker.domain.observed import Observed

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
OWNER = Owner(name="build", namespace="team-a", uid="11111111-2222-3333-4444-555555555555")
HOME = ObjectNames(OWNER)
AWAY = ObjectNames(OWNER, "daemons")
DEFAULTS = OperatorDefaults(
    operator_image="example.com/operator:1", operator_namespace="operator-system", denial_grace_seconds=0
)
"""Without a grace time: what is denied stops at once."""


def class_spec(**fields: Any) -> NestedDockerClassSpec:
    return NestedDockerClassSpec.model_validate(
        {"modes": ["Dind", "HostSocket", "Sysbox", "UserNamespace", "Rootless"]} | fields
    )


def policy_spec(**fields: Any) -> NestedDockerPolicySpec:
    grant = {
        "namespaceSelector": {},
        "allowedClasses": ["standard"],
        "allowedModes": ["Dind", "HostSocket", "Sysbox", "UserNamespace", "Rootless"],
        "allowedImages": {"patterns": ["**"]},
        "hostSocket": {
            "allowRaw": True,
            "guard": {"build": {"allowed": True}},
            "paths": ["/var/run/docker.sock", "/run/other.sock"],
        },
        "workload": {"allowed": True, "references": ["Secrets", "ConfigMaps"], "sharedPaths": ["**"]},
        "allowedResources": ["**"],
        "allowedStorageClasses": ["**"],
        "connection": {"clientNamespaces": "Any"},
        "scheduling": {
            "tolerationKeys": ["**"],
            "priorityClassNames": ["low"],
            "podAnnotations": ["**"],
            "podLabels": ["**"],
            "affinity": ["NodeAffinity", "PodAffinity", "PodAntiAffinity"],
            "affinityNamespaces": "Any",
        },
    }
    return NestedDockerPolicySpec.model_validate(grant | fields)


CLUSTER = ClusterFacts(
    runtime_classes={"sysbox-runc": RuntimeClassFacts("sysbox-runc", {"sysbox-runtime": "running"})},
    nodes={"node-1": NodeFacts(ready=True, labels={"sysbox-runtime": "running"})},
)


def observed(spec: dict[str, Any] | None = None, **fields: Any) -> Observed:
    """A NestedDocker of mode Dind, with a class and a policy that grants everything."""
    given: dict[str, Any] = {
        "owner": OWNER,
        "spec": {"mode": "Dind"} if spec is None else spec,
        "created": NOW - timedelta(minutes=1),
        "namespace_labels": {"kubernetes.io/metadata.name": "team-a"},
        "classes": {"standard": class_spec()},
        "default_classes": ("standard",),
        "policies": {"everything": policy_spec()},
        "cluster": CLUSTER,
    }
    return Observed(**(given | fields))


FULL_ENGINE = {
    "image": "registry.example.com/dind:28@sha256:" + "a" * 64,
    "storageDriver": "overlay2",
    "mirrors": {"docker.io": ["https://mirror.example.com"], "ghcr.io": ["https://mirror.example.com/v2/ghcr"]},
    "insecureRegistries": ["10.0.0.0/8"],
    "caBundleRef": {"name": "corporate"},
    "imagePullSecrets": [{"name": "pull"}],
    "mtu": 1400,
    "iptables": "Legacy",
    "addressPools": [{"base": "172.30.0.0/16", "size": 24}],
    "dns": ["10.0.0.53"],
    "proxy": {"httpProxy": "http://proxy:3128", "noProxy": "cluster.local"},
    "config": {"log-level": "warn"},
}


WORKLOAD = {
    "restartPolicy": "Never",
    "containers": [
        {
            "name": "builder",
            "image": "docker:29-cli",
            "command": ["docker"],
            "args": ["build", "."],
            "env": [{"name": "A", "value": "1"}],
        }
    ],
}


BUILD_FILES = {
    "restartPolicy": "Never",
    "initContainers": [
        {
            "name": "fetch",
            "image": "alpine/git:2",
            "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "git", "key": "token"}}}],
            "volumeMounts": [{"name": "ssh", "mountPath": "/root/.ssh", "readOnly": True}],
        }
    ],
    "containers": [
        {
            "name": "builder",
            "image": "docker:29-cli",
            "env": [
                {"name": "A", "value": "1"},
                {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "l", "optional": True}}},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            ],
            "envFrom": [{"prefix": "NPM_", "secretRef": {"name": "npm"}}, {"configMapRef": {"name": "settings"}}],
            "volumeMounts": [
                {"name": "tokens", "mountPath": "/root/.npmrc", "subPath": "npmrc"},
                {"name": "scratch", "mountPath": "/scratch"},
            ],
        },
        {"name": "other", "image": "docker:29-cli", "volumeMounts": [{"name": "files", "mountPath": "/files"}]},
    ],
    "volumes": [
        {"name": "ssh", "secret": {"secretName": "deploy-key", "defaultMode": 256}},
        {"name": "files", "configMap": {"name": "files", "items": [{"key": "a", "path": "b/c", "mode": 420}]}},
        {
            "name": "tokens",
            "projected": {"sources": [{"secret": {"name": "npm"}}, {"configMap": {"name": "more", "optional": True}}]},
        },
        {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        {"name": "src", "emptyDir": {"medium": "Disk"}, "sharedPath": "/builds/src"},
    ],
}
"""A workload with a reference of each kind, and a directory that the daemon has too."""
