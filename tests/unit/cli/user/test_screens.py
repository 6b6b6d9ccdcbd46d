"""What a person sees in a terminal, as text; UPDATE_SNAPSHOTS=1 writes the screens anew, for review in the diff."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.support.user_world import UserWorld, conditions
from tests.unit.cli.user.screens import screen_of, steady
from tests.unit.snapshot import FOLDER

from nested_docker.cli.app import app

SCREENS = FOLDER / "screens"


def commands(group: typer.Typer, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command that people run, with the groups that it is in."""
    for command in group.registered_commands:
        if not command.hidden:
            assert command.name
            yield (*path, command.name)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        assert isinstance(inner.typer_instance.info.name, str)
        yield from commands(inner.typer_instance, *path, inner.typer_instance.info.name)


COMMANDS = sorted(commands(app))
ARGUMENTS = {
    ("run",): ["--kubeconfig=/none", "--", "true"],
    **{(name,): ["--kubeconfig=/none"] for name in ("ls", "doctor", "prune", "report")},
    ("convert",): ["/none"],
    ("crds",): ["--none"],
    ("operator",): ["--none"],
    ("guard", "check"): ["/none", "GET /_ping"],
    ("policy", "check"): ["/none"],
    ("policy", "test"): ["/none"],
}
"""What is wrong; of all other commands it is the cluster."""
GROUPS = sorted({command[:length] for command in COMMANDS for length in range(len(command))})
REMEDIES = ("hint: ", "-> ", ": name ")
"""How a remedy begins."""


def check(name: str, text: str) -> None:
    path = SCREENS / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path} is missing: run UPDATE_SNAPSHOTS=1 make unit and review it"
    assert text == path.read_text()


PULLING = conditions(
    ("Accepted", "True", "Granted", "policy ci grants it"),
    ("Reconciling", "True", "Starting", "its image is pulled"),
    ("Ready", "False", "Starting", "its image is pulled"),
)


@pytest.mark.parametrize("colors", [True, False], ids=["colors", "no-color"])
def test_create_shows_its_progress(world: UserWorld, runtime: Path, colors: bool) -> None:
    looks = itertools.count()

    def look(method: str, path: str) -> None:
        """The daemon is ready when it is looked at for the third time."""
        if (method, path) == ("GET", world.path("nesteddockers", "build")) and next(looks) == 2:
            world.make_ready(world.objects[path])

    def create(manifest: dict[str, Any]) -> None:
        world.make_ready(manifest)
        manifest["status"]["conditions"] = PULLING

    world.on_create, world.refuse = create, look
    variables = {"KUBECONFIG": str(world.kubeconfig), "XDG_RUNTIME_DIR": str(runtime)}
    code, text = screen_of(["create", "build"], variables | ({} if colors else {"NO_COLOR": "1"}))
    assert code == 0
    check("create", steady(text))


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, str]:
    """PATH with a docker CLI, whatever the machine has."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").symlink_to("/bin/true")
    return {"PATH": str(folder)}


@pytest.mark.parametrize("command", ["ls", "status", "why", "doctor"])
@pytest.mark.parametrize("state", ["ready", "not-ready"])
def test_what_is_shown_of_a_daemon(world: UserWorld, programs: dict[str, str], command: str, state: str) -> None:
    world.objects[world.path("nesteddockerclasses", "standard")] = {
        "apiVersion": "nesteddocker.dev/v1alpha1",
        "kind": "NestedDockerClass",
        "metadata": {"name": "standard"},
        "spec": {"modes": ["Dind"]},
    }
    # Short, so that no line is wrapped: an age is wider at some hours than at others.
    message = "image docker:none cannot be pulled; correct spec.engine.image"
    waiting = conditions(
        ("Accepted", "True", "Granted", "policy ci grants it"), ("Ready", "False", "ImagePull", message)
    )
    world.nested_docker("build", **({} if state == "ready" else {"conditions": waiting}))
    name = ["build"] if command in {"status", "why"} else []
    code, text = screen_of([command, *name], programs | {"KUBECONFIG": str(world.kubeconfig)})
    assert code in {0, 1}
    server = world.kubeconfig.read_text().partition("server: ")[2].split()[0]
    check(f"{command}-{state}", steady(text, server=server, programs=programs["PATH"]))


@pytest.mark.parametrize("command", COMMANDS, ids="-".join)
def test_wrong_input_is_one_line_and_its_remedy(
    command: tuple[str, ...], tmp_path: Path, programs: dict[str, str]
) -> None:
    arguments = [*command, *ARGUMENTS.get(command, ["--kubeconfig=/none", "build"])]
    code, text = screen_of(arguments, programs | {"XDG_RUNTIME_DIR": str(tmp_path), "SHELL": "/bin/sh"})
    assert code in {1, 2, 4, 125}
    assert "Traceback" not in text
    assert any(sign in text for sign in REMEDIES), text
    check(f"wrong-{'-'.join(command)}", steady(text, programs=programs["PATH"]))


@pytest.mark.parametrize("command", COMMANDS, ids="-".join)
def test_an_option_that_does_not_exist_is_named_with_the_help(
    command: tuple[str, ...], tmp_path: Path, programs: dict[str, str]
) -> None:
    code, text = screen_of([*command, "--no-such-option"], programs | {"XDG_RUNTIME_DIR": str(tmp_path)})
    first, remedy = text.splitlines()
    assert first.startswith("error: No such option: --no-such-option")
    assert remedy == f"hint: nested-docker {' '.join(command)} --help"
    assert code in {2, 125}


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: "-".join(group) or "none")
def test_a_command_that_does_not_exist_is_named_with_the_help(group: tuple[str, ...]) -> None:
    code, text = screen_of([*group, "no-such-command"], {})
    first, remedy = text.splitlines()
    assert "no-such-command" in first
    assert first.startswith("error: ")
    assert remedy == f"hint: {' '.join(('nested-docker', *group))} --help"
    assert code == 2


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: "-".join(group) or "none")
def test_a_group_without_a_command_is_its_help(group: tuple[str, ...]) -> None:
    code, text = screen_of(group, {})
    assert (code, text) == (2, screen_of([*group, "--help"], {})[1])
