"""`nested-docker why`: which gate holds a NestedDocker, or how long each one took."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nested_docker.cli.user import options
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.options import OutputFormat
from nested_docker.cli.user.output import printed_records
from nested_docker.cli.user.running import ClusterOptions, connected, execute, say

if TYPE_CHECKING:
    from nested_docker.adapters.kube import KubeClient


def why_command(
    name: options.NameArgument,
    output: options.Output = OutputFormat.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Show gate by gate why a NestedDocker is not ready, or how long each gate took; exit code 1: it is not ready."""
    cluster = ClusterOptions(namespace, context, kubeconfig)
    execute(lambda: _why(name, cluster, output))


async def _why(name: str, options_: ClusterOptions, output: OutputFormat) -> int:
    from nested_docker.cli.user.durations import parse_moment
    from nested_docker.cli.user.gates import GateState, gate_record, gates, gates_text
    from nested_docker.cli.user.status import events_of
    from nested_docker.client.lifecycle import find

    async with connected(options_) as cluster:
        found = await find(cluster.kube, cluster.namespace, name)
        pod_namespace, pod_name = pod_of(found, cluster.namespace)
        pod = await readable_pod(cluster.kube, pod_namespace, pod_name)
        events = await events_of(cluster.kube, pod_namespace, "Pod", pod_name) if pod else []
    passed = gates(found, pod, events)
    if not printed_records([gate_record(gate) for gate in passed], output):
        created = parse_moment(found["metadata"].get("creationTimestamp"))
        say(gates_text(passed, created, datetime.now(UTC)))
    return ExitCode.OK if passed[-1].state is GateState.PASSED else ExitCode.NO


def pod_of(nested_docker: dict[str, Any], namespace: str) -> tuple[str, str]:
    """Namespace and name of a NestedDocker's pod; the name is empty if there is none."""
    status = nested_docker.get("status") or {}
    return status.get("podNamespace") or namespace, status.get("podName") or ""


async def readable_pod(kube: KubeClient, namespace: str, name: str) -> dict[str, Any] | None:
    """The pod; None: there is none, or this user may not read it."""
    from nested_docker.domain.ports import KubeError

    try:
        return await kube.get("Pod", namespace, name) if name else None
    except KubeError:
        return None
