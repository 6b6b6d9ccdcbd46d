"""The command line: all commands in one Typer application."""

from __future__ import annotations

import typer

from nested_docker.cli import (
    cleanup,
    convert,
    crds,
    guard,
    idle_watch,
    operator,
    policy,
    probe_node,
    relay,
    release_test,
    uninstall_check,
)
from nested_docker.cli.user import (
    context,
    create,
    doctor,
    du,
    env,
    explain,
    forward,
    logs,
    ls,
    prune,
    report,
    rm,
    run,
    shell,
    status,
    why,
)

app = typer.Typer(
    name="nested-docker",
    help="Docker daemons for Kubernetes workloads, within the policies of a cluster admin.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)
COMMAND_FIRST = {"allow_interspersed_args": False}
"""What follows the command is its own, also if it looks like an option."""

app.command("create")(create.create_command)
app.command("run", context_settings=COMMAND_FIRST)(run.run_in_daemon)
app.command("shell")(shell.shell_in_daemon)
app.command("env")(env.env_command)
app.command("forward")(forward.forward_command)
app.add_typer(context.context_group)
app.command("ls")(ls.ls_command)
app.command("status")(status.status_command)
app.command("why")(why.why_command)
app.command("explain")(explain.explain_command)
app.command("logs")(logs.logs_command)
app.command("rm")(rm.rm_command)
app.command("prune")(prune.prune_command)
app.command("du")(du.du_command)
app.command("doctor")(doctor.doctor_command)
app.command("report")(report.report_command)
app.command("convert")(convert.convert_command)
app.add_typer(policy.policy)
app.add_typer(guard.guard)
app.command("crds")(crds.crds)
app.command("operator")(operator.operator_command)
app.command("cleanup", hidden=True)(cleanup.cleanup)
app.command("probe-node", hidden=True)(probe_node.probe_node)
app.command("release-test", hidden=True)(release_test.release_test)
app.command("uninstall-check", hidden=True)(uninstall_check.uninstall_check)
app.command("idle-watch", hidden=True)(idle_watch.idle_watch)


@app.command(
    "relay",
    hidden=True,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def _relay(invocation: typer.Context) -> None:
    """Serve the node's Docker socket; `nested-docker relay --help` lists the options."""
    relay.run_relay(invocation.args)
