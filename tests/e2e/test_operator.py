"""The operator as its chart installs it: drift, upgrade, deletion in the middle, and its end."""

from __future__ import annotations

from tests.e2e.environment import RELEASE, SYSTEM, Environment, until
from tests.e2e.installation import settled
from tests.support.cluster import ROOT


def test_every_child_comes_back(env: Environment) -> None:
    env.nested_docker("build", mode="Dind")
    pod = env.ready("build")["podName"]
    for kind, name in (
        ("secret", "build-docker"),
        ("secret", "build-docker-env"),
        ("service", "build"),
        ("networkpolicy", "build"),
    ):
        env.kubectl("delete", kind, name)
        until(lambda kind=kind, name=name: env.get(kind, name) != {}, 10, lambda name=name: f"{name} is gone")
    env.kubectl("patch", "service", "build", "--type=merge", "-p", '{"spec": {"selector": {"app": "theirs"}}}')
    until(
        lambda: "app" not in env.get("service", "build")["spec"]["selector"],
        10,
        lambda: str(env.get("service", "build")),
    )
    env.kubectl("patch", "networkpolicy", "build", "--type=json", "-p", '[{"op": "remove", "path": "/spec/ingress"}]')
    until(
        lambda: "ingress" in env.get("networkpolicy", "build")["spec"],
        10,
        lambda: str(env.get("networkpolicy", "build")),
    )
    assert env.get("nesteddocker", "build")["status"]["podName"] == pod
    env.kubectl("delete", "pod", pod, "--wait=false")
    until(lambda: env.get("nesteddocker", "build")["status"]["podName"] != pod, 20, lambda: "the pod was not replaced")
    env.ready("build")


def test_a_rolling_restart_of_the_operator_restarts_no_daemon(env: Environment) -> None:
    env.nested_docker("build", mode="Dind")
    before = env.get("pod", env.ready("build")["podName"])
    env.helm(
        "upgrade",
        RELEASE,
        str(ROOT / "charts/nested-docker"),
        "--reuse-values",
        "--set=logLevel=DEBUG",
        "--wait",
        "--timeout=120s",
    )
    env.nested_docker("next", mode="Dind")
    env.ready("next")
    after = env.get("pod", env.ready("build")["podName"])
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0
    settled(env)


def test_one_of_two_replicas_leads(env: Environment) -> None:
    system = Environment(env.kubeconfig, SYSTEM)

    def replicas() -> set[str]:
        pods = system.list("pods", "app.kubernetes.io/name=nested-docker")
        return {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}

    until(lambda: len(replicas()) == 2, 60, lambda: f"there are {replicas()}")

    def holder() -> str:
        return system.get("lease", "nested-docker-operator")["spec"]["holderIdentity"].split("_")[0]

    until(lambda: holder() in replicas(), 20, lambda: f"{holder() or 'nobody'} leads, and there are {replicas()}")


def test_a_namespace_deleted_in_the_middle_ends_clean(env: Environment) -> None:
    for number in range(3):
        env.nested_docker(f"build-{number}", mode="Dind")
    env.kubectl("delete", "namespace", env.namespace, "--timeout=90s", timeout=100)
    assert env.get("namespace", env.namespace) == {}
    env.kubectl("create", "namespace", env.namespace)


def test_deletion_leaves_nothing(env: Environment) -> None:
    env.nested_docker("build", mode="Dind")
    env.ready("build")
    env.kubectl("delete", "nd", "build")
    kinds = "pods,secrets,services,networkpolicies,pvc"
    until(
        lambda: env.list(kinds, "app.kubernetes.io/managed-by=nested-docker-operator") == [],
        60,
        lambda: env.kubectl("get", kinds),
    )
