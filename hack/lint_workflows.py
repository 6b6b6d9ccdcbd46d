"""Runs actionlint over the workflows."""

from __future__ import annotations

import os
import sys

from go_tool import ROOT, build

sys.path.insert(0, str(ROOT / "hack/cluster"))

from embedded.report import ClusterError


def main() -> None:
    """Become actionlint."""
    try:
        program = build("actionlint", "github.com/rhysd/actionlint/cmd/actionlint")
    except ClusterError as error:
        raise SystemExit(f"hack/lint_workflows.py: {error}") from error
    # It calls shellcheck and pyflakes if they happen to be there: then one machine would find what another does not.
    os.chdir(ROOT)
    os.execv(program, [program.name, "-shellcheck=", "-pyflakes=", *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    main()
