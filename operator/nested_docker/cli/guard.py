"""`nested-docker guard`: what the guard of the host's socket would say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nested_docker.api.v1alpha1.guard import GuardRules

guard = typer.Typer(name="guard", help="The guard of the host's Docker socket, without a daemon.", no_args_is_help=True)

UID = "00000000-0000-0000-0000-000000000000"
"""Stands for the owner's, which decides on nothing here: whose an object is, only a daemon can tell."""


@guard.callback()
def _together() -> None:
    """Keep `check` a command of its own while it is the only one."""


@guard.command("check")
def check(
    rules: Annotated[str, typer.Argument(metavar="RULES", help="File with the rules as JSON, or the JSON itself.")],
    requests: Annotated[
        list[str],
        typer.Argument(
            metavar="REQUEST...",
            help="`METHOD TARGET [BODY-FILE]` in one argument, such as 'POST /v1.45/containers/create create.json'.",
        ),
    ],
) -> None:
    """Judge REQUESTs by RULES, as far as that can be told without a daemon.

    Exit code 0: all would pass, on the conditions that are listed; 1: at least one would be refused; 2: the input is
    wrong, and nothing was judged.
    """
    from nested_docker.guard.rules_flag import read_rules

    try:
        judged_by = read_rules(rules)
        api_request = [_request(each) for each in requests]
    except (OSError, ValueError) as error:
        typer.echo(f"nested-docker guard check: {error}", err=True)
        raise typer.Exit(2) from error
    verdicts = [_forward_plan(judged_by, *each) for each in api_request]
    for passes, line in verdicts:
        typer.echo(f"{'passes ' if passes else 'refused'}  {line}")
    if not all(passes for passes, _ in verdicts):
        raise typer.Exit(1)


def _request(line: str) -> tuple[str, str, bytes]:
    method, _, rest = line.partition(" ")
    target, _, file = rest.partition(" ")
    if not target:
        raise ValueError(f"{line!r} is not METHOD TARGET [BODY-FILE]")
    return method, target, Path(file).read_bytes() if file else b""


def _forward_plan(rules: GuardRules, method: str, target: str, body: bytes) -> tuple[bool, str]:
    from nested_docker.guard import decision as validate
    from nested_docker.guard.errors import GuardDenied

    api_request = f"{method} {target}"
    try:
        decision = validate.decide(validate.read(method, target.encode()), body, rules, UID)
    except GuardDenied as denied:
        return False, f"{api_request}: {denied.message} (rule: {denied.rule}, status {denied.status})"
    conditions = [f"{each.kind} {each.name} must be {each.need}" for each in decision.forward_plan.references]
    if decision.waived is not None:
        conditions.append(f"though {decision.waived.message} (rule: {decision.waived.rule})")
    return True, f"{api_request}{': ' if conditions else ''}{'; '.join(conditions)}"
