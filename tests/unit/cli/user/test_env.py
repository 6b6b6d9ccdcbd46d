"""`env` and the process in the background that it starts."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from pathlib import Path

import docker
from tests.support.user_world import UserWorld
from tests.unit.cli.user.terminal import Cli

from nested_docker.cli.user.agent import Agent
from nested_docker.client.private_files import shared_directory


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
    assert len(world.requests) == requests, "the running process is used"
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


def test_a_stop_without_a_process_only_unsets(cli: Cli) -> None:
    assert cli("env", "build", "--shell", "bash", "--stop").out.splitlines()[3] == "unset DOCKER_HOST"


def test_an_agent_that_was_killed_does_not_count(runtime: Path) -> None:
    agent = Agent(shared_directory(), "key")
    pid = os.fork()
    if pid == 0:
        with agent.held():
            agent.publish({"DOCKER_HOST": "x"})
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert json.loads(agent.state.read_text()) == {"DOCKER_HOST": "x"}
    assert agent.environment() is None
    assert not agent.stop()


def test_a_directory_of_somebody_else_is_not_used(cli: Cli, runtime: Path) -> None:
    (runtime / "nested-docker").mkdir(mode=0o755)
    ended = cli("env", "build")
    assert ended.code == 2
    assert "must be a directory that only you can read: remove it" in ended.err
