"""`nested-docker doctor`: whether this user can have a daemon here, and what to do if not."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from nested_docker.cli.user import options
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.options import OutputFormat
from nested_docker.cli.user.output import printed_records
from nested_docker.cli.user.running import ClusterOptions, Connected, connected, execute, say

if TYPE_CHECKING:
    from nested_docker.cli.user.checks import Check


def doctor_command(
    class_name: options.ClassName = "",
    mode: options.ModeName = "",
    output: options.Output = OutputFormat.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Check cluster, permissions, classes and policy for this user; exit code 1: a check failed."""
    cluster = ClusterOptions(namespace, context, kubeconfig)
    execute(lambda: _doctor(cluster, class_name, mode, output))


async def _doctor(options_: ClusterOptions, class_name: str, mode: str, output: OutputFormat) -> int:
    from nested_docker.cli.user.checks import Verdict, checks_text

    checks = await _checks(options_, class_name, mode)
    if not printed_records([vars(each) for each in checks], output):
        say(checks_text(checks))
    return ExitCode.NO if any(each.verdict is Verdict.FAILED for each in checks) else ExitCode.OK


async def _checks(options_: ClusterOptions, class_name: str, mode: str) -> list[Check]:
    """All checks; what depends on one that failed is left out."""
    from nested_docker.cli.user.checks import Check, Verdict
    from nested_docker.client.errors import NestedDockerError
    from nested_docker.client.lifecycle import list_all

    checks = [_docker_check()]
    try:
        async with connected(options_) as cluster:
            checks.append(Check("kubeconfig", Verdict.OK, f"{cluster.cluster.server}, namespace {cluster.namespace}"))
            await list_all(cluster.kube, cluster.namespace)
            checks.append(Check("NestedDocker is installed", Verdict.OK))
            checks += await _permission_checks(cluster)
            checks += await _class_checks(cluster)
            checks.append(await _trial(cluster, class_name, mode))
    except NestedDockerError as error:
        checks.append(Check("cluster", Verdict.FAILED, error.message, error.remedy))
    return checks


def _docker_check() -> Check:
    from nested_docker.cli.user.checks import Check, Verdict

    found = shutil.which("docker")
    if found:
        return Check("docker CLI", Verdict.OK, found)
    remedy = "install the docker CLI for `nested-docker run -- docker …`; a daemon on this machine is not needed"
    return Check("docker CLI", Verdict.WARNING, "not found in PATH", remedy)


async def _permission_checks(cluster: Connected) -> list[Check]:
    from nested_docker.cli.user.checks import NEEDED, USEFUL, permission_check

    checks = []
    for required, rows in ((True, NEEDED), (False, USEFUL)):
        for row in rows:
            allowed = await _may(cluster, *row[:4])
            checks.append(permission_check(row, cluster.namespace, allowed=allowed, required=required))
    return checks


async def _may(cluster: Connected, verb: str, group: str, resource: str, subresource: str) -> bool:
    from nested_docker.client.errors import user_error
    from nested_docker.domain.ports import KubeError

    attributes = {"namespace": cluster.namespace, "verb": verb, "group": group, "resource": resource}
    review: dict[str, Any] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": attributes | ({"subresource": subresource} if subresource else {})},
    }
    try:
        answer = await cluster.kube.create(review)
    except KubeError as error:
        raise user_error(error, "ask for your permissions") from error
    return bool((answer.get("status") or {}).get("allowed"))


async def _class_checks(cluster: Connected) -> list[Check]:
    from nested_docker.cli.user.checks import Check, Verdict, class_checks
    from nested_docker.domain.ports import KubeError

    try:
        return class_checks(await cluster.kube.list("NestedDockerClass"))
    except KubeError as error:
        remedy = "ask a cluster admin for the verb list on nesteddockerclasses, or for the name of a class"
        return [Check("classes", Verdict.WARNING, f"cannot be listed ({error.status})", remedy)]


async def _trial(cluster: Connected, class_name: str, mode: str) -> Check:
    """Whether admission would accept a NestedDocker; it creates nothing."""
    from nested_docker.cli.user.checks import Check, Verdict
    from nested_docker.client.errors import NestedDockerError
    from nested_docker.client.lifecycle import create
    from nested_docker.client.request import DaemonRequest

    request = DaemonRequest(class_name=class_name, mode=mode)
    try:
        request.check()
        await create(cluster.kube, request.manifest(cluster.namespace), dry_run=True)
    except NestedDockerError as error:
        return Check("a NestedDocker is accepted", Verdict.FAILED, error.message, error.remedy)
    return Check("a NestedDocker is accepted", Verdict.OK, "by a dry run")
