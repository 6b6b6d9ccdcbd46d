"""`nested-docker policy`: what policy makes of a request, without a cluster."""

from __future__ import annotations

import typer

from nested_docker.cli import policy_check, policy_test

policy = typer.Typer(
    name="policy",
    help="Judge NestedDockers offline, by the same function as the webhook and the operator.",
    no_args_is_help=True,
)
policy.command("check")(policy_check.check)
policy.command("test")(policy_test.try_cases)
