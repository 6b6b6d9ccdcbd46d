"""`nested-docker report`: a zip for whoever helps you."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.running import ClusterOptions, Connected, connected, execute, invalid, say

if TYPE_CHECKING:
    from nested_docker.domain.objects import Manifest

KINDS_OF_NAMESPACE = ("NestedDocker", "Pod", "Service", "NetworkPolicy", "Secret", "CoreEvent")
KINDS_OF_CLUSTER = ("NestedDockerClass", "NestedDockerPolicy")
ALL_ARE_OURS = frozenset({"NestedDocker", "CoreEvent", *KINDS_OF_CLUSTER})


def report_command(
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="Where to write it; default: nested-docker-report.zip.")
    ] = "nested-docker-report.zip",
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Write a zip with the objects of a namespace that concern NestedDocker, without values of Secrets.

    Values of environment variables, commands and arguments are left out too. Logs are not in it.
    """
    if Path(file).exists():
        invalid(f"{file} exists", "remove it, or name another file by --file")
    cluster = ClusterOptions(namespace, context, kubeconfig)
    execute(lambda: _report(cluster, Path(file)))


async def _report(options_: ClusterOptions, path: Path) -> None:
    from nested_docker.client.errors import InvalidRequestError
    from nested_docker.client.lifecycle import list_all

    async with connected(options_) as cluster:
        await list_all(cluster.kube, cluster.namespace)  # an error here is an error of the whole report
        files = await _files(cluster)
    try:
        _write(path, files)
    except OSError as error:
        raise InvalidRequestError(
            f"{path} cannot be written: {error.strerror}", "name another file by --file"
        ) from error
    say(f"{path} written; look at it before you send it")


async def _files(cluster: Connected) -> dict[str, str]:
    """The files by name; a kind that this user may not list has the error in its place."""
    from nested_docker import __version__
    from nested_docker.cli.user.redaction import redacted, without_url_users
    from nested_docker.domain.names import WATCH_SELECTOR
    from nested_docker.domain.ports import KubeError

    files = {"about.json": _json({"version": __version__, "time": datetime.now(UTC), "namespace": cluster.namespace})}
    for kind in (*KINDS_OF_NAMESPACE, *KINDS_OF_CLUSTER):
        where = cluster.namespace if kind in KINDS_OF_NAMESPACE else None
        try:
            found: list[Manifest] = await cluster.kube.list(
                kind, where, labels="" if kind in ALL_ARE_OURS else WATCH_SELECTOR
            )
        except KubeError as error:
            files[f"{kind}.error.txt"] = without_url_users(f"{error}\n")
        else:
            files[f"{kind}.json"] = _json([redacted(each) for each in found])
    return files


def _write(path: Path, files: dict[str, str]) -> None:
    with path.open("xb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=str) + "\n"
