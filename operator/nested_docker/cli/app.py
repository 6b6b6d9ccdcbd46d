"""The command line: all commands in one Typer application."""

from __future__ import annotations

import typer

from nested_docker.cli import cleanup, crds, guard, idle_watch, operator, policy, relay

app = typer.Typer(
    name="nested-docker",
    help="Docker daemons for Kubernetes workloads, within the policies of a cluster admin.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.command("operator")(operator.operator_command)
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
    """Serve the node's Docker socket; `nested-docker relay --help` lists the options."""
    relay.run_relay(context.args)
