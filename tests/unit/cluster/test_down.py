"""`make down` and `cluster down`: which clusters end, and which stay."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded import cli, lifecycle, machine
from embedded.layout import Home
from tests.support.cluster import OWNER

ROOT = Path(__file__).parents[3]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Two clusters of `make`, one of somebody else, one of nobody, and one from before owners were recorded."""
    home = Home(tmp_path)
    for name, owner in {"demo": OWNER, "e2e": OWNER, "theirs": "somebody", "mine": "", "old": None}.items():
        state = home.state(name)
        state.mkdir(parents=True)
        if owner is not None:
            lifecycle.record_owner(state, owner)
    monkeypatch.setenv("NESTED_DOCKER_CLUSTER_HOME", str(tmp_path))
    return home


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the clusters that a command ends."""
    names: list[str] = []
    monkeypatch.setattr(machine, "require_root", lambda: None)
    monkeypatch.setattr(lifecycle, "down", lambda _home, name, _clock: names.append(name))
    before = signal.getsignal(signal.SIGTERM)
    yield names
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--owner", OWNER], ["demo", "e2e"]),
        (["--owner", "nobody"], []),
        (["--name", "mine"], ["mine"]),
        (["--all"], ["demo", "e2e", "mine", "old", "theirs"]),
    ],
)
def test_an_owner_s_clusters_end_and_no_others(
    home: Home, ended: list[str], options: list[str], names: list[str]
) -> None:
    assert cli.main(["down", *options]) == 0
    assert ended == names


def test_whoever_starts_a_cluster_again_owns_it(home: Home, ended: list[str]) -> None:
    lifecycle.record_owner(home.state("demo"), "")
    assert cli.main(["down", "--owner", OWNER]) == 0
    assert ended == ["e2e"]


def make_down(home: Path, kind: str, tmp_path: Path) -> list[str]:
    """What `make down` asks kind for, where `kind get clusters` prints this."""
    program, log = tmp_path / "bin/kind", tmp_path / "log"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>{log}\n[ "$1" = delete ] || {kind}\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    environment["NESTED_DOCKER_CLUSTER_HOME"] = str(home)
    subprocess.run([sys.executable, ROOT / "hack/demo/down.py"], env=environment, check=True)
    return log.read_text().splitlines()


def test_of_kind_s_clusters_only_the_demo_s_ends(tmp_path: Path) -> None:
    asked = make_down(tmp_path / "none", "echo kind nested-docker nested-docker-demo", tmp_path)
    assert asked == [
        "get clusters",
        f"delete cluster --name nested-docker-demo --kubeconfig {ROOT}/build/kind.kubeconfig",
    ]


@pytest.mark.parametrize("kind", ["echo kind nested-docker", "exit 1"])
def test_without_the_demo_s_cluster_nothing_of_kind_s_ends(tmp_path: Path, kind: str) -> None:
    assert make_down(tmp_path / "none", kind, tmp_path) == ["get clusters"]


def test_everything_that_starts_a_cluster_for_make_names_its_owner() -> None:
    assert f'\nOWNER = "{OWNER}"\n' in (ROOT / "hack/demo/providers.py").read_text()
    starts = {
        "hack/image.sh": rf"up --name \$cluster --owner {OWNER} ",
        "hack/demo/providers.py": r'"up", .*"--owner", OWNER',
        "tests/support/cluster.py": r'"up", .*"--owner", OWNER',
        "tests/chart/conftest.py": r'"up", .*"--owner", OWNER',
        "tests/e2e/installation.py": r'"up", .*"--owner", OWNER',
    }
    for file, start in starts.items():
        assert re.search(start, (ROOT / file).read_text()), file
