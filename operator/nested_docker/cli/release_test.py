"""`nested-docker release-test`: the container of `helm test`, which reaches a release as others reach it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TIMEOUT_SECONDS = 10.0
TRIES = 5
"""A Service reaches its pods some time after they are ready."""


def release_test(
    metrics: Annotated[str, typer.Option(help="URL of the operator's Service for metrics.")] = "",
    webhook: Annotated[str, typer.Option(help="HOST:PORT of the webhook's Service.")] = "",
    authority: Annotated[Path | None, typer.Option(help="File with the CA of the webhook's certificate.")] = None,
) -> None:
    """Check that a replica is ready, that it exports metrics, and that the webhook's certificate is valid."""
    import asyncio

    async def check() -> list[str]:
        said = []
        if metrics:
            said.append(await _read(f"{metrics}/readyz", "ok"))
            said.append(await _read(f"{metrics}/metrics", "nested_docker_leading"))
        if webhook:
            said.append(await _handshake(webhook, authority))
        return said

    try:
        for line in asyncio.run(check()):
            typer.echo(line)
    except _FailedError as error:
        typer.echo(f"nested-docker release-test: {error}", err=True)
        raise typer.Exit(1) from error


class _FailedError(Exception):
    """A check failed, or what it asks did not answer."""


async def _read(url: str, wanted: str) -> str:
    import asyncio

    import aiohttp

    problem = ""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)) as session:
        for _ in range(TRIES):
            try:
                async with session.get(url) as response:
                    text = await response.text()
                    if response.status == 200 and wanted in text:
                        return f"{url} answers"
                    problem = f"{response.status} {text[:200]}"
            except (aiohttp.ClientError, TimeoutError) as error:
                problem = str(error) or type(error).__name__
            await asyncio.sleep(1)
    raise _FailedError(f"{url}: {problem}: see the log of the operator, and the NetworkPolicies of its namespace")


async def _handshake(address: str, authority: Path | None) -> str:
    import asyncio
    import ssl

    host, _, port = address.rpartition(":")
    problem = ""
    for _ in range(TRIES):
        try:
            context = ssl.create_default_context(cafile=authority)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                _, writer = await asyncio.open_connection(host, int(port), ssl=context)
            writer.close()
        except (OSError, TimeoutError) as error:  # an SSLError is an OSError
            problem = str(error) or type(error).__name__
            await asyncio.sleep(1)
        else:
            return f"{address} has a valid certificate"
    raise _FailedError(f"{address}: {problem}: see webhook.certificate in the chart's values")
