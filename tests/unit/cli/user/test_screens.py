"""What a person sees in a terminal, as text; UPDATE_SNAPSHOTS=1 writes the screens anew, for review in the diff."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from tests.support.user_world import UserWorld, conditions
from tests.unit.cli.user.screens import screen_of, steady
from tests.unit.snapshot import FOLDER

from nested_docker.cli.app import app

SCREENS = FOLDER / "screens"
COMMANDS = sorted(
    command.name
    for command in app.registered_commands
    if command.name and command.callback is not None and ".cli.user." in command.callback.__module__
)
ARGUMENTS = {"run": ["--", "true"], "ls": [], "doctor": [], "prune": [], "report": []}


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
    message = "image docker:none cannot be pulled: not found; correct spec.engine.image"
    waiting = conditions(
        ("Accepted", "True", "Granted", "policy ci grants it"), ("Ready", "False", "ImagePull", message)
    )
    world.nested_docker("build", **({} if state == "ready" else {"conditions": waiting}))
    name = ["build"] if command in {"status", "why"} else []
    code, text = screen_of([command, *name], programs | {"KUBECONFIG": str(world.kubeconfig)})
    assert code in {0, 1}
    server = world.kubeconfig.read_text().partition("server: ")[2].split()[0]
    check(f"{command}-{state}", steady(text, server=server, programs=programs["PATH"]))


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_input_is_one_line_and_its_remedy(command: str, tmp_path: Path, programs: dict[str, str]) -> None:
    arguments = [command, "--kubeconfig=/none", *ARGUMENTS.get(command, ["build"])]
    code, text = screen_of(arguments, programs | {"XDG_RUNTIME_DIR": str(tmp_path), "SHELL": "/bin/sh"})
    assert code in {1, 4, 125}
    assert "Traceback" not in text
    check(f"wrong-{command}", steady(text, programs=programs["PATH"]))


def test_wrong_input_of_convert_is_one_line_and_its_remedy() -> None:
    code, text = screen_of(["convert", "/none"], {})
    assert code == 2
    check("wrong-convert", steady(text))
