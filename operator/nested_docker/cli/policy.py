"""`nested-docker policy`: evaluates policies without a cluster."""

from __future__ import annotations

import typer

from nested_docker.cli import policy_check, policy_test

policy = typer.Typer(
    name="policy",
    help="Evaluate NestedDockers offline, with the same code as the webhook and the operator.",
    no_args_is_help=True,
)
policy.command("check")(policy_check.check_manifests)
policy.command("test")(policy_test.run_cases)
