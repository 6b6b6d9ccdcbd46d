"""The command line: its commands, put together."""

from __future__ import annotations

import typer

from nested_docker.cli import crds, guard, idle_watch, policy, relay, run

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
app.command("relay", hidden=True)(relay.relay)
app.command("idle-watch", hidden=True)(idle_watch.idle_watch)
