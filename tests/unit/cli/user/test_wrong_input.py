"""Wrong input of every command is one line and a remedy, never a traceback."""

from __future__ import annotations

import inspect
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.user_world import Answer, UserWorld
from tests.unit.cli.user.terminal import Cli, Ended

from nested_docker.cli.app import app

USER_COMMANDS = {
    command.name: command.callback
    for command in app.registered_commands
    if command.callback is not None and ".cli.user." in command.callback.__module__
}

ARGUMENTS = {"run": ["--name", "build", "--progress=quiet", "--", "true"], "shell": ["--progress=quiet", "build"]}
"""Arguments of commands that need others than a name."""
WITHOUT_NAME = {"ls", "doctor", "prune", "report"}

FORBIDDEN = 'nesteddockers.nesteddocker.dev is forbidden: User "jane" cannot get resource "nesteddockers"'
WITHOUT_CRD: Answer = (404, "404 page not found\n")


def arguments_of(command: str) -> list[str]:
    return ARGUMENTS.get(command, [] if command in WITHOUT_NAME else ["build"])


def is_one_line_and_a_remedy(ended: Ended) -> Iterator[str]:
    """The problems of an output."""
    lines = [line for line in (ended.out + ended.err).splitlines() if line.startswith(("error: ", "hint: "))]
    if [line.partition(":")[0] for line in lines] != ["error", "hint"]:
        yield f"not one error and one hint: {ended}"
    if "Traceback" in ended.out + ended.err:
        yield f"a traceback: {ended.err}"


def check(command: str, ended: Ended, code: int, fragment: str) -> None:
    if command == "doctor":  # its output is a list of checks
        assert ended.code in {1, 2}
        assert fragment in ended.out + ended.err
        assert "->" in ended.out or "hint:" in ended.err
        assert "Traceback" not in ended.err
        return
    expected = 125 if command in {"run", "shell"} and code != 2 else code
    assert (ended.code, list(is_one_line_and_a_remedy(ended))) == (expected, [])
    assert fragment in ended.err


@pytest.fixture(params=sorted(filter(None, USER_COMMANDS)))
def command(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=sorted(set(filter(None, USER_COMMANDS)) - {"env"}))
def asking(request: pytest.FixtureRequest) -> str:
    """Commands that ask the cluster themselves; `env` has `forward` do it, in another process."""
    name: str = request.param
    return name


def test_all_commands_have_the_options_of_the_cluster(command: str) -> None:
    callback = USER_COMMANDS[command]
    assert callback is not None
    assert {"namespace", "context", "kubeconfig"} <= inspect.signature(callback).parameters.keys()


def test_an_unknown_option(cli: Cli, command: str) -> None:
    check(command, cli(command, "--no-such-option", *arguments_of(command)), 2, "No such option: --no-such-option")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["-n", "ci", "ls"], "options follow the command: nested-docker COMMAND -n; nested-docker --help"),
        (["--output=json", "ls"], "options follow the command: nested-docker COMMAND --output; nested-docker --help"),
        (
            ["context", "-n", "ci"],
            "options follow the command: nested-docker context COMMAND -n; nested-docker context --help",
        ),
        (["--no-such-option", "ls"], "nested-docker --help"),
        (["ls", "--no-such-option"], "nested-docker ls --help"),
    ],
)
def test_an_option_before_its_command(cli: Cli, words: list[str], hint: str) -> None:
    ended = cli(*words)
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == f"hint: {hint}"


def test_a_kubeconfig_that_does_not_exist(cli: Cli, command: str, tmp_path: Path) -> None:
    missing = tmp_path / "none"
    ended = cli(command, f"--kubeconfig={missing}", *arguments_of(command))
    check(command, ended, 4, f"kubeconfig {missing} does not exist")


