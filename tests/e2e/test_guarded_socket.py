"""Mode HostSocket with the guard: one's own siblings on the node's daemon, nobody else's, and none left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.e2e.environment import API, RULES, SYSTEM, Environment, until
from tests.e2e.node_docker import NODE_DOCKER, guarded_containers, inventory
from tests.support.cluster import CommandFailed

CLEANUP = f"{SYSTEM}-cleanup"

EVERYTHING = """
docker network create NAME-net
docker run -d --name NAME-web --network NAME-net -v NAME-vol:/data busybox sleep 3600
docker run -d --restart always -v /nameless busybox sleep 3600
docker create busybox
mkdir /tmp/NAME && cd /tmp/NAME
printf 'FROM busybox\\nRUN echo built > /built\\n' > Dockerfile
docker build --quiet --tag localhost/NAME .
docker run --rm localhost/NAME cat /built
"""
"""Something of each kind, in use by each other."""


@pytest.fixture
def bystander(env: Environment) -> Iterator[str]:
    """A container of the node's own, with a volume without a name."""
    container = env.node(*NODE_DOCKER, "run", "-d", "-v", "/data", "busybox", "sleep", "3600").strip()
    yield container
    env.node(*NODE_DOCKER, "rm", "-f", "-v", container)


@pytest.fixture
def clean(env: Environment, bystander: str) -> Callable[[], bool]:
    """Whether the node's daemon has exactly what it had before, the bystander running.

    What other tests have made is waited for to go.
    """
    until(lambda: not guarded_containers(env), 60, lambda: env.node(*NODE_DOCKER, "ps", "-a"))
    before = inventory(env)
    return lambda: inventory(env) == before and bystander in env.node(*NODE_DOCKER, "ps", "-q", "--no-trunc")


def start(env: Environment, name: str = "build", **spec: Any) -> None:
    """A guarded NestedDocker with a client."""
    env.nested_docker(name, className="host", mode="HostSocket", **spec)
    env.client(f"{name}-client", name)
    env.ready(name)
    env.kubectl("wait", "--for=condition=Ready", f"pod/{name}-client", "--timeout=60s")


def docker(env: Environment, *args: str, name: str = "build") -> str:
    """Run the docker CLI in the client."""
    return env.exec(f"{name}-client", "docker", *args).strip()


def make_everything(env: Environment, name: str = "build") -> None:
    """Have the client make something of each kind."""
    assert env.exec(f"{name}-client", "sh", "-ec", EVERYTHING.replace("NAME", name)).endswith("built\n")


def left(env: Environment, clean: Callable[[], bool]) -> Callable[[], str]:
    """What is told where something is left."""
    return lambda: f"{clean()=} {inventory(env)}\n{env.kubectl('get', 'nd,pods', '-A', '-o', 'wide')}"


def test_one_sees_and_has_ones_own_siblings_only(env: Environment, bystander: str) -> None:
    start(env)
    status = env.ready("build")
    assert status["policyName"] == "e2e"
    assert {hazard["type"] for hazard in status["hazards"]} == {
        "SharedDaemon",
        "BuildsTakeAnyImage",
        "Unlimited",
        "BindMountsResolveOnNode",
    }
    assert docker(env, "ps", "-aq") == ""
    own = docker(env, "run", "-d", "busybox", "sleep", "3600")
    assert docker(env, "ps", "-q", "--no-trunc") == own
    assert {own, bystander} <= set(env.node(*NODE_DOCKER, "ps", "-q", "--no-trunc").split())
    for command in (("stop",), ("exec",), ("inspect",)):
        with pytest.raises(CommandFailed, match=r"[Nn]o such (container|object)"):
            docker(env, *command, bystander, *(["true"] if command == ("exec",) else []))


@pytest.mark.parametrize(
    ("flags", "rule"),
    [
        (["--privileged"], "HostConfig.Privileged"),
        (["-v", "/:/host"], "containers.binds"),
        (["-v", "/var/run/docker.sock:/var/run/docker.sock"], "containers.binds"),
        (["--pid", "host"], "HostConfig.PidMode"),
        (["--network", "host"], "networks"),
        (["--cap-add", "SYS_ADMIN"], "containers.capabilities"),
        (["-p", "22:22"], "containers.publish"),
    ],
)
def test_the_node_is_out_of_reach_and_the_answer_names_the_rule(
    guarded: Environment, flags: list[str], rule: str
) -> None:
    with pytest.raises(CommandFailed, match=rf"denied by the guard: .*\(rule: {rule}"):
        docker(guarded, "run", "--rm", *flags, "busybox", "true")


