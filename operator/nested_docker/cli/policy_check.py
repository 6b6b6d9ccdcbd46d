"""`nested-docker policy check`: whether NestedDockers in files would be granted by what else is in the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from nested_docker.cli.findings import Findings
    from nested_docker.cli.manifests import Manifests


def check(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="YAML or JSON with NestedDockers, classes, policies, namespaces, nodes, RuntimeClasses; "
            "a directory is read with all below it, and `-` is standard input.",
        ),
    ],
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Namespace of NestedDockers that name none.")] = (
        "default"
    ),
    namespace_labels: Annotated[
        str, typer.Option(metavar="KEY=VALUE,...", help="Labels of namespaces that no file defines.")
    ] = "",
    assume_runtime: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="RuntimeClass that the cluster is to have; for sysbox-runc also a node that Sysbox runs on. "
            "May be given several times.",
        ),
    ] = None,
    enforcement: Annotated[
        Literal["Enforce", "Warn", "Audit"],
        typer.Option(help="The operator's setting; a namespace's label goes before it."),
    ] = "Enforce",
    engine_image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="The operator's setting, where it is not the one that it comes with."),
    ] = None,
    output: Annotated[Literal["table", "json"], typer.Option(help="Form of the answer.")] = "table",
) -> None:
    """Tell what would become of the NestedDockers in FILEs.

    Exit code 0: all are granted; 1: at least one is denied; 2: the input is wrong, and nothing was judged.
    """
    from nested_docker.cli import offline, policy_report
    from nested_docker.cli.documents import read
    from nested_docker.cli.findings import Findings, Place
    from nested_docker.cli.manifests import check_enforcement, sort_out

    elsewhere = _labels(namespace_labels)
    findings = Findings()
    check_enforcement(elsewhere, Place("--namespace-labels"), findings, path="")
    manifests = sort_out(read(files, findings), findings, namespace=namespace)
    _look_for_requests(manifests, files, findings)
    if not namespace_labels and not findings.problems:
        _tell_of_unknown_namespaces(manifests, findings)
    findings.tell()

    cluster = offline.cluster(
        manifests,
        runtimes=assume_runtime or (),
        elsewhere=elsewhere,
        defaults=offline.defaults(enforcement, engine_image),
    )
    evaluated = [policy_report.EvaluatedObject(wanted, cluster.evaluate(wanted)) for wanted in manifests.nested_dockers]
    typer.echo(policy_report.as_json(evaluated) if output == "json" else policy_report.as_table(evaluated))
    if not all(each.result.granted for each in evaluated):
        raise typer.Exit(1)


def _labels(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    wrong = [key for key, equals, _ in pairs if not equals or not key.strip()]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r}: write KEY=VALUE,KEY=VALUE", param_hint="--namespace-labels")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _look_for_requests(manifests: Manifests, files: list[str], findings: Findings) -> None:
    from nested_docker.cli.findings import Place

    if not manifests.nested_dockers and not findings.problems:
        findings.problem(Place(" ".join(files)), "there is no NestedDocker to judge")


def _tell_of_unknown_namespaces(manifests: Manifests, findings: Findings) -> None:
    for wanted in manifests.nested_dockers:
        if wanted.namespace not in manifests.namespaces:
            findings.note(
                f"no file defines namespace {wanted.namespace}, so it counts as one without labels; "
                "--namespace-labels gives it some",
            )
