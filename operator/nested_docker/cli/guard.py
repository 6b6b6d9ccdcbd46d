"""`nested-docker guard`: the guard's decisions without a daemon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nested_docker.api.v1alpha1.guard import GuardRules

guard = typer.Typer(name="guard", help="Check Docker API requests against a guard's rules.", no_args_is_help=True)

PLACEHOLDER_UID = "00000000-0000-0000-0000-000000000000"
"""Owner's UID in the checks. It does not matter, since only the daemon knows who owns an object."""


@guard.callback()
def _together() -> None:
    """Make `check` a subcommand although it is the only one."""


@guard.command("check")
def check_requests(
    rules: Annotated[str, typer.Argument(metavar="RULES", help="File with the rules in JSON, or the JSON itself.")],
    requests: Annotated[
        list[str],
        typer.Argument(
            metavar="REQUEST...",
            help="`METHOD TARGET [BODY-FILE]` in one argument, such as 'POST /v1.45/containers/create create.json'.",
        ),
    ],
) -> None:
    """Check REQUESTs against RULES, except for conditions that need a daemon, which are listed.

    Exit code 0: the rules allow all requests; 1: they deny at least one; 2: the input is invalid.
    """
    from nested_docker.cli.user.running import invalid
    from nested_docker.guard.rules_flag import read_rules

    try:
        parsed_rules = read_rules(rules)
        lines = [_request(each) for each in requests]
    except OSError as error:
        invalid(f"{error.filename}: {error.strerror}", "RULES and BODY-FILE are files that you may read")
    except ValueError as error:
        invalid(str(error), "nested-docker guard check --help")
    results = [_check(parsed_rules, *each) for each in lines]
    for allowed, line in results:
        typer.echo(f"{'allowed' if allowed else 'denied '}  {line}")
    if not all(allowed for allowed, _ in results):
        raise typer.Exit(1)


def _request(line: str) -> tuple[str, str, bytes]:
    method, _, rest = line.partition(" ")
    target, _, file = rest.partition(" ")
    if not target:
        raise ValueError(f"{line!r} is not METHOD TARGET [BODY-FILE]")
    return method, target, Path(file).read_bytes() if file else b""


def _check(rules: GuardRules, method: str, target: str, body: bytes) -> tuple[bool, str]:
    from nested_docker.guard.decision import decide, parse_request
    from nested_docker.guard.errors import GuardDenied

    request = f"{method} {target}"
    try:
        decision = decide(parse_request(method, target.encode()), body, rules, PLACEHOLDER_UID)
    except GuardDenied as denied:
        return False, f"{request}: {denied.message} (rule: {denied.rule}, status {denied.status})"
    conditions = [f"{each.kind} {each.name} must be {each.requirement}" for each in decision.forward_plan.references]
    if decision.waived is not None:
        conditions.append(f"although {decision.waived.message} (rule: {decision.waived.rule})")
    return True, f"{request}{': ' if conditions else ''}{'; '.join(conditions)}"
