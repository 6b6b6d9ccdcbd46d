"""`nested-docker create`: creates a NestedDocker and waits until clients can connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.options import OutputFormat, ProgressFormat
from nested_docker.cli.user.output import printed_object
from nested_docker.cli.user.running import ClusterOptions, connected, errors_reported, execute, invalid, say

if TYPE_CHECKING:
    from nested_docker.client.request import DaemonRequest


def create_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the NestedDocker.")],
    class_name: options.ClassName = "",
    mode: options.ModeName = "",
    cpu: options.Cpu = "",
    memory: options.Memory = "",
    idle_timeout: options.IdleTimeout = "",
    lifetime: options.Lifetime = "",
    fields: options.SetFields = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until clients can connect.")] = True,
    timeout: options.Timeout = "5m",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only ask whether the cluster would accept it.")] = False,
    output: options.Output = OutputFormat.TABLE,
    progress: options.ProgressStyle = ProgressFormat.AUTO,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Create a NestedDocker, and wait until clients can connect."""
    from nested_docker.client.request import check_name

    with errors_reported():
        check_name(name)
    request, seconds = request_from_options(
        name, class_name, mode, timeout, cpu=cpu, memory=memory, idle_timeout=idle_timeout, lifetime=lifetime,
        fields=fields or (),
    )  # fmt: skip
    cluster = ClusterOptions(namespace, context, kubeconfig)
    execute(lambda: _create(request, cluster, seconds if wait and not dry_run else 0, output, progress, dry_run))


def request_from_options(
    name: str, class_name: str, mode: str, timeout: str, **spec_options: Any
) -> tuple[DaemonRequest, float]:
    """The request and the seconds to wait; exits if a value is invalid."""
    from nested_docker.cli.user.durations import parse_duration
    from nested_docker.cli.user.spec_options import spec_from_options
    from nested_docker.client.request import DaemonRequest

    try:
        spec, seconds = spec_from_options(**spec_options), parse_duration(timeout)
    except ValueError as error:
        invalid(str(error))
    request = DaemonRequest(name, "", class_name, mode, spec)
    with errors_reported():
        request.check()
    return request, seconds


async def _create(
    request: DaemonRequest,
    options_: ClusterOptions,
    seconds: float,
    output: OutputFormat,
    progress: ProgressFormat,
    dry_run: bool,
) -> None:
    from nested_docker.cli.user.progress_display import shown_progress
    from nested_docker.client.lifecycle import create, wait_until_ready

    async with connected(options_) as cluster:
        created = await create(cluster.kube, request.manifest(cluster.namespace), dry_run=dry_run)
        if seconds:
            with shown_progress(progress) as on_progress:
                created = await wait_until_ready(
                    cluster.kube, cluster.namespace, request.name, seconds=seconds, on_progress=on_progress
                )
    _print(created, output, dry_run=dry_run, ready=bool(seconds))


def _print(created: dict[str, Any], output: OutputFormat, *, dry_run: bool, ready: bool) -> None:
    name = created["metadata"]["name"]
    if printed_object(created, output):
        return
    if dry_run:
        say(f"{name} would be created (dry run)")
    else:
        say(f"{name} {'is ready' if ready else 'created'}; use it: nested-docker run --name {name} -- docker version")
