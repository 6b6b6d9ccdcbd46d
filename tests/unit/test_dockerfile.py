"""The image has the packages of the lock as they were released: nothing of them is deleted."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DELETES = {"rm", "rmdir", "unlink", "shred", "truncate", "-delete", "uninstall"}


def commands() -> list[str]:
    """What the Dockerfile runs while it builds."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", "")
    return [line.removeprefix("RUN ") for line in text.splitlines() if line.startswith("RUN ")]


def check() -> str:
    """The program by which the build looks for files that are missing."""
    last = shlex.split(commands()[-1])
    assert last[:2] == ["/opt/nested-docker/bin/python", "-c"]
    return last[2]


def missing_files(packages: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", "-c", check()]
    return subprocess.run(command, env={"PYTHONPATH": str(packages)}, capture_output=True, text=True, check=False)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with one installed package."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "pkg-1.dist-info").mkdir()
    (tmp_path / "pkg-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: pkg\nVersion: 1\n")
    (tmp_path / "pkg-1.dist-info" / "RECORD").write_text("pkg/__init__.py,,\npkg-1.dist-info/METADATA,,\n")
    return tmp_path


def test_the_build_deletes_nothing() -> None:
    assert commands()
    assert not [word for command in commands() for word in shlex.split(command) if word in DELETES]


def test_the_build_fails_when_a_file_of_a_package_is_missing(packages: Path) -> None:
    whole = missing_files(packages)
    assert (whole.returncode, whole.stderr) == (0, "")
    (packages / "pkg" / "__init__.py").unlink()
    amputated = missing_files(packages)
    assert amputated.returncode == 1
    assert "pkg/__init__.py" in amputated.stderr
