"""Entry point: the command line."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from nested_docker.cli.app import app

    app()


if __name__ == "__main__":
    main()
