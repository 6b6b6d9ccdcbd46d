"""`prune`, `du` and the shells' completion."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.user_world import UserWorld, conditions
from tests.unit.cli.user.terminal import Cli

from nested_docker.cli.kubectl_completion import candidates
from nested_docker.cli.user.selection import selected
from nested_docker.cli.user.usage import size_text

NOW = datetime(2026, 3, 2, tzinfo=UTC)
FINISHED = {"completionTime": "2026-03-01T12:00:00Z"}


def nested_docker(
    name: str, status: dict[str, Any], *, age: str = "2026-03-01T00:00:00Z", **labels: str
) -> dict[str, Any]:
    return {"metadata": {"name": name, "creationTimestamp": age, "labels": labels}, "status": status}


ALL = [
    nested_docker("finished", FINISHED, ci="a"),
    nested_docker("ready", {"conditions": conditions(("Ready", "True", "", ""))}, ci="b"),
    nested_docker("young", {}, age="2026-03-01T23:00:00Z"),
]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([], ["finished"]),
        (["finished=false"], ["ready", "young"]),
        (["ready=true"], ["ready"]),
        (["ready=false", "age=2h"], ["finished"]),
        (["age=30m"], ["finished", "ready", "young"]),
        (["label=ci"], ["finished", "ready"]),
        (["label=ci=b"], ["ready"]),
    ],
)
def test_filters_select(filters: list[str], names: list[str]) -> None:
    assert [each["metadata"]["name"] for each in selected(ALL, filters, NOW)] == names


@pytest.mark.parametrize("text", ["", "finished", "finished=yes", "ready=1", "age=", "label=", "name=x"])
def test_what_is_no_filter_says_which_there_are(cli: Cli, text: str) -> None:
    ended = cli("prune", f"--filter={text}")
    assert ended.code == 2
    assert ended.err == (
        f"error: {text!r} is not a filter: use finished=true|false, ready=true|false, age=DURATION, label=KEY or "
        "label=KEY=VALUE\n"
    )


def names_of(world: UserWorld) -> list[str]:
    return [each["metadata"]["name"] for path, each in world.objects.items() if "/nesteddockers/" in path]


def test_prune_deletes_what_has_finished(world: UserWorld, cli: Cli) -> None:
    world.nested_docker("one", **FINISHED)
    world.nested_docker("two")
    assert cli("prune", "--dry-run").out == "one would be deleted\n"
    assert names_of(world) == ["one", "two"]
    assert cli("prune", "--force").out == "one deleted\n"
    assert names_of(world) == ["two"]
    assert cli("prune", "--force").err == "nothing to delete\n"


def test_prune_without_a_terminal_needs_force(world: UserWorld, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    world.nested_docker("one", **FINISHED)
    ended = cli("prune")
    assert (ended.code, ended.out) == (1, "one would be deleted\n")
    assert ended.err == ("error: nothing was deleted: there is no terminal to ask\nhint: repeat it with --force\n")
    assert names_of(world) == ["one"]


def test_du_shows_what_a_daemon_uses(world: UserWorld, cli: Cli) -> None:
    world.nested_docker("build")
    ended = cli("du", "build")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split() for line in ended.out.splitlines()] == [
        ["TYPE", "TOTAL", "ACTIVE", "SIZE"],
        ["Images", "2", "1", "1.5GB"],
        ["Containers", "2", "1", "1.5kB"],
        ["Volumes", "1", "0", "0B"],
        ["Build", "cache", "0", "0", "0B"],
    ]
    assert json.loads(cli("du", "build", "-o", "json").out)[0]["bytes"] == 1_500_000_000


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (999, "999B"), (1500, "1.5kB"), (2.5e12, "2.5TB"), (1e16, "1e+04TB")]
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.fixture
def completing(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("_NESTED_DOCKER_COMPLETE", "COMP_WORDS", "COMP_CWORD"):
        monkeypatch.setenv(variable, "")  # so that it is restored


@pytest.mark.usefixtures("completing")
def test_kubectl_completes_commands_and_options() -> None:
    assert candidates(["cr"]) == ["create", "crds"]
    assert "--namespace" in candidates(["create", "--n"])
    assert candidates(["no-such"]) == []


@pytest.mark.usefixtures("completing")
def test_names_of_the_cluster_are_completed(world: UserWorld) -> None:
    for name in ("build", "cache"):
        world.nested_docker(name)
    world.objects[world.path("nesteddockerclasses", "standard")] = {"metadata": {"name": "standard"}, "spec": {}}
    for command in ("status", "rm", "logs", "explain", "shell", "env", "forward", "why", "du"):
        assert candidates([command, "b"]) == ["build"], command
    assert candidates(["context", "rm", "c"]) == ["cache"]
    assert candidates(["run", "--name", "c"]) == ["cache"]
    assert candidates(["create", "new", "--class", "s"]) == ["standard"]
    assert candidates(["create", "new", "--mode", "D"]) == ["Dind"]
    assert candidates(["create", "b"]) == []


@pytest.mark.usefixtures("completing")
def test_without_a_cluster_nothing_is_completed(world: UserWorld, capfd: pytest.CaptureFixture[str]) -> None:
    world.refuse = lambda *_: (403, {"reason": "Forbidden", "message": "no"})
    assert candidates(["status", "b"]) == []
    world.kubeconfig.write_text("{")
    assert candidates(["status", "b"]) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "pwsh"])
def test_shells_complete(shell: str) -> None:
    environment = {
        "PYTHONPATH": "operator", "_NESTED_DOCKER_COMPLETE": f"complete_{shell}", "COMP_WORDS": "nested-docker lo",
        "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "nested-docker lo", "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": "lo",
    }  # fmt: skip
    command = [sys.executable, "-m", "nested_docker"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "logs" in ran.stdout
    assert ran.stderr == ""
