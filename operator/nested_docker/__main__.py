"""Entry point: the command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        sys.exit(_run())
    except KeyboardInterrupt:  # while modules are imported
        sys.exit(130)


def _run() -> int:
    from nested_docker.cli.standard_streams import open_missing_streams

    open_missing_streams()
    if sys.argv[1:2] == ["relay"]:  # it runs in many pods, so it does not import Typer
        from nested_docker.cli import relay

        relay.run_relay(sys.argv[2:])
        return 0
    from nested_docker.cli.entry import run_command_line

    return run_command_line(sys.argv[1:], sys.argv[0])


if __name__ == "__main__":
    main()
