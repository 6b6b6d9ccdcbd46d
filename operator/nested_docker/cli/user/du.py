"""`nested-docker du`: what fills a daemon's disk."""

from __future__ import annotations

from typing import Any

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.options import OutputFormat, ReachOption
from nested_docker.cli.user.output import printed_records
from nested_docker.cli.user.running import errors_reported


def du_command(
    name: options.NameArgument,
    output: options.Output = OutputFormat.TABLE,
    reach: options.ReachWay = ReachOption.AUTO,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Show what images, containers, volumes and the build cache of a daemon take."""
    from nested_docker.cli.user.usage import usage_rows, usage_text
    from nested_docker.client.session import NestedDocker

    settings: dict[str, Any] = {"namespace": namespace, "context": context, "kubeconfig": kubeconfig}
    with errors_reported(), NestedDocker(name, attach=True, timeout=5, reach=reach.value, **settings) as daemon:
        found = _df(daemon)
    if not printed_records([vars(row) for row in usage_rows(found)], output):
        typer.echo(usage_text(usage_rows(found)))


def _df(daemon: Any) -> dict[str, Any]:
    import docker.errors
    import requests

    from nested_docker.client.errors import UnreachableError

    try:
        found: dict[str, Any] = daemon.client().df()
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise UnreachableError(f"the daemon does not say what it uses: {error}", "try again") from error
    return found
