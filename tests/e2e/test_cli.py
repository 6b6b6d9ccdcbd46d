"""The command line and the Python API, through the API server's port forwarding, with the docker CLI."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.environment import API, Environment, until
from tests.e2e.installation import namespace_of
from tests.e2e.terminal import NESTED_DOCKER, Terminal, terminal_in
from tests.support.cluster import HOME

from nested_docker.client import NestedDocker

CONTEXT_BYTES = 64 * 2**20
RUN_BUILD = ("run", "--progress=quiet", "--name=build", "--")
RIGHTS = {
    "nesteddockers.nesteddocker.dev": "create,get,list,delete",
    "secrets": "get",
    "pods/portforward": "get,create",
    "nesteddockerclasses.nesteddocker.dev": "use",
}
"""What docs/cli.md says that a user needs."""


@pytest.fixture(scope="module")
def team(cluster: Environment) -> Iterator[Environment]:
    """A namespace for the tests of this module that share a daemon."""
    with namespace_of(cluster) as team:
        yield team


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Short, as it has sockets in it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def terminal(team: Environment, folder: Path) -> Terminal:
    return terminal_in(folder, team)


@pytest.fixture(scope="module")
def build(terminal: Terminal) -> Terminal:
    """The terminal, after it has created NestedDocker `build` with busybox and a container `box` in it."""
    ended = terminal.cli("create", "build", "--progress=plain")
    assert ended.code == 0, ended
    assert ended.out == "build is ready; use it: nested-docker run --name build -- docker version\n"
    assert ended.err.splitlines()[-1].split()[1:] == ["Ready:", "clients", "can", "connect"]
    terminal.succeeds(*RUN_BUILD, "docker", "load", "--quiet", "--input", str(HOME / "images/busybox.tar"))
    terminal.succeeds(*RUN_BUILD, "docker", "run", "-d", "--name=box", "busybox", "sleep", "3600")
    return terminal


@pytest.fixture(autouse=True)
def nothing_is_left(terminal: Terminal) -> Iterator[None]:
    """No command leaves a file, such as a socket or a certificate."""
    yield
    left = [path for path in terminal.runtime.rglob("*") if not path.is_dir()]
    assert left == []


# --- docker, through the port forwarding --------------------------------------------------------------------


def test_a_command_has_a_daemon_and_its_exit_code(build: Terminal) -> None:
    assert json.loads(build.succeeds(*RUN_BUILD, "docker", "version", "--format={{json .}}"))["Server"]["Version"]
    assert build.succeeds(*RUN_BUILD, "docker", "run", "--rm", "busybox", "echo", "ran") == "ran\n"
    ended = build.cli(*RUN_BUILD, "docker", "exec", "box", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (ended.code, ended.out, ended.err) == (7, "out\n", "err\n")


def test_the_end_of_the_input_arrives_and_the_answer_comes_back(build: Terminal) -> None:
    assert build.succeeds(*RUN_BUILD, "docker", "exec", "-i", "box", "cat", stdin="hi\n") == "hi\n"
    assert build.succeeds(*RUN_BUILD, "docker", "run", "--rm", "-i", "busybox", "wc", "-c", stdin="x" * 10**6) == (
        "1000000\n"
    )


def test_a_big_build_context_arrives_whole(build: Terminal, folder: Path) -> None:
    context = folder / "context"
    context.mkdir()
    content = os.urandom(CONTEXT_BYTES)
    (context / "big").write_bytes(content)
    (context / "Dockerfile").write_text("FROM busybox\nCOPY big /big\n")
    build.succeeds(*RUN_BUILD, "docker", "build", "--quiet", "--tag=big", str(context), timeout=240)
    found = build.succeeds(*RUN_BUILD, "docker", "run", "--rm", "big", "sha256sum", "/big")
    assert found.split()[0] == hashlib.sha256(content).hexdigest()


def test_fifty_connections_at_once(build: Terminal) -> None:
    script = 'for i in $(seq 50); do docker exec box sh -c "sleep 1; echo $i" & done; wait'
    assert sorted(build.succeeds(*RUN_BUILD, "sh", "-c", script).split(), key=int) == [*map(str, range(1, 51))]


def test_a_shell_and_the_variables_of_one(build: Terminal) -> None:
    asked = "docker version --format '{{.Server.Os}}'\n"
    assert build.succeeds("shell", "--progress=quiet", "build", stdin=asked) == "linux\n"
    evaluated = f'eval "$({" ".join(NESTED_DOCKER)} env build)" && {asked}'
    stopped = f'eval "$({" ".join(NESTED_DOCKER)} env build --stop)"; echo "${{DOCKER_HOST-unset}}"'
    ended = build.run("bash", "-ec", evaluated + stopped)
    assert (ended.code, ended.out) == (0, "linux\nunset\n"), ended


def test_a_context_of_docker(build: Terminal) -> None:
    for _ in range(2):  # the second time it is updated
        assert build.succeeds("context", "create", "build").startswith("context build is ready")
        ended = build.run("docker", "--context", "build", "version", "--format={{.Server.Os}}")
        assert (ended.code, ended.out) == (0, "linux\n"), ended
    assert build.run("docker", "context", "create", "mine", "--docker", "host=unix:///mine.sock").code == 0
    for command in ("create", "rm"):
        errors = build.fails(1, "context", command, "build", "--as=mine")
        assert "docker context mine exists, and leads to unix:///mine.sock" in errors
    assert build.succeeds("context", "rm", "build") == "context build removed\n"
    assert build.run("docker", "context", "rm", "mine").code == 0


def test_kubectl_has_it_as_a_plugin(build: Terminal) -> None:
    ended = build.run("kubectl", "nested-docker", "ls", "-o", "name")
    assert (ended.code, ended.out) == (0, "nesteddocker.nesteddocker.dev/build\n"), ended
    assert "hint: kubectl nested-docker ls --help" in build.run("kubectl", "nested-docker", "ls", "--bad").err


def test_the_python_api(build: Terminal, team: Environment) -> None:
    with NestedDocker("build", kubeconfig=str(build.kubeconfig)) as nested_docker:
        client = nested_docker.client()
        assert client.containers.run("busybox", "echo ran", remove=True) == b"ran\n"
    assert team.get("nesteddocker", "build")


def test_a_temporary_daemon_is_gone_at_the_end(terminal: Terminal, team: Environment) -> None:
    assert "Server" in terminal.succeeds("run", "--progress=quiet", "--", "docker", "version")
    until(lambda: not temporary(team), 30, lambda: f"{temporary(team)} are there")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_temporary_daemon_is_gone_when_the_command_is_interrupted(
    terminal: Terminal, team: Environment, number: signal.Signals
) -> None:
    with terminal.start(*NESTED_DOCKER, "run", "--mode=Dind", "--", "sleep", "600") as process:
        until(lambda: temporary(team) != [], 30, lambda: "none is created")
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors) == (128 + number, False), errors
    until(lambda: not temporary(team), 30, lambda: f"{temporary(team)} are there")


def test_a_second_ctrl_c_leaves_no_daemon(terminal: Terminal, team: Environment) -> None:
    with terminal.start(*NESTED_DOCKER, "run", "--progress=quiet", "--", "sleep", "600") as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: children.read_text() != "", 120, lambda: "the command does not start")
        child = int(children.read_text())
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors) == (130, False), errors
    until(lambda: not temporary(team), 30, lambda: f"{temporary(team)} are there")


def temporary(team: Environment) -> list[str]:
    return [name for each in team.list("nesteddockers") if (name := each["metadata"]["name"]).startswith("tmp-")]


# --- what people look at ------------------------------------------------------------------------------------


def test_its_state_is_shown(build: Terminal) -> None:
    assert build.succeeds("ls").splitlines()[1].split()[:3] == ["build", "True", "Ready"]
    status = build.succeeds("status", "build")
    assert "Ready: clients can connect" in status
    assert "Hazards:" in status
    gates = build.succeeds("why", "build").splitlines()
    assert [line.split()[0] for line in gates] == ["admission", "policy", "scheduling", "pull", "start", "first"]
    assert all(" passed " in line for line in gates)
    assert "Images" in build.succeeds("du", "build")
    assert "API listen on" in build.succeeds("logs", "build")
    assert "FAILED" not in build.succeeds("doctor")


def test_a_report_has_no_secrets(build: Terminal, team: Environment, folder: Path) -> None:
    build.succeeds("report", "--file", str(folder / "report.zip"))
    with zipfile.ZipFile(folder / "report.zip") as archive:
        text = "".join(archive.read(name).decode() for name in archive.namelist())
        assert {"NestedDocker.json", "Pod.json", "Secret.json", "CoreEvent.json"} <= {*archive.namelist()}
    assert team.get("nesteddocker", "build")["metadata"]["uid"] in text
    values = [value for each in team.list("secrets") for value in each["data"].values() if len(value) > 40]
    assert values
    assert not [value for value in values if value in text]
    assert "PRIVATE KEY" not in text


def test_one_that_no_node_can_take(terminal: Terminal) -> None:
    errors = terminal.fails(1, "create", "huge", "--memory=4000Gi", "--timeout=10s")
    assert "NestedDocker huge is not ready (Unschedulable)" in errors
    ended = terminal.cli("why", "huge")
    assert ended.code == 1
    (line,) = [line for line in ended.out.splitlines() if line.startswith("scheduling")]
    assert "waiting" in line
    assert "Insufficient memory" in line
    assert terminal.succeeds("rm", "huge") == "huge deleted\n"


def test_one_whose_policy_is_gone(cluster: Environment, terminal: Terminal, folder: Path) -> None:
    with namespace_of(cluster) as other:
        terminal.succeeds("create", "late", "--no-wait", "-n", other.namespace)
        other.kubectl("label", "namespace", other.namespace, "ci-")
        until(lambda: other.condition("late", "Accepted").get("status") == "False", 60, lambda: "it is accepted")
        ended = terminal.cli("why", "late", "-n", other.namespace)
        assert ended.code == 1
        (line,) = [line for line in ended.out.splitlines() if line.startswith("policy")]
        assert "blocked" in line
        assert "selects namespace" in line
        errors = terminal.fails(1, "create", "second", "-n", other.namespace)
        assert "no NestedDocker is accepted here: ask a cluster admin for a NestedDockerPolicy" in errors
        assert "admission webhook" not in errors


def test_prune_deletes_what_matches(terminal: Terminal, team: Environment) -> None:
    team.apply(API | {"kind": "NestedDocker", "metadata": {"name": "old", "labels": {"a": "b"}}, "spec": {}})
    assert terminal.cli("prune", "--filter=label=a=b").err.startswith("error: nothing was deleted")
    assert terminal.succeeds("prune", "--force", "--filter=label=a=b") == "old deleted\n"
    until(lambda: not team.get("nesteddocker", "old"), 60, lambda: "it is there")


# --- other users and other rules ----------------------------------------------------------------------------


def account(env: Environment, name: str, rights: dict[str, str]) -> str:
    """A token of a new service account with these rights, as verbs by resource."""
    rules = []
    for resource, verbs in rights.items():
        plural, _, group = resource.partition(".")
        rules.append({"apiGroups": [group], "resources": [plural], "verbs": verbs.split(",")})
    api = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": env.namespace}
    env.kubectl("create", "serviceaccount", name)
    env.apply(
        api | {"kind": "Role", "rules": rules},
        api | {"kind": "RoleBinding", "roleRef": reference, "subjects": [subject]},
    )
    return env.kubectl("create", "token", name).strip()


def test_the_documented_rights_suffice_with_a_token_of_a_plugin_or_a_file(
    build: Terminal, team: Environment, folder: Path
) -> None:
    token = account(team, "user", RIGHTS)
    (folder / "token").write_text(token + "\n")
    from_file = build.as_user("file", {"tokenFile": str(folder / "token")})
    assert "Server" in from_file.succeeds(*RUN_BUILD, "docker", "version")
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    (folder / "plugin").write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    (folder / "plugin").chmod(0o755)
    plugin: dict[str, Any] = {"apiVersion": credential["apiVersion"], "command": "./plugin"}
    by_plugin = build.as_user("plugin", {"exec": plugin})
    assert "Server" in by_plugin.succeeds("run", "--progress=quiet", "--", "docker", "version")
    (folder / "plugin").write_text("#!/bin/sh\necho 'log in first' >&2\nexit 1\n")
    errors = build.as_user("failing", {"exec": plugin}).fails(4, "ls")
    assert "log in first" in errors
    assert "its exec plugin ./plugin failed with exit code 1" in errors
    errors = build.as_user("nobody", {}).fails(4, "ls")
    assert "hint: log in again, or choose another context by --context" in errors


def test_a_user_who_may_only_look(build: Terminal, team: Environment) -> None:
    viewer = build.as_user("viewer", {"token": account(team, "viewer", {"nesteddockers.nesteddocker.dev": "get,list"})})
    assert "its pod cannot be read" in viewer.succeeds("why", "build")
    for code, arguments, missing in (
        (125, ["run", "--", "true"], 'cannot create resource "nesteddockers"'),
        (4, ["env", "build"], 'cannot get resource "secrets"'),
        (4, ["logs", "build"], 'cannot get resource "pods/log"'),
        (4, ["ls", "--all-namespaces"], "at the cluster scope"),
    ):
        errors = viewer.fails(code, *arguments)
        assert missing in errors
        assert "hint: ask a cluster admin for this permission" in errors
    ended = viewer.cli("doctor")
    assert ended.code == 1
    assert "Role with verb create on pods/portforward: you need it to reach daemons" in ended.out


def test_who_may_not_forward_ports_learns_it(build: Terminal, team: Environment) -> None:
    rights = {resource: verbs for resource, verbs in RIGHTS.items() if resource != "pods/portforward"}
    user = build.as_user("near", {"token": account(team, "near", rights)})
    assert "you need the permissions get and create on pods/portforward" in user.fails(125, *RUN_BUILD, "true")
    assert "Sysbox         chosen" in user.succeeds("explain")


def test_a_quota_and_another_rule_are_named(cluster: Environment, terminal: Terminal) -> None:
    with namespace_of(cluster) as other:
        other.kubectl("create", "quota", "few", "--hard=count/nesteddockers.nesteddocker.dev=0")
        until(lambda: "few" in denial(terminal, other), 30, lambda: "the quota has no effect")
        errors = terminal.fails(1, "create", "new", "-n", other.namespace)
        assert "exceeded quota: few" in errors
        assert "hint: delete what you do not need, or ask for a larger ResourceQuota" in errors
        other.kubectl("delete", "quota", "few")
        name = other.namespace
        other.apply(*denying(name))
        try:
            until(lambda: "no builds on Fridays" in denial(terminal, other), 30, lambda: "the rule has no effect")
            errors = terminal.fails(1, "create", "new", "-n", name)
            assert f"'{name}'" in errors
            assert "hint: change the request, or ask whoever manages that rule" in errors
        finally:
            other.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)


def denial(terminal: Terminal, env: Environment) -> str:
    return terminal.cli("create", "new", "--dry-run", "-n", env.namespace).err


def denying(namespace: str) -> list[dict[str, Any]]:
    """A rule of somebody else about NestedDockers of one namespace."""
    api = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": namespace}}
    rule = {
        "apiGroups": ["nesteddocker.dev"], "apiVersions": ["*"], "operations": ["CREATE"],
        "resources": ["nesteddockers"],
    }  # fmt: skip
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    policy = {
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
        "validations": [{"expression": "false", "message": "no builds on Fridays"}],
    }
    binding = {"policyName": namespace, "validationActions": ["Deny"]}
    return [
        api | {"kind": "ValidatingAdmissionPolicy", "spec": policy},
        api | {"kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    ]


# --- a pod that is replaced; last, as it takes the daemon's images ------------------------------------------


def test_a_forward_and_logs_go_on_with_the_next_pod(build: Terminal, team: Environment) -> None:
    pod = team.get("nesteddocker", "build")["status"]["podName"]
    with (
        build.start(*NESTED_DOCKER, "forward", "build") as forward,
        build.start(*NESTED_DOCKER, "logs", "--follow", "--tail=1", "build") as logs,
    ):
        assert forward.stdout is not None
        assert logs.stderr is not None
        host = forward.stdout.readline().strip().removeprefix("DOCKER_HOST=")
        time.sleep(2)  # until `logs` follows the first pod
        team.kubectl("delete", "pod", pod, "--grace-period=1")
        answer = build.run("docker", "--host", host, "version", "--format={{.Server.Os}}")
        assert (answer.code, answer.out) == (0, "linux\n"), answer
        after = team.get("nesteddocker", "build")["status"]["podName"]
        assert after != pod
        assert logs.stderr.readline() == f"--- pod {pod} was replaced by {after}\n"
        for process in (forward, logs):
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    assert (forward.returncode, logs.returncode) == (130, 130)
