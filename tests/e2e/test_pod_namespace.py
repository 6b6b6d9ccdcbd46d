"""Daemons in a namespace of the admins': a `restricted` one builds through them, and nobody meets."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.e2e.environment import RELEASE, SYSTEM, Environment, until
from tests.e2e.images import BUILD_AND_RUN
from tests.e2e.installation import settled
from tests.support.cluster import ROOT, CommandFailed

LEVEL = "pod-security.kubernetes.io/enforce"
CLASS = "isolated"
OWNED = "app.kubernetes.io/managed-by=nested-docker-operator,nesteddocker.dev/namespace"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module")
def pods(cluster: Environment) -> Iterator[Environment]:
    """The namespace of the daemons' pods, with a class and a policy."""
    name = f"daemons-{uuid.uuid4().hex[:6]}"
    api = {"apiVersion": "nesteddocker.dev/v1alpha1"}
    grant = {
        "namespaceSelector": {"matchLabels": {"ci": "true"}},
        "allowedClasses": [CLASS],
        "allowedModes": ["Dind"],
        "workload": {"allowed": True},
    }
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LEVEL: "privileged"}}}
    )
    cluster.helm(
        "upgrade",
        RELEASE,
        str(ROOT / "charts/nested-docker"),
        "--reuse-values",
        f"--set=podNamespaces={{{name}}}",
        "--wait",
        "--timeout=120s",
    )
    settled(cluster)
    cluster.apply(
        api
        | {
            "kind": "NestedDockerClass",
            "metadata": {"name": CLASS},
            "spec": {"modes": ["Dind"], "podNamespace": name},
        },
        api | {"kind": "NestedDockerPolicy", "metadata": {"name": CLASS}, "spec": grant},
    )
    yield replace(cluster, namespace=name)
    cluster.kubectl("delete", "ndp,ndc", CLASS)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def team(env: Environment, pods: Environment) -> Iterator[Environment]:
    """A namespace that enforces `restricted`."""
    env.kubectl("label", "namespace", env.namespace, f"{LEVEL}=restricted")
    yield env
    env.kubectl("delete", "nd", "--all", timeout=60)
    nothing_left(env, pods)


@pytest.fixture
def other(team: Environment) -> Iterator[Environment]:
    """Another one."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    labels = {"ci": "true", LEVEL: "restricted"}
    team.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield replace(team, namespace=name)
    team.kubectl("delete", "nd", "--all", "--namespace", name, timeout=60)
    team.kubectl("delete", "namespace", name, "--wait=false")


def client(env: Environment, name: str, script: str) -> None:
    """A client that a restricted namespace lets in: nobody in particular, without any privilege."""
    container = {
        "name": "client",
        "image": "docker:29-cli",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-ec", script],
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "DOCKER_CONFIG", "value": "/tmp/.docker"}],
        "envFrom": [{"secretRef": {"name": "build-docker-env"}}],
        "volumeMounts": [{"name": "docker", "mountPath": "/certs/client", "readOnly": True}],
        "securityContext": RESTRICTED,
    }
    env.client(name, "build", script, containers=[container])


def ours(pods: Environment, env: Environment) -> list[dict[str, Any]]:
    """What a namespace's NestedDockers have among the pods, other than what is on its way out."""
    found = [pods.list(kind, f"{OWNED}={env.namespace}") for kind in ("pods", "services", "secrets", "networkpolicies")]
    return [obj for listed in found for obj in listed if "deletionTimestamp" not in obj["metadata"]]


def nothing_left(env: Environment, pods: Environment) -> None:
    until(lambda: ours(pods, env) == [], 30, lambda: str([obj["metadata"]["name"] for obj in ours(pods, env)]))


