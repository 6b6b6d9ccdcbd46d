"""Each command against an API server and a daemon."""

from __future__ import annotations

import json
import os
import sys

import pytest
import yaml
from tests.support.user_world import NAMESPACE, POD, UserWorld, conditions
from tests.unit.cli.user.terminal import Cli


def names_of(world: UserWorld) -> list[str]:
    return [each["metadata"]["name"] for path, each in world.objects.items() if "/nesteddockers/" in path]


# --- create -------------------------------------------------------------------------------------------------


def test_create_waits_and_says_how_to_use_it(world: UserWorld, cli: Cli) -> None:
    ended = cli("create", "build", "--class", "fast", "--memory", "4Gi", "--idle-timeout", "30m", "--set", "suspend=no")
    assert (ended.code, ended.out) == (0, "build is ready; use it: nested-docker run --name build -- docker version\n")
    assert ended.err.split() == ["0s", "Ready:", "clients", "can", "connect"]
    assert world.objects[world.path("nesteddockers", "build")]["spec"] == {
        "className": "fast",
        "resources": {"limits": {"memory": "4Gi"}},
        "idleTimeoutSeconds": 1800,
        "suspend": False,
    }


def test_create_ends_with_the_conditions_message(world: UserWorld, cli: Cli) -> None:
    rows = ("Accepted", "False", "NotGranted", "no policy"), ("Ready", "False", "NotGranted", "no policy")
    world.on_create = lambda each: each.update(status={"observedGeneration": 1, "conditions": conditions(*rows)})
    ended = cli("create", "build", "--progress", "quiet")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "error: NestedDocker build is not ready (NotGranted): no policy\nhint: nested-docker why build\n"
    )


def test_create_that_does_not_wait_asks_once(world: UserWorld, cli: Cli) -> None:
    world.on_create = lambda _: None
    ended = cli("create", "build", "--no-wait", "-o", "name")
    assert (ended.code, ended.out, ended.err) == (0, "nesteddocker.nesteddocker.dev/build\n", "")
    assert [method for method, _ in world.requests] == ["POST"]


def test_a_dry_run_creates_nothing(world: UserWorld, cli: Cli) -> None:
    ended = cli("create", "build", "--dry-run")
    assert (ended.code, ended.out) == (0, "build would be created (dry run)\n")
    assert names_of(world) == []


def test_progress_as_json_is_one_record_per_step(world: UserWorld, cli: Cli) -> None:
    ended = cli("create", "build", "--progress", "json")
    (record,) = map(json.loads, ended.err.splitlines())
    assert record.pop("seconds") >= 0
    assert record == {"stage": "Ready", "reason": "Ready", "message": "clients can connect"}


# --- run and shell ------------------------------------------------------------------------------------------

PING = """
import docker, os
print(os.environ["DOCKER_HOST"].partition("://")[0], "DOCKER_TLS_VERIFY" in os.environ, docker.from_env().ping())
"""


