"""The command line as a whole: what a command does not need is not imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pydantic", "yaml", "kopf", "kubernetes", "aiohttp", "nested_docker.api", "nested_docker.domain")


@pytest.mark.parametrize("module", ["nested_docker.cli.policy", "nested_docker.cli.findings"])
def test_what_is_heavy_waits_for_its_command(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert printed.stdout == "[]\n"