@pytest.fixture(scope="module")
def guarded(cluster: Environment) -> Iterator[Environment]:
    """A guarded NestedDocker that several tests only ask."""
    cluster.kubectl("create", "namespace", "guarded")
    cluster.kubectl("label", "namespace", "guarded", "ci=true")
    environment = Environment(cluster.kubeconfig, "guarded")
    start(environment)
    yield environment
    cluster.kubectl("delete", "namespace", "guarded", "--timeout=60s")


def test_builds_work_with_what_the_secret_says(guarded: Environment) -> None:
    assert guarded.exec("build-client", "printenv", "DOCKER_BUILDKIT").strip() == "0"
    built = guarded.exec("build-client", "sh", "-ec", "echo FROM busybox | docker build --quiet --tag localhost/x -")
    assert built.startswith("sha256:")


def test_the_guards_rules_are_in_what_nobody_can_change(guarded: Environment) -> None:
    pod = guarded.get("pod", guarded.ready("build")["podName"])
    rules = next(each for each in pod["spec"]["containers"][0]["args"] if each.startswith("--guard-rules="))
    assert json.loads(rules.removeprefix("--guard-rules="))["images"]["use"] == ["busybox"]
    with pytest.raises(CommandFailed, match="Forbidden: pod updates may not change fields"):
        guarded.kubectl(
            "patch", "pod", pod["metadata"]["name"], "--type=json",
            "-p", '[{"op": "replace", "path": "/spec/containers/0/args/6", "value": "--guard-rules={}"}]',
        )  # fmt: skip


def test_the_limits_in_resources_hold_all_containers_together(env: Environment) -> None:
    start(env, resources={"limits": {"cpu": "1", "memory": "256Mi"}})
    assert "Unlimited" not in {hazard["type"] for hazard in env.ready("build")["hazards"]}
    docker(env, "run", "-d", "--memory=192m", "--cpus=0.5", "busybox", "sleep", "3600")
    with pytest.raises(CommandFailed, match=r"limits.total.memory"):
        docker(env, "run", "-d", "--memory=128m", "--cpus=0.1", "busybox", "sleep", "3600")
    with pytest.raises(CommandFailed, match=r"limits.perContainer.memory"):
        docker(env, "run", "-d", "--memory=512m", "busybox", "sleep", "3600")


def test_deleted_it_leaves_nothing_and_deletion_waits_for_that(env: Environment, clean: Callable[[], bool]) -> None:
    start(env)
    make_everything(env)
    assert not clean()
    env.kubectl("delete", "nd", "build", "--timeout=60s")
    assert clean(), left(env, clean)()
    note = next(each["note"] for each in env.list("events.events.k8s.io") if each["reason"] == "CleanedUp")
    assert "is clean: removed 3 containers, 1 network, 1 volume" in note
    pods = Environment(env.kubeconfig, CLEANUP)
    until(lambda: not pods.list("pods"), 30, lambda: pods.kubectl("get", "pods"))


def test_a_namespace_that_goes_leaves_nothing(env: Environment, clean: Callable[[], bool]) -> None:
    start(env)
    make_everything(env)
    env.kubectl("delete", "namespace", env.namespace, "--timeout=90s")
    assert clean(), left(env, clean)()
    env.kubectl("create", "namespace", env.namespace)  # for whoever tidies up


def test_the_end_of_its_time_leaves_nothing(env: Environment, clean: Callable[[], bool]) -> None:
    start(env, activeDeadlineSeconds=600)
    make_everything(env)
    env.change("build", activeDeadlineSeconds=1)
    env.settles("build", "DeadlineExceeded")
    until(clean, 60, left(env, clean))


