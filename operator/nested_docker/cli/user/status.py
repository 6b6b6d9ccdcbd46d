"""`nested-docker status`: everything about one NestedDocker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nested_docker.cli.user import options
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.options import OutputFormat
from nested_docker.cli.user.output import printed_object
from nested_docker.cli.user.running import ClusterOptions, connected, execute, say

if TYPE_CHECKING:
    from nested_docker.adapters.kube import KubeClient


def status_command(
    name: options.NameArgument,
    output: options.Output = OutputFormat.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Show state, isolation, hazards, certificate, conditions and Events; exit code 1: it is not ready."""
    cluster = ClusterOptions(namespace, context, kubeconfig)
    execute(lambda: _show(name, cluster, output))


async def _show(name: str, options_: ClusterOptions, output: OutputFormat) -> int:
    from nested_docker.cli.user.status_text import status_text
    from nested_docker.client.lifecycle import find
    from nested_docker.client.progress import DaemonStage, progress_of

    async with connected(options_) as cluster:
        found = await find(cluster.kube, cluster.namespace, name)
        events = await events_of(cluster.kube, cluster.namespace, "NestedDocker", name)
    if not printed_object(found, output):
        say(status_text(found, events, datetime.now(UTC)))
    return ExitCode.OK if progress_of(found).stage is DaemonStage.READY else ExitCode.NO


async def events_of(kube: KubeClient, namespace: str, kind: str, name: str) -> list[dict[str, Any]]:
    """The Events of an object; none if they cannot be read."""
    from nested_docker.domain.ports import KubeError

    fields = f"involvedObject.kind={kind},involvedObject.name={name}"
    try:
        return await kube.list("CoreEvent", namespace, fields=fields)
    except KubeError:
        return []
