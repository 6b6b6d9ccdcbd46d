"""`nested-docker explain`: which mode a NestedDocker gets, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.completion import complete_name
from nested_docker.cli.user.create import request_from_options
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.options import OutputFormat
from nested_docker.cli.user.output import printed_records
from nested_docker.cli.user.running import ClusterOptions, Connected, connected, execute, say

if TYPE_CHECKING:
    from nested_docker.client.request import DaemonRequest


def explain_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="Name of a NestedDocker; default: one that you would create.",
            autocompletion=complete_name,
        ),
    ] = "",
    class_name: options.ClassName = "",
    fields: options.SetFields = None,
    output: options.Output = OutputFormat.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Show which mode a NestedDocker gets, and why no other one; exit code 1: none.

    Without a name it asks the cluster about each mode by a dry run, which creates nothing.
    """
    request, _ = request_from_options("", class_name, "", "0", fields=fields or ())
    cluster = ClusterOptions(namespace, context, kubeconfig)
    execute(lambda: _explain(name, request, cluster, output))


async def _explain(name: str, request: DaemonRequest, options_: ClusterOptions, output: OutputFormat) -> int:
    from nested_docker.cli.user.mode_advice import (
        Choice,
        advice,
        advice_of,
        advice_text,
        why_chosen,
        why_it_has_its_mode,
    )
    from nested_docker.client.lifecycle import find

    async with connected(options_) as cluster:
        if name:
            existing = await find(cluster.kube, cluster.namespace, name)
            class_spec = await _class_spec(cluster, (existing.get("status") or {}).get("className") or "")
            found, why = advice_of(existing), why_it_has_its_mode(existing, class_spec)
        else:
            class_name, problems = await _problems(cluster, request)
            class_spec = await _class_spec(cluster, class_name)
            found, why = advice(class_spec, problems), why_chosen(class_spec)
    if not printed_records([vars(each) for each in found], output):
        say(advice_text(found, why))
    return ExitCode.OK if any(each.choice is Choice.CHOSEN for each in found) else ExitCode.NO


async def _problems(cluster: Connected, request: DaemonRequest) -> tuple[str, dict[str, str]]:
    """The class that the request gets, if any mode is possible, and why other modes are not."""
    import dataclasses

    from nested_docker.api.meta import Mode
    from nested_docker.cli.user.mode_advice import is_shortcoming
    from nested_docker.client.errors import DeniedError, InvalidRequestError
    from nested_docker.client.lifecycle import dry_run_create

    class_name = request.class_name
    problems: dict[str, str] = {}
    for mode in Mode:
        manifest = dataclasses.replace(request, mode=mode).manifest(cluster.namespace)
        try:
            created, warnings = await dry_run_create(cluster.kube, manifest)
            class_name = created["spec"].get("className") or class_name
            problems.update((mode.value, warning) for warning in warnings if is_shortcoming(warning))
        except (DeniedError, InvalidRequestError) as error:
            problems[mode.value] = error.message.partition(": ")[2] or error.message
    return class_name, problems


async def _class_spec(cluster: Connected, name: str) -> dict[str, Any]:
    """The spec of a class; empty if this user may not read it, or no mode is possible in the default class."""
    from nested_docker.domain.ports import KubeError

    try:
        found = await cluster.kube.get("NestedDockerClass", None, name) if name else None
    except KubeError:
        return {}
    return (found or {}).get("spec") or {}
