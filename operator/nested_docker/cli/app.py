"""The command line: its commands, put together."""

from __future__ import annotations

import typer

from nested_docker.cli import cleanup, crds, guard, idle_watch, policy, relay, run

app = typer.Typer(
    name="nested-docker",
    help="Docker daemons for Kubernetes workloads, within what a cluster admin allows.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("crds")(crds.crds)
app.add_typer(policy.policy)
app.add_typer(guard.guard)
app.command("cleanup", hidden=True)(cleanup.cleanup)
app.command("idle-watch", hidden=True)(idle_watch.idle_watch)


@app.command(
    "relay",
    hidden=True,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def _relay(context: typer.Context) -> None:
    """Serve the node's Docker socket; its options are its own."""
    relay.main(context.args)
