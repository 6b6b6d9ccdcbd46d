"""`nested-docker operator`: the operator."""

from __future__ import annotations

import gc

import typer


def operator_command() -> None:
    """Run the operator. Settings are environment variables with the prefix NESTED_DOCKER_."""
    from pydantic import ValidationError

    from nested_docker.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            variable = "NESTED_DOCKER_" + "_".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"{variable}={problem['input']!r}: {problem['msg']}", err=True)
        raise typer.Exit(2) from error

    import asyncio

    import uvloop

    from nested_docker.app import run_operator

    # Imported modules are never freed, and reference counting frees what a burst allocates: collect rarely.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if not runner.run(run_operator(settings)):
            raise typer.Exit(1)
