"""Runs actionlint over the workflows.

Of actionlint the registries have the source: what they have under its name as a package fetches the
program from elsewhere while it is installed. So it is built from the Go module that `actionlint/`
pins, once for each version, by the Go that the embedded cluster is built with.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "hack/cluster"))

from embedded import golang  # noqa: E402 - only after the path is set
from embedded.layout import Home  # noqa: E402
from embedded.report import Clock, ClusterError  # noqa: E402
from embedded.shell import logged  # noqa: E402
from embedded.stamps import Step, digest  # noqa: E402

SOURCES = ROOT / "hack/actionlint"
BUILD = ROOT / "build/actionlint"
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"


def build() -> Path:
    """The program, built if there is none of the pinned version.

    Raises:
        ClusterError: It cannot be built.
    """
    program, clock = BUILD / "actionlint", Clock()

    def action() -> None:
        clock.say("building actionlint ...")
        go = golang.toolchain(Home.from_environment(), clock)
        command = [
            go,
            "build",
            "-mod=readonly",
            "-buildvcs=false",
            "-trimpath",
            "-ldflags",
            "-s -w",
            "-o",
            str(program),
        ]
        # the toolchain was chosen above; `auto` would download another behind our back
        settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
        logged([*command, PACKAGE], BUILD / "build.log", env=settings, cwd=SOURCES)

    step = Step("stamp", lambda: digest([SOURCES]), (program,), action)
    if step.due(BUILD):
        step.run(BUILD)
    return program


def main() -> None:
    """Become actionlint."""
    try:
        program = build()
    except ClusterError as error:
        raise SystemExit(f"hack/lint_workflows.py: {error}") from error
    # It calls shellcheck and pyflakes if they happen to be there: then one machine would find what another does not.
    os.chdir(ROOT)
    os.execv(program, [program.name, "-shellcheck=", "-pyflakes=", *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    main()
