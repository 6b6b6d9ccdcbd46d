"""`nested-docker run`: the operator."""

from __future__ import annotations

import asyncio
import gc

import typer


def run() -> None:
    """Run the operator; settings are environment variables with the prefix NESTED_DOCKER_."""
    from pydantic import ValidationError

    from nested_docker.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            variable = "NESTED_DOCKER_" + "_".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"{variable}={problem['input']!r}: {problem['msg']}", err=True)
        raise typer.Exit(2) from error

    import uvloop

    from nested_docker.app import serve

    # What is imported stays, and what a burst allocates goes by itself: the collector had better look seldom.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if not runner.run(serve(settings)):
            raise typer.Exit(1)
