"""`--help` is fast because it imports little. Counting modules gives the same result on every machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "aiohttp", "asyncio", "cryptography", "docker", "kopf", "kubernetes", "pydantic", "requests", "rich", "ssl", "yaml",
}  # fmt: skip
MAX_MODULES = 210
"""Modules for `--help`, most of them the standard library's and Typer's: about 100 ms on an idle machine."""


@pytest.mark.parametrize("arguments", [["--help"], ["create", "--help"], ["run", "--help"], ["policy", "--help"]])
def test_help_imports_little(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "nested_docker", *arguments]
    ended = subprocess.run(command, env={"PYTHONPATH": "operator"}, capture_output=True, text=True, check=True)
    imported = [
        line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if line.startswith("import time:")
    ]
    heavy = HEAVY if arguments == ["--help"] else HEAVY - {"pydantic"}  # Typer itself parses options with pydantic
    assert not heavy & {name.partition(".")[0] for name in imported}
    assert arguments != ["--help"] or len(imported) < MAX_MODULES
    assert "Usage: nested-docker" in ended.stdout
