"""What the tool tells people: progress and failures on stderr; stdout is for results."""

import sys
import time


class ClusterError(Exception):
    """Something failed; the text names the path or value concerned and what to do about it."""

    exit_code = 1


class UnsupportedMachineError(ClusterError):
    """This machine can't run the embedded cluster at all; other ways to get a cluster may do."""

    exit_code = 2

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the embedded cluster can't run here: {reason}\n"
            "Any Kubernetes does instead, for example: kind create cluster --config kind-config.yaml"
        )


class Clock:
    """Seconds since this command began, the measure of every progress line.

    The node's process continues the clock of the `cluster up` that started it: both run on
    CLOCK_MONOTONIC, which processes share, so its log can be read beside the command's lines.
    """

    def __init__(self, origin: float | None = None) -> None:
        self.origin = time.monotonic() if origin is None else origin

    def say(self, *words: object) -> None:
        """Print a progress line, prefixed by the seconds elapsed."""
        elapsed = time.monotonic() - self.origin
        print(f"{elapsed:7.2f}s", *words, file=sys.stderr, flush=True)


def tail(text: str, lines: int = 15) -> str:
    """The last lines of a program's output, for a failure message."""
    return "\n".join(text.rstrip().splitlines()[-lines:])