def test_a_pod_that_is_lost_leaves_nothing_and_the_next_one_starts_with_nothing(
    env: Environment, clean: Callable[[], bool]
) -> None:
    start(env)
    make_everything(env)
    lost = env.ready("build")["podName"]
    env.kubectl("delete", "pod", lost, "--force", "--grace-period=0", "--wait=false")
    until(lambda: env.get("nd", "build")["status"].get("podName") != lost, 60, lambda: env.kubectl("get", "nd,pods"))
    env.ready("build")
    assert clean(), left(env, clean)()
    env.client("second", "build", "docker ps -aq; docker images -q localhost/build")
    assert env.output("second") == ""


def test_suspended_it_leaves_nothing_and_goes_on_afterwards(env: Environment, clean: Callable[[], bool]) -> None:
    start(env)
    make_everything(env)
    env.change("build", suspend=True)
    until(clean, 60, left(env, clean))
    env.change("build", suspend=False)
    env.ready("build")


def test_a_guard_that_is_killed_comes_back_and_its_containers_stay(env: Environment) -> None:
    start(env)
    own = docker(env, "run", "-d", "busybox", "sleep", "3600")
    pod = env.ready("build")["podName"]
    container = env.get("pod", pod)["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    env.node("ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL", container)
    until(
        lambda: env.get("pod", pod)["status"]["containerStatuses"][0]["restartCount"] == 1,
        60,
        lambda: env.kubectl("describe", "pod", pod),
    )
    env.ready("build")
    until(lambda: _sees(env, own), 30, lambda: env.kubectl("logs", pod))


def _sees(env: Environment, container: str) -> bool:
    try:
        return docker(env, "ps", "-q", "--no-trunc") == container
    except CommandFailed:  # the relay is not up yet
        return False


@pytest.fixture
def govern(env: Environment) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Sets the rules of the test's own policy, which alone speaks for its namespace."""
    env.kubectl("label", "namespace", env.namespace, "ci-")

    def by(rules: dict[str, Any]) -> None:
        spec = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": env.namespace}},
            "allowedClasses": ["host"],
            "allowedModes": ["HostSocket"],
            "hostSocket": {"guard": rules},
        }
        env.apply(API | {"kind": "NestedDockerPolicy", "metadata": {"name": env.namespace}, "spec": spec})

    yield by
    env.kubectl("delete", "ndp", env.namespace)


def test_rules_that_are_narrowed_hold_at_once(env: Environment, govern: Callable[[dict[str, Any]], None]) -> None:
    govern(RULES)
    start(env)
    docker(env, "run", "--rm", "busybox", "true")
    before = env.ready("build")["podName"]
    govern(RULES | {"images": {}})
    until(lambda: env.get("nd", "build")["status"].get("podName") != before, 60, lambda: env.kubectl("get", "nd,pods"))
    env.ready("build")
    env.client("second", "build", "docker create --pull never busybox 2>&1 | grep 'No such image'")
    env.output("second")


def test_containers_are_under_the_pod_where_the_rules_say_so(
    env: Environment, govern: Callable[[dict[str, Any]], None]
) -> None:
    govern(RULES | {"limits": {"cgroupParent": "/kubepods/besteffort/pod{podUID}"}})
    start(env)
    own = docker(env, "run", "-d", "busybox", "sleep", "3600")
    process = env.node(*NODE_DOCKER, "inspect", "--format", "{{.State.Pid}}", own).strip()
    pod = env.get("pod", env.ready("build")["podName"])["metadata"]["uid"]
    groups = env.node("cat", f"/proc/{process}/cgroup")
    assert f"/kubepods/besteffort/pod{pod}/{own}" in groups, groups
    relay = env.node("sh", "-c", f"grep -l besteffort/pod{pod} /proc/[0-9]*/cgroup | wc -l")
    assert int(relay) >= 2


def test_a_workload_beside_the_guard_builds_by_its_socket(env: Environment, clean: Callable[[], bool]) -> None:
    container = {
        "name": "agent",
        "image": "docker:29-cli",
        "command": ["sh", "-ec", EVERYTHING.replace("NAME", "beside")],
    }
    env.nested_docker("build", className="host", workload={"restartPolicy": "Never", "containers": [container]})
    env.settles("build", "Completed")
    until(clean, 60, left(env, clean))
