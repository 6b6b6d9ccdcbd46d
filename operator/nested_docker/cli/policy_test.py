"""`nested-docker policy test`: tests policies against case files, for CI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def run_cases(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory with case files, *.case.yaml.")],
    output: Annotated[Literal["text", "junit"], typer.Option(help="Output format.")] = "text",
) -> None:
    """Evaluate the cases in DIR and its subdirectories, and compare the results with the expected ones.

    Exit code 0: all pass; 1: at least one fails; 2: the input is invalid, and nothing was evaluated.
    """
    from nested_docker.cli import policy_cases, policy_report
    from nested_docker.cli.findings import Findings

    findings = Findings()
    tests = [
        each
        for path in policy_cases.find_case_files(directory, findings)
        for each in policy_cases.read_case_file(path, findings)
    ]
    findings.exit_on_problems()
    results = [result for test in tests for result in test.run()]
    typer.echo(policy_report.render_junit(results) if output == "junit" else policy_report.render_text(results))
    if not all(result.passed for result in results):
        raise typer.Exit(1)