def test_run_gives_a_temporary_daemon_and_the_commands_exit_code(
    world: UserWorld, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    ended = cli("run", "--", sys.executable, "-c", PING + "raise SystemExit(7)")
    assert (ended.code, ended.out) == (7, "unix False True\n")
    assert names_of(world) == []


def test_options_after_the_command_are_the_commands(world: UserWorld, cli: Cli) -> None:
    ended = cli("run", "--progress=quiet", sys.executable, "-c", "import sys; print(sys.argv[1:])", "--name", "x", "-n")
    assert (ended.code, ended.out, ended.err) == (0, "['--name', 'x', '-n']\n", "")


def test_run_with_a_name_uses_what_exists(world: UserWorld, cli: Cli) -> None:
    world.nested_docker("build")
    ended = cli("run", "--name", "build", "--", sys.executable, "-c", PING)
    assert (ended.code, ended.out) == (0, "unix False True\n")
    assert names_of(world) == ["build"]


def test_keep_leaves_what_run_created(world: UserWorld, cli: Cli) -> None:
    assert cli("run", "--name", "cache", "--keep", "--", "true").code == 0
    assert names_of(world) == ["cache"]


def test_a_signal_of_the_command_is_its_code(world: UserWorld, cli: Cli) -> None:
    assert cli("run", "--", "sh", "-c", "kill -9 $$").code == 137


def test_a_command_that_does_not_exist_leaves_nothing(world: UserWorld, cli: Cli) -> None:
    ended = cli("run", "--progress=quiet", "--", "no-such-command")
    assert ended.code == 127
    assert ended.err == "error: no-such-command: command not found\nhint: install it, or correct PATH\n"
    assert names_of(world) == []


def test_errors_of_run_have_their_own_code(world: UserWorld, cli: Cli) -> None:
    world.server.refuse = 403
    ended = cli("run", "--progress=quiet", "--", "true")
    assert ended.code == 125
    assert "you need the permissions get and create on pods/portforward" in ended.err
    assert names_of(world) == []


def test_shell_is_the_users_shell(world: UserWorld, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/true")
    world.nested_docker("build")
    assert cli("shell", "build").code == 0


# --- ls, status, why, logs, rm ------------------------------------------------------------------------------


def test_ls_lists(world: UserWorld, cli: Cli) -> None:
    world.nested_docker("build")
    head, row = cli("ls").out.splitlines()
    assert head.split() == ["NAME", "READY", "REASON", "MODE", "CLASS", "AGE"]
    assert row.split()[:5] == ["build", "True", "Ready", "Dind", "standard"]
    assert cli("ls", "-A").out.split()[0] == "NAMESPACE"
    assert POD in cli("ls", "-o", "wide").out
    assert cli("ls", "-o", "name").out == "nesteddocker.nesteddocker.dev/build\n"
    assert json.loads(cli("ls", "-o", "json").out)["items"][0]["metadata"]["name"] == "build"
    assert yaml.safe_load(cli("ls", "-o", "yaml").out)["kind"] == "NestedDocker"


def test_ls_of_nothing_says_what_to_do(world: UserWorld, cli: Cli) -> None:
    ended = cli("ls")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == f"no NestedDockers in namespace {NAMESPACE}; create one: nested-docker create NAME\n"


def test_status_has_isolation_hazards_and_days(world: UserWorld, cli: Cli) -> None:
    hazard = {"type": "Privileged", "message": "The container is privileged.", "remedy": "Use Sysbox."}
    world.nested_docker("build", hazards=[hazard])
    ended = cli("status", "build")
    assert ended.code == 0
    assert "Isolation:    none: root in a container is root on the node" in ended.out
    assert "  Privileged: The container is privileged.\n    -> Use Sysbox." in ended.out
    assert "left, until 2036-01-01T00:00:00Z" in ended.out


def test_status_of_one_that_is_not_ready_is_a_no(world: UserWorld, cli: Cli) -> None:
    rows = ("Ready", "False", "Unschedulable", "0/3 nodes"), ("Reconciling", "True", "Unschedulable", "")
    world.nested_docker("build", conditions=conditions(*rows))
    assert cli("status", "build").code == 1


def test_why_shows_gates(world: UserWorld, cli: Cli) -> None:
    world.nested_docker("build")
    ended = cli("why", "build")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()] == ["admission", "policy", "pod", "first"]
    records = json.loads(cli("why", "build", "-o", "json").out)
    assert records[0] == {
        "name": "admission", "state": "passed", "at": "2026-03-01T00:00:00+00:00", "detail": "created",
    }  # fmt: skip


@pytest.mark.parametrize("command", [["why", "build"], ["doctor"], ["explain", "build"], ["du", "build"]], ids=str)
def test_results_that_are_no_objects_are_yaml_or_json(world: UserWorld, cli: Cli, command: list[str]) -> None:
    world.nested_docker("build")
    as_yaml, as_json = cli(*command, "-o", "yaml").out, cli(*command, "-o", "json").out
    assert as_yaml.startswith("- "), as_yaml
    assert yaml.safe_load(as_yaml) == json.loads(as_json)


def test_logs_prints_the_daemons_output(world: UserWorld, cli: Cli) -> None:
    world.nested_docker("build")
    ended = cli("logs", "build")
    assert (ended.code, ended.out) == (0, "the daemon's output\n")
    assert ("GET", f"/api/v1/namespaces/{NAMESPACE}/pods/{POD}/log") in world.requests


def test_logs_without_a_pod_is_a_no(world: UserWorld, cli: Cli) -> None:
    world.nested_docker("build", podName="")
    ended = cli("logs", "build")
    assert (ended.code, ended.err) == (1, "error: NestedDocker build has no pod\nhint: nested-docker why build\n")


def test_logs_follow_goes_on_with_the_next_pod(world: UserWorld, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nested_docker.cli.user.logs.NEXT_POD_SECONDS", 0.02)
    manifest = world.nested_docker("build")
    reads = 0

    def refuse(method: str, path: str) -> None:
        nonlocal reads
        if path.endswith("/nesteddockers/build"):
            reads += 1
            if reads == 3:
                manifest["status"]["podName"] = "build-2"
            if reads == 5:
                manifest["status"]["completionTime"] = "2026-03-01T00:00:00Z"

    world.refuse = refuse
    ended = cli("logs", "-f", "build")
    assert (ended.code, ended.out) == (0, "the daemon's output\n" * 2)
    assert ended.err == "--- pod build-1 was replaced by build-2\n"


def test_rm_deletes_what_exists_and_names_what_does_not(world: UserWorld, cli: Cli) -> None:
    world.nested_docker("one")
    world.nested_docker("two")
    ended = cli("rm", "one", "other", "two")
    assert (ended.code, ended.out) == (3, "one deleted\ntwo deleted\n")
    assert ended.err == (f"error: NestedDocker other does not exist in namespace {NAMESPACE}\nhint: there are two\n")
    assert names_of(world) == []


def test_explain_asks_about_each_mode_and_creates_nothing(world: UserWorld, cli: Cli) -> None:
    ended = cli("explain", "-o", "json")
    assert ended.code == 0
    assert [(each["mode"], each["choice"]) for each in json.loads(ended.out)] == [
        ("Rootless", "chosen"), ("Sysbox", "possible"), ("UserNamespace", "possible"), ("Dind", "possible"),
        ("HostSocket", "possible"),
    ]  # fmt: skip
    assert names_of(world) == []


def test_explain_takes_for_impossible_what_the_webhook_only_warns_of(world: UserWorld, cli: Cli) -> None:
    lacking = "NoCapableNode: no node can run mode Rootless (node n1: it has cgroup v1): use nodes with cgroup v2"
    warnings = {"Rootless": [lacking], "Sysbox": ["served because policy is not enforced in this namespace: no policy"]}
    world.warn = lambda manifest: warnings.get(manifest["spec"]["mode"], [])
    ended = cli("explain")
    assert ended.code == 0
    assert ended.out.splitlines()[0].startswith("Sysbox         chosen")
    assert f"Rootless       no        {lacking}" in ended.out.splitlines()


def test_explain_without_a_possible_mode_is_a_no(world: UserWorld, cli: Cli) -> None:
    message = 'admission webhook "x.nesteddocker.dev" denied the request: NotGranted: ask for a policy'
    world.refuse = lambda method, _: (403, {"message": message}) if method == "POST" else None
    ended = cli("explain")
    assert ended.code == 1
    assert ended.out.splitlines()[0] == "Dind           no        NotGranted: ask for a policy"
    assert ended.out.splitlines()[-1] == "No mode is possible here: each line names what would change that."


# --- doctor -------------------------------------------------------------------------------------------------


@pytest.fixture
def standard(world: UserWorld) -> None:
    annotations = {"nesteddocker.dev/is-default-class": "true"}
    manifest = {"metadata": {"name": "standard", "annotations": annotations}, "spec": {}}
    world.objects[world.path("nesteddockerclasses", "standard")] = manifest


@pytest.mark.usefixtures("standard")
def test_doctor_finds_nothing(world: UserWorld, cli: Cli) -> None:
    ended = cli("doctor")
    assert (ended.code, ended.err) == (0, "")
    assert "FAILED" not in ended.out
    assert "ok       default class: standard\n" in ended.out
    assert names_of(world) == []


@pytest.mark.usefixtures("standard")
def test_doctor_has_a_remedy_for_each_missing_permission(world: UserWorld, cli: Cli) -> None:
    world.forbidden = {"create pods/portforward", "get pods/log"}
    ended = cli("doctor")
    assert ended.code == 1
    assert (
        "FAILED   may create pods/portforward: not in namespace team-a\n"
        "         -> ask an admin of namespace team-a for a Role with verb create on pods/portforward: you need it to "
        "reach daemons from outside the cluster\n"
    ) in ended.out
    assert "warning  may get pods/log: not in namespace team-a\n         -> " in ended.out


def test_doctor_without_classes_fails(world: UserWorld, cli: Cli) -> None:
    ended = cli("doctor", "-o", "json")
    assert ended.code == 1
    (failed,) = [each for each in json.loads(ended.out) if each["verdict"] == "FAILED"]
    assert (failed["name"], failed["detail"]) == ("classes", "there is no NestedDockerClass")


@pytest.mark.usefixtures("standard")
def test_doctor_shows_a_denial(world: UserWorld, cli: Cli) -> None:
    denial = {"message": 'admission webhook "validate" denied the request: no policy grants mode Dind'}
    world.refuse = lambda method, path: (403, denial) if (method, path[-13:]) == ("POST", "nesteddockers") else None
    ended = cli("doctor")
    assert ended.code == 1
    assert "FAILED   a NestedDocker is accepted: " in ended.out
    assert "         -> change the request, or ask whoever manages that rule" in ended.out


def test_a_defect_is_one_line_and_its_traceback_on_request(
    world: UserWorld, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> str:
        raise ValueError("a\nb")

    world.nested_docker("build")
    monkeypatch.setattr("nested_docker.cli.user.listing.listing", broken)
    ended = cli("ls")
    assert ended.code == 70
    assert ended.err.splitlines() == [
        "error: ValueError: a b",
        "hint: this is a defect of nested-docker: report it with what NESTED_DOCKER_TRACEBACK=1 prints",
    ]
    monkeypatch.setenv("NESTED_DOCKER_TRACEBACK", "1")
    with pytest.raises(ValueError, match="a\nb"):
        cli("ls")


def test_a_pipe_that_closes_is_no_error(world: UserWorld) -> None:
    world.nested_docker("build")
    command = f"{sys.executable} -m nested_docker status build | head -c 1"
    assert os.system(f"PYTHONPATH=operator {command} >/dev/null") == 0
