"""`nested-docker policy check`: whether the policies in files grant the NestedDockers in files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from nested_docker.cli.findings import Findings
    from nested_docker.cli.manifests import Manifests


def check_manifests(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="YAML or JSON file with NestedDockers, classes, policies, namespaces, nodes or RuntimeClasses; "
            "a directory with all such files in it; or `-` for standard input.",
        ),
    ],
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Namespace of NestedDockers without one.")] = (
        "default"
    ),
    namespace_labels: Annotated[
        str, typer.Option(metavar="KEY=VALUE,...", help="Labels of namespaces that no file defines.")
    ] = "",
    assume_runtime: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="RuntimeClass to assume in the cluster; sysbox-runc also adds a node that Sysbox runs on. "
            "May be repeated.",
        ),
    ] = None,
    enforcement: Annotated[
        Literal["Enforce", "Warn", "Audit"],
        typer.Option(help="The operator's enforcement setting; a namespace's label overrides it."),
    ] = "Enforce",
    engine_image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="The operator's engine image, if it is not the default."),
    ] = None,
    output: Annotated[Literal["table", "json"], typer.Option(help="Output format.")] = "table",
) -> None:
    """Print whether the NestedDockers in FILEs would be granted, and why.

    Exit code 0: all are granted; 1: at least one is denied; 2: the input is invalid, and nothing was evaluated.
    """
    from nested_docker.cli import offline, policy_report
    from nested_docker.cli.documents import read_documents
    from nested_docker.cli.findings import Findings, Position
    from nested_docker.cli.manifests import check_enforcement, collect_manifests

    default_labels = _parse_labels(namespace_labels)
    findings = Findings()
    check_enforcement(default_labels, Position("--namespace-labels"), findings, path="")
    manifests = collect_manifests(read_documents(files, findings), findings, namespace=namespace)
    _check_has_nested_dockers(manifests, files, findings)
    if not namespace_labels and not findings.problems:
        _note_unknown_namespaces(manifests, findings)
    findings.exit_on_problems()

    cluster = offline.build_cluster(
        manifests,
        runtimes=assume_runtime or (),
        default_labels=default_labels,
        defaults=offline.operator_defaults(enforcement, engine_image),
    )
    evaluated = [
        policy_report.EvaluatedObject(nested_docker, cluster.evaluate(nested_docker))
        for nested_docker in manifests.nested_dockers
    ]
    typer.echo(policy_report.render_json(evaluated) if output == "json" else policy_report.render_table(evaluated))
    if not all(each.result.granted for each in evaluated):
        raise typer.Exit(1)


def _parse_labels(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    wrong = [key for key, equals, _ in pairs if not equals or not key.strip()]
    if wrong:
        raise typer.BadParameter(
            f"{wrong[0]!r} is not KEY=VALUE: separate labels by commas, KEY=VALUE,KEY=VALUE",
            param_hint="--namespace-labels",
        )
    return {key.strip(): value.strip() for key, _, value in pairs}


def _check_has_nested_dockers(manifests: Manifests, files: list[str], findings: Findings) -> None:
    from nested_docker.cli.findings import Position

    if not manifests.nested_dockers and not findings.problems:
        findings.problem(Position(" ".join(files)), "no NestedDocker to evaluate")


def _note_unknown_namespaces(manifests: Manifests, findings: Findings) -> None:
    for nested_docker in manifests.nested_dockers:
        if nested_docker.namespace not in manifests.namespaces:
            findings.note(
                f"no file defines namespace {nested_docker.namespace}, so it is evaluated without labels; "
                "set them with --namespace-labels",
            )
