"""`nested-docker policy test`: whether policies do what their authors want, for CI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def try_cases(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory with case files, *.case.yaml.")],
    output: Annotated[Literal["text", "junit"], typer.Option(help="Form of the answer.")] = "text",
) -> None:
    """Judge the cases in DIR and below, and compare with what they expect.

    Exit code 0: all are as expected; 1: at least one is not; 2: the input is wrong, and nothing was judged.
    """
    from nested_docker.cli import policy_cases, policy_report
    from nested_docker.cli.findings import Findings

    findings = Findings()
    prepared = [
        each for path in policy_cases.find(directory, findings) for each in policy_cases.prepare(path, findings)
    ]
    findings.tell()
    outcomes = [outcome for each in prepared for outcome in each.run()]
    typer.echo(policy_report.as_junit(outcomes) if output == "junit" else policy_report.as_lines(outcomes))
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)
