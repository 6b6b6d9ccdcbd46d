"""Bad input: an admission error or a condition that says what, where and what to do; mending it heals."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.environment import Environment, until
from tests.support.cluster import CommandFailed


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("a", {"mode": "Podman"}, 'spec.mode: Unsupported value: "Podman": supported values: "Dind"'),
        ("a", {"resources": {"limits": {"memory": "lots"}}}, "spec.resources.limits.memory"),
        ("a", {"engine": {"image": "UPPER CASE"}}, "spec.engine.image"),
        (
            "a",
            {"storage": {"type": "EmptyDir", "claim": {"size": "1Gi"}}},
            "claim belongs to type Claim: set type to Claim or leave claim out",
        ),
        ("a" * 53, {}, "at most 52 characters"),
        ("a", {"className": "gone"}, "ClassNotFound: spec.className: NestedDockerClass gone does not exist"),
        ("a", {"mode": "HostSocket"}, "ModeNotOffered: spec.mode HostSocket: NestedDockerClass standard offers Dind"),
        ("a", {"engine": {"config": {"hosts": []}}}, "InvalidSpec: spec.engine.config: hosts"),
        (
            "a",
            {"mode": "Dind", "scheduling": {"priorityClassName": "x"}},
            "NotGranted: no NestedDockerPolicy grants mode Dind",
        ),
    ],
)
def test_what_schema_and_policy_know_is_refused_at_the_door(
    env: Environment, name: str, spec: dict[str, Any], words: str
) -> None:
    with pytest.raises(CommandFailed) as failure:
        env.nested_docker(name, **spec)
    assert words in str(failure.value)


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        (
            {"engine": {"image": "no.such.registry.invalid/dind:1"}},
            "ImagePullFailed",
            "no.such.registry.invalid/dind:1",
        ),
        ({"engine": {"config": {"nonsense": 1}}}, "DaemonCrashed", "nonsense"),
        ({"engine": {"storageDriver": "zfs"}}, "DaemonCrashed", "zfs"),
        (
            {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}},
            "APIRejected",
            "must be less than or equal to memory limit",
        ),
        ({"resources": {"requests": {"cpu": "1000"}}}, "Unschedulable", "Insufficient cpu"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_only_the_cluster_knows_is_told_and_mended(
    env: Environment, spec: dict[str, Any], reason: str, words: str
) -> None:
    env.nested_docker("build", **spec)
    assert words in env.settles("build", reason, timeout=90)
    assert env.get("secret", "build-docker") == {}
    env.kubectl("patch", "nd", "build", "--type=json", "-p", '[{"op": "replace", "path": "/spec", "value": {}}]')
    env.ready("build")


def test_a_claim_that_never_binds_is_told(env: Environment) -> None:
    env.nested_docker("build", storage={"type": "Claim", "claim": {"size": "1Gi", "storageClassName": "none"}})
    assert "storageClassName" in env.settles("build", "VolumeNotBound")


@pytest.mark.parametrize("kind", ["secret/build-docker", "service/build", "networkpolicy/build"])
def test_what_is_someone_elses_is_left_alone_and_making_room_heals(env: Environment, kind: str) -> None:
    type_, name = kind.split("/")
    if type_ == "secret":
        env.kubectl("create", "secret", "generic", name, "--from-literal=theirs=1")
    elif type_ == "service":
        env.kubectl("create", "service", "clusterip", name, "--tcp=80")
    else:
        head = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}}
        env.apply(head | {"spec": {"podSelector": {"matchLabels": {"theirs": "1"}}}})
    before = env.get(type_, name)
    env.nested_docker("build", mode="Dind")
    message = env.settles("build", "NameConflict")
    assert name in message
    assert "Delete or rename it" in message or "delete or rename it" in message
    until(lambda: env.list("pods") == [], 60, lambda: str(env.list("pods")))
    assert env.get(type_, name) == before
    env.kubectl("delete", type_, name)
    env.ready("build")


def test_a_claim_that_is_someone_elses_is_left_alone(env: Environment) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    head = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "build-data"}}
    env.apply(head | {"spec": spec})
    env.nested_docker("build", mode="Dind", storage={"type": "Claim", "claim": {"size": "1Gi"}})
    assert "build-data" in env.settles("build", "NameConflict")
    assert env.list("pods") == []


def test_a_quota_that_is_full_is_told_and_heals(env: Environment) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"pods": "0"}},
    }
    env.apply(quota)
    until(
        lambda: "hard" in env.get("resourcequota", "none").get("status", {}), 20, lambda: str(env.get("quota", "none"))
    )
    env.nested_docker("build", mode="Dind")
    assert "exceeded quota" in env.settles("build", "QuotaExceeded")
    assert [secret["metadata"]["name"] for secret in env.list("secrets")] == []
    env.kubectl("delete", "resourcequota", "none")
    env.ready("build")


def test_a_namespace_that_forbids_privileged_pods_is_told(env: Environment) -> None:
    env.kubectl("label", "namespace", env.namespace, "pod-security.kubernetes.io/enforce=baseline")
    env.nested_docker("build", mode="Dind")
    message = env.settles("build", "PodSecurityDenied")
    assert f"namespace {env.namespace} enforces the Pod Security level baseline" in message
    assert "Choose mode Sysbox" in message
    assert env.list("pods") == []
    env.nested_docker("other", mode="Sysbox")
    env.ready("other")
    env.kubectl("label", "namespace", env.namespace, "pod-security.kubernetes.io/enforce-")
    env.ready("build")
