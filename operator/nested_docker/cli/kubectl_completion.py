"""Completion of `kubectl nested-docker`: kubectl runs `kubectl_complete-nested_docker` with the words so far."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence

NO_FILES = ":4"
"""The directive of Cobra's protocol that the shell completes no file names."""


def print_candidates() -> None:
    """Print candidates, one a line, and the directive."""
    print("\n".join([*candidates(sys.argv[1:]), NO_FILES]))  # noqa: T201 - this is the protocol


def candidates(words: Sequence[str]) -> list[str]:
    """What may follow the words; the last one is incomplete, and may be empty.

    Args:
        words: those behind `kubectl nested-docker`.
    """
    from nested_docker.cli.entry import run_command_line

    os.environ |= {
        "_NESTED_DOCKER_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["nested-docker", *words]),
        "COMP_CWORD": str(len(words)),
    }
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        run_command_line([])
    return printed.getvalue().split()
