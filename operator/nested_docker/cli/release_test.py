"""`nested-docker release-test`: the container of `helm test`, which reaches a release as others reach it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

TIMEOUT_SECONDS = 10.0
TRIES = 5
"""A Service reaches its pods some time after they are ready."""


def release_test(
    metrics: Annotated[str, typer.Option(help="HOST:PORT of the operator's Service for metrics.")] = "",
    webhook: Annotated[str, typer.Option(help="HOST:PORT of the webhook's Service.")] = "",
    authority: Annotated[Path | None, typer.Option(help="File with the CA of the webhook's certificate.")] = None,
) -> None:
    """Check that a replica is ready and exports metrics, and that the webhook's certificate is valid."""
    remedy = "see the log of the operator, and the NetworkPolicies of its namespace"
    if metrics:
        _tried(f"http://{metrics}/readyz", lambda: _read(metrics, "/readyz", "ok"), remedy)
        _tried(f"http://{metrics}/metrics", lambda: _read(metrics, "/metrics", "nested_docker_leading"), remedy)
    if webhook:
        _tried(f"https://{webhook}", lambda: _handshake(webhook, authority), "see webhook.certificate in the values")


def _tried(url: str, check: Callable[[], str], remedy: str) -> None:
    """Repeat a check, which returns what is wrong, until nothing is; exit with 1 if it stays."""
    import time

    problem = ""
    for number in range(TRIES):
        if number:
            time.sleep(1)
        try:
            problem = check()
        except OSError as error:  # TimeoutError and SSLError are such errors
            problem = str(error) or type(error).__name__
        if not problem:
            typer.echo(f"{url} answers")
            return
    typer.echo(f"nested-docker release-test: {url}: {problem}: {remedy}", err=True)
    raise typer.Exit(1)


def _read(address: str, path: str, wanted: str) -> str:
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    except HTTPException as error:
        return f"no HTTP: {error!r}"
    finally:
        connection.close()
    return "" if response.status == 200 and wanted in text else f"{response.status} {text[:200]}"


def _handshake(address: str, authority: Path | None) -> str:
    import socket
    import ssl

    host, _, port = address.rpartition(":")
    context = ssl.create_default_context(cafile=authority)
    with (
        socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=host),
    ):
        return ""
