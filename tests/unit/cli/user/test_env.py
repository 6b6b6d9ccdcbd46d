"""`env` and the process in the background that it starts."""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import docker
import pytest
import yaml
from tests.support.user_world import CREDENTIALS, NAMESPACE, WAITING, Answer, UserWorld, conditions
from tests.unit.cli.user.terminal import Cli

from nested_docker.cli.user.agent import Agent
from nested_docker.cli.user.agent_target import AgentTarget, Purpose, resolve_target
from nested_docker.cli.user.running import ClusterOptions
from nested_docker.client.private_files import process_directory, shared_directory


def test_env_serves_in_the_background_until_it_is_stopped(world: UserWorld, cli: Cli, runtime: Path) -> None:
    world.nested_docker("build")
    ended = cli("env", "build", "--shell", "bash")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[:3] == ["unset DOCKER_TLS_VERIFY", "unset DOCKER_CERT_PATH", "unset DOCKER_CONTEXT"]
    assert lines[-1] == '# Run this: eval "$(nested-docker env build)"'
    (host,) = re.findall(r"^export DOCKER_HOST=(unix://.*)$", ended.out, re.MULTILINE)
    socket = Path(host.removeprefix("unix://"))
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    client = docker.DockerClient(base_url=host)
    assert client.ping()
    client.close()
    requests = len(world.requests)
    assert cli("env", "build", "--shell", "bash").out == ended.out
    assert world.requests[requests:] == [("GET", world.path("secrets", "build-docker-env"))], "it runs already"
    stopped = cli("env", "build", "--shell", "fish", "--stop")
    assert stopped.out.splitlines()[-2:] == [
        "set -e DOCKER_HOST;",
        "# Run this: nested-docker env build --stop | source",
    ]
    assert not socket.exists()
    assert list((runtime / "nested-docker").iterdir()) == []


def test_an_error_in_the_background_is_printed(world: UserWorld, cli: Cli) -> None:
    world.nested_docker("other")
    ended = cli("env", "build")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == "error: NestedDocker build does not exist in namespace team-a\nhint: there are other\n"


def test_a_stop_without_a_process_only_unsets(world: UserWorld, cli: Cli) -> None:
    assert cli("env", "build", "--shell", "bash", "--stop").out.splitlines()[3] == "unset DOCKER_HOST"


def test_an_agent_that_was_killed_does_not_count(runtime: Path) -> None:
    agent = Agent(shared_directory(), "key")
    pid = os.fork()
    if pid == 0:
        with agent.held():
            agent.publish()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert agent.mark.exists()
    assert not agent.serves()
    assert not agent.stop()
    with agent.held():
        assert not agent.mark.exists(), "the next one does not serve before it says so"


def test_a_directory_of_somebody_else_is_not_used(world: UserWorld, cli: Cli, runtime: Path) -> None:
    (runtime / "nested-docker").mkdir(mode=0o755)
    ended = cli("env", "build")
    assert ended.code == 2
    assert "must be a directory that only you can read: remove it" in ended.err


def agents_that_serve(runtime: Path) -> list[str]:
    return [lock.stem for lock in runtime.glob("nested-docker/*.lock") if Agent(lock.parent, lock.stem).serves()]


def test_a_failure_after_the_start_leaves_no_process(world: UserWorld, cli: Cli, runtime: Path) -> None:
    world.nested_docker("build")
    seen: list[str] = []

    def refuse(_method: str, path: str) -> Answer | None:
        seen.append(path)
        forbidden = path.endswith("build-docker-env") and bool(list(runtime.glob("nested-docker/*.lock")))
        return (403, {"reason": "Forbidden", "message": "no"}) if forbidden else None

    world.refuse = refuse
    ended = cli("env", "build")
    assert (ended.code, agents_that_serve(runtime)) == (4, []), (ended, seen)
    world.refuse = lambda *_: None
    assert cli("env", "build").code == 0
    assert len(agents_that_serve(runtime)) == 1
    world.refuse = refuse
    assert cli("env", "build").code == 4
    assert len(agents_that_serve(runtime)) == 1, "it served others before"


def test_one_interrupt_ends_the_start_of_the_process(world: UserWorld, runtime: Path) -> None:
    world.nested_docker("build", conditions=conditions(*WAITING))
    command = [sys.executable, "-m", "nested_docker", "env", "build"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        deadline = time.monotonic() + 60
        while len(world.requests) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, b"")
    assert agents_that_serve(runtime) == []