def test_a_restricted_namespace_builds_at_the_first_try(team: Environment, pods: Environment) -> None:
    client(team, "client", BUILD_AND_RUN)
    team.nested_docker("build", className=CLASS)
    assert "built and run" in team.output("client")
    status = team.get("nesteddocker", "build")["status"]
    assert status["podNamespace"] == pods.namespace
    assert f".{pods.namespace}.svc:2376" in status["endpoint"]
    assert [pod["metadata"]["name"] for pod in team.list("pods")] == ["client"]
    daemon = pods.get("pod", status["podName"])
    assert daemon["spec"]["containers"][0]["securityContext"] == {"privileged": True, "runAsUser": 0}
    with pytest.raises(CommandFailed, match="violates PodSecurity"):
        team.kubectl("run", "mine", "--image=busybox", "--privileged", "--dry-run=server")


def test_another_tenants_key_pair_is_refused(team: Environment, other: Environment) -> None:
    """Nothing but mutual TLS is asked here: the embedded cluster enforces no NetworkPolicy."""
    team.nested_docker("build", className=CLASS)
    other.nested_docker("build", className=CLASS)
    endpoint = team.ready("build")["endpoint"]
    assert other.ready("build")["endpoint"] != endpoint
    ask = f"docker -H {endpoint}"
    pair = "--tlscert=/certs/client/cert.pem --tlskey=/certs/client/key.pem"
    client(
        other,
        "thief",
        f"{ask} version 2>&1 || true; echo ---; env -u DOCKER_TLS_VERIFY {ask} --tls {pair} version 2>&1 || true; "
        "echo ---; docker version --format own={{.Server.Version}}",
    )
    verifying, careless, own = other.output("thief").split("---")
    assert "certificate signed by unknown authority" in verifying or "failed to verify certificate" in verifying
    assert "tls: " in careless, careless
    assert "Server" not in careless
    assert "own=29." in own
    client(team, "owner", "docker version --format own={{.Server.Version}}")
    assert "own=29." in team.output("owner")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"workload": {"containers": [{"name": "main", "image": "busybox"}]}}, "spec.workload"),
        ({"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}, "spec.storage.claim"),
        ({"engine": {"imagePullSecrets": [{"name": "others"}]}}, "spec.engine.imagePullSecrets"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_of_a_tenants_own_gets_through_the_door(team: Environment, spec: dict[str, Any], field: str) -> None:
    with pytest.raises(CommandFailed) as failure:
        team.nested_docker("build", className=CLASS, **spec)
    assert "NotAllowedByClass" in str(failure.value)
    assert f"cannot set {field}" in str(failure.value)


def test_deletion_leaves_nothing(team: Environment, pods: Environment) -> None:
    team.nested_docker("build", className=CLASS)
    team.ready("build")
    assert len(ours(pods, team)) == 4
    team.kubectl("delete", "nd", "build", timeout=30)
    nothing_left(team, pods)


def test_the_end_of_a_namespace_leaves_nothing(team: Environment, other: Environment, pods: Environment) -> None:
    other.nested_docker("build", className=CLASS)
    other.ready("build")
    team.kubectl("delete", "namespace", other.namespace, timeout=90)
    nothing_left(other, pods)
    team.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other.namespace}})


def test_without_operator_and_finalizer_nothing_is_left_in_the_end(team: Environment, pods: Environment) -> None:
    team.nested_docker("build", className=CLASS)
    team.ready("build")
    system = replace(team, namespace=SYSTEM)
    (deployment,) = system.list("deployments", "app.kubernetes.io/name=nested-docker")
    name, replicas = deployment["metadata"]["name"], deployment["spec"]["replicas"]
    system.kubectl("scale", "deployment", name, "--replicas=0")
    try:
        until(
            lambda: system.list("pods", "app.kubernetes.io/name=nested-docker") == [],
            60,
            lambda: system.kubectl("get", "pods,deployments,events"),
        )
        team.kubectl("delete", "nd", "build", "--wait=false")
        assert "deletionTimestamp" in team.get("nesteddocker", "build")["metadata"], "the finalizer holds it"
        team.kubectl("patch", "nd", "build", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        until(lambda: team.get("nesteddocker", "build") == {}, 10, lambda: "it is still there")
        assert len(ours(pods, team)) == 4
    finally:
        system.kubectl("scale", "deployment", name, f"--replicas={replicas}")
        system.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s", timeout=130)
    nothing_left(team, pods)
