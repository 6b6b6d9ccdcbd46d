"""The fixtures for other projects' tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.user_world import UserWorld

OPERATOR = Path(__file__).parents[3] / "operator"

SUITE = """
def test_ping(nested_docker, nested_docker_client):
    assert nested_docker.created
    assert nested_docker_client.ping()

def test_same_daemon(nested_docker_client):
    assert nested_docker_client.version()["Version"] == "29.1.0"
"""


def test_a_suite_gets_one_daemon_and_leaves_nothing(world: UserWorld, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nnested_docker_class_name = fast\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "nested_docker.pytest_plugin", "--rootdir=.", "test_it.py"]
    environment = {"PYTHONPATH": str(OPERATOR), "KUBECONFIG": str(world.kubeconfig), "PATH": "/usr/bin:/bin"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # it may be installed here or not; -p loads it once
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr
    posted = [path for method, path in world.requests if method == "POST"]
    assert posted == [world.path("nesteddockers")]
    assert not [path for path in world.objects if "/nesteddockers/" in path]


def test_a_suite_that_does_not_use_it_imports_nothing(tmp_path: Path) -> None:
    program = "import sys, nested_docker.pytest_plugin; print(sorted(m for m in sys.modules if m.startswith('nested')))"
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env={"PYTHONPATH": str(OPERATOR)}, capture_output=True, text=True, check=True)
    assert ran.stdout == "['nested_docker', 'nested_docker.pytest_plugin']\n"


def test_the_entry_point_names_the_plugin() -> None:
    text = (OPERATOR.parent / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\nnested_docker = "nested_docker.pytest_plugin"\n' in text