@pytest.mark.parametrize("arguments", [["env", "build"], ["env", "--stop", "build"]])
def test_a_directory_that_cannot_be_made(
    world: UserWorld, cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    world.nested_docker("build")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/proc/none")
    ended = cli(*arguments)
    assert ended.code == 2
    assert ended.err == (
        "error: /proc/none/nested-docker cannot be made: No such file or directory\n"
        "hint: set XDG_RUNTIME_DIR to a directory that only you can read, and that can be written\n"
    )


def test_no_place_for_private_files(world: UserWorld, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**_: object) -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    process_directory.cache_clear()
    monkeypatch.setattr("tempfile.mkdtemp", none)
    monkeypatch.setattr("os.access", lambda *_: False)
    ended = cli("ls")
    assert ended.code == 4
    assert "error: there is no place for private files: No usable temporary directory found\nhint: set " in ended.err


def target(kubeconfig: Path | str = "", **options: str) -> AgentTarget:
    return resolve_target("build", ClusterOptions(kubeconfig=str(kubeconfig), **options))


def test_another_current_context_has_another_socket(world: UserWorld) -> None:
    content = yaml.safe_load(world.kubeconfig.read_text())
    content["contexts"].append({"name": "next", "context": {"cluster": "next", "user": "jane"}})
    content["clusters"].append({"name": "next", "cluster": {"server": "http://next.example"}})
    world.kubeconfig.write_text(yaml.safe_dump(content))
    before = target()
    assert before == target(context="test", namespace=NAMESPACE), "it is resolved"
    arguments = [f"--namespace={NAMESPACE}", "--context=test"]
    assert before.options.arguments == arguments, "the process does not resolve it again"
    content["current-context"] = "next"  # kubectl config use-context next
    world.kubeconfig.write_text(yaml.safe_dump(content))
    after = target()
    assert after.options.context == "next"
    content["clusters"][1]["cluster"]["server"] = "http://other.example"
    world.kubeconfig.write_text(yaml.safe_dump(content))
    assert len({before.identity, after.identity, target().identity}) == 3


def test_a_pipe_is_no_kubeconfig_for_the_background(world: UserWorld, cli: Cli) -> None:
    read, write = os.pipe()
    ended = cli("env", "build", f"--kubeconfig=/dev/fd/{read}")
    os.close(write)
    os.close(read)
    assert ended.code == 4
    assert f"kubeconfig /dev/fd/{read} is a pipe" in ended.err


def test_no_file_has_the_credentials(world: UserWorld, cli: Cli, runtime: Path) -> None:
    world.nested_docker("build")
    ended = cli("env", "build", "--shell", "bash")
    assert f"export DOCKER_AUTH_CONFIG='{CREDENTIALS.decode()}'" in ended.out
    assert "PROMPT_COMMAND" not in ended.out
    files = [path for path in runtime.rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in files) == [".lock", ".serves"]
    assert not [path for path in files if "auths" in path.read_text()]
    world.objects[world.path("secrets", "build-docker-env")]["data"] = {}
    assert "DOCKER_AUTH_CONFIG" not in cli("env", "build", "--shell", "bash").out


def test_two_that_start_at_once_share_one_process(world: UserWorld, runtime: Path) -> None:
    world.nested_docker("build", conditions=conditions(*WAITING))
    command = [sys.executable, "-m", "nested_docker", "env", "build", "--shell=bash", "--timeout=60s"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    time.sleep(3)
    world.nested_docker("build")
    ended = [(*each.communicate(timeout=60), each.returncode) for each in started]
    assert {(err, code) for _, err, code in ended} == {("", 0)}
    assert len({out for out, _, _ in ended}) == 1
    assert len([*runtime.rglob("*.lock")]) == 1


def test_a_process_that_waits_for_another_one_says_that_it_is_late(world: UserWorld, runtime: Path) -> None:
    agent = target().agent(Purpose.ENV, 3600, "auto")
    with agent.held():
        answer = agent.start([*target().options.arguments, "--agent=env", "--idle=3600", "--timeout=1", "build"], 60)
    assert answer == {
        "error": "another process in the background does not serve yet", "remedy": "try again", "code": 1
    }  # fmt: skip


def test_every_error_of_the_process_is_one_line(world: UserWorld, runtime: Path) -> None:
    world.nested_docker("build")
    agent = target().agent(Purpose.ENV, 3600, "auto")
    agent.socket.mkdir()
    answer = agent.start([*target().options.arguments, "--agent=env", "--idle=3600", "--timeout=9", "build"], 60)
    assert (answer["code"], "Traceback" in str(answer)) == (2, False)
    assert answer["remedy"] == "correct that file or directory"
    agent.socket.rmdir()


def test_a_process_that_is_stopped_while_it_starts_says_so(world: UserWorld, cli: Cli) -> None:
    world.nested_docker("build", conditions=conditions(*WAITING))
    command = [sys.executable, "-m", "nested_docker", "env", "build"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        agent = target().agent(Purpose.ENV, 3600, "auto")
        deadline = time.monotonic() + 30
        while not agent.stop() and time.monotonic() < deadline:
            time.sleep(0.1)
        _, errors = started.communicate(timeout=60)
    assert (started.returncode, errors) == (
        1, "error: the process in the background was stopped\nhint: try again\n"
    )  # fmt: skip