@pytest.mark.parametrize(
    "text", ["{", "a: [1", "- 1", "", "clusters: 3", "current-context: x", "kind: Config\ncontexts: [{name: x}]"]
)
def test_a_kubeconfig_that_is_none(cli: Cli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    check("ls", cli("ls", f"--kubeconfig={path}"), 4, f"kubeconfig {path} cannot be used: ")


def test_a_context_that_does_not_exist(world: UserWorld, cli: Cli, asking: str) -> None:
    check(asking, cli(asking, "--context=other", *arguments_of(asking)), 4, "cannot be used: ")


def test_an_api_server_that_does_not_answer(world: UserWorld, cli: Cli, asking: str, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_text(world.kubeconfig.read_text().replace(world.server.url, "http://127.0.0.1:1"))
    ended = cli(asking, f"--kubeconfig={path}", *arguments_of(asking))
    check(asking, ended, 4, "the API server does not answer")


def test_a_missing_permission(world: UserWorld, cli: Cli, asking: str) -> None:
    world.refuse = lambda _method, _path: (403, {"reason": "Forbidden", "message": FORBIDDEN})
    check(asking, cli(asking, *arguments_of(asking)), 4, FORBIDDEN)


def test_credentials_that_are_not_accepted(world: UserWorld, cli: Cli, asking: str) -> None:
    world.refuse = lambda _method, _path: (401, {"reason": "Unauthorized", "message": "Unauthorized"})
    check(asking, cli(asking, *arguments_of(asking)), 4, "does not accept your credentials")


def test_a_cluster_without_nested_docker(world: UserWorld, cli: Cli, asking: str) -> None:
    world.refuse = lambda _method, path: WITHOUT_CRD if "nesteddocker" in path else None
    check(asking, cli(asking, *arguments_of(asking)), 4, "the cluster does not know nesteddocker.dev")


def test_a_server_that_is_no_api_server(world: UserWorld, cli: Cli, asking: str) -> None:
    world.refuse = lambda _method, _path: (200, "<html>log in</html>")
    check(asking, cli(asking, *arguments_of(asking)), 4, "is not JSON")


@pytest.mark.parametrize(
    "command", sorted(set(USER_COMMANDS) - WITHOUT_NAME - {"create", "env", "run", "shell", "prune"})
)
def test_a_name_that_does_not_exist(world: UserWorld, cli: Cli, command: str) -> None:
    world.nested_docker("other")
    check(command, cli(command, "build"), 3, "NestedDocker build does not exist in namespace team-a")


NAMES = ["", "-", "a b", "..", ".", "a/b", "A", "build\n", "\x1b[31m", "\udcff", "ä", "x" * 300]
TAKE_A_NAME = ["create", "env", "forward", "status", "why", "logs", "rm", "du"]
OPTIONAL = {"run": ["--progress=quiet", "--name={}", "--", "true"], "shell": ["{}"], "explain": ["{}"]}
"""Without a name these have a meaning too."""


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("command", [*TAKE_A_NAME, *OPTIONAL])
def test_a_name_that_no_nested_docker_has(world: UserWorld, cli: Cli, command: str, name: str) -> None:
    if command in OPTIONAL and not name:
        return
    world.nested_docker("build")
    given = [each.format(name) for each in OPTIONAL.get(command, ["--", "{}"])]
    ended = cli(command, *(["--", *given] if command in {"shell", "explain"} else given))
    assert (ended.code, [*is_one_line_and_a_remedy(ended)]) == (2, [])
    assert "is not a name of a NestedDocker" in ended.err
    assert [path for method, path in world.requests if method != "GET" or "nesteddockers" in path] == []


@pytest.mark.parametrize("namespace", ["a b", "..", "../x", "A", "\x1b[31m", "\udcff", "x" * 64, "team-a\n"], ids=ascii)
def test_a_namespace_that_no_cluster_has(world: UserWorld, cli: Cli, command: str, namespace: str) -> None:
    ended = cli(command, f"--namespace={namespace}", *arguments_of(command))
    check(command, ended, 2, "is not a name of a namespace: use lower-case letters, digits and -")
    assert world.requests == []


@pytest.mark.parametrize("timeout", ["9" * 30, "\u00b2", "99999d"])
def test_a_time_that_is_none(world: UserWorld, cli: Cli, timeout: str) -> None:
    for command in ("create", "env", "forward", "rm"):
        ended = cli(command, "build", f"--timeout={timeout}")
        assert (ended.code, len(ended.err.splitlines())) == (2, 1), ended
        assert ended.err.startswith("error: ")


def test_a_value_of_a_field_that_json_does_not_have(world: UserWorld, cli: Cli) -> None:
    ended = cli("create", "build", "--set", "engine.image=!!binary eA==")
    assert (ended.code, world.requests) == (2, [])
    assert ended.err.startswith("error: engine.image: '!!binary eA==' is not YAML: cannot be represented in JSON")


@pytest.mark.parametrize("command", [*sorted(filter(None, USER_COMMANDS))])
def test_a_system_without_signals_for_the_end_of_terminals(
    world: UserWorld, cli: Cli, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delattr(signal, "SIGHUP")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    ended = cli(command, *arguments_of(command))
    assert ended.code == (125 if command in {"run", "shell"} else 1)
    assert ended.err == "error: nested-docker runs on Linux and macOS only\nhint: on Windows run it in WSL 2\n"
