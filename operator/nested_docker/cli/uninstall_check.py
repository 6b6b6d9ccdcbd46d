"""`nested-docker uninstall-check`: what an uninstall of the operator would leave without an operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from nested_docker.domain.ports import Clock

CHECK_AGAIN_SECONDS = 5.0
"""Time between two looks."""

LINES = 50
"""NestedDockers that are listed; of more only the number."""

REMEDY = """\
Without the operator these daemons go on: no deadline, idle timeout or policy ends them, and no certificate is renewed.
Those with a finalizer, and their namespaces, cannot be deleted. Nothing has been deleted yet. Do one of these:
- delete them, and uninstall again: kubectl delete nesteddockers --all --all-namespaces
- wait until they are gone, and uninstall again: kubectl wait --for=delete nesteddockers --all -A --timeout=30m
- let them go on, for the next install to take them over: helm uninstall RELEASE --no-hooks
- keep the release, which Helm does not upgrade until then: helm rollback RELEASE REVISION (see helm history)"""

ListAll = Callable[[], Awaitable[list[Mapping[str, Any]]]]
"""Lists the NestedDockers that the operator serves."""


def uninstall_check(
    namespace: Annotated[
        list[str] | None, typer.Option(help="Namespace that the operator serves; repeatable. Default: all.")
    ] = None,
    wait_seconds: Annotated[float, typer.Option(min=0, help="Wait so long until none is left.")] = 0,
    force: Annotated[bool, typer.Option(help="Only list them: exit with 0 in any case.")] = False,
) -> None:
    """List NestedDockers that have a daemon or a finalizer; exit code 1 if there are any."""
    import asyncio

    from nested_docker.adapters.clock import SystemClock
    from nested_docker.adapters.kube import connect_to_cluster
    from nested_docker.domain.ports import KubeError

    async def check() -> list[str]:
        kube = await connect_to_cluster("nested-docker-uninstall-check")

        async def list_all() -> list[Mapping[str, Any]]:
            served: Sequence[str | None] = namespace or [None]
            return [each for one in served for each in await kube.list("NestedDocker", one)]

        try:
            return await left(list_all, 0 if force else wait_seconds, SystemClock(), typer.echo)
        finally:
            await kube.close()

    try:
        remaining = asyncio.run(check())
    except KubeError as error:
        typer.echo(f"nested-docker uninstall-check: the NestedDockers could not be listed: {error}", err=True)
        typer.echo(
            "Nothing has been deleted. To uninstall without this check: helm uninstall RELEASE --no-hooks", err=True
        )
        raise typer.Exit(0 if force else 1) from error
    typer.echo(text_of(remaining, force=force))
    if remaining and not force:
        raise typer.Exit(1)


async def left(list_all: ListAll, seconds: float, clock: Clock, say: Callable[[str], None]) -> list[str]:
    """A line for each NestedDocker that has a daemon or a finalizer, when there are none or the seconds have passed.

    Raises:
        KubeError: they cannot be listed. A kind that does not exist has no objects.
    """
    import asyncio

    from nested_docker.domain.ports import KubeError

    until = clock.monotonic() + seconds
    while True:
        try:
            remaining = lines_of(await list_all())
        except KubeError as error:
            if error.status != 404:
                raise
            return []
        rest = until - clock.monotonic()
        if not remaining or rest <= 0:
            return remaining
        say(f"{len(remaining)} NestedDockers are left; waiting for at most {rest:.0f} s")
        await asyncio.sleep(min(CHECK_AGAIN_SECONDS, rest))


def lines_of(nested_dockers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Namespace, name and what is there, of each that has a daemon or a finalizer."""
    return sorted(filter(None, map(_line, nested_dockers)))


def _line(obj: Mapping[str, Any]) -> str:
    metadata, status = obj["metadata"], obj.get("status") or {}
    found = []
    if pod := status.get("podName"):
        place = status.get("podNamespace") or metadata["namespace"]
        found.append(f"pod {place}/{pod}, mode {status.get('mode', 'unknown')}")
    if metadata.get("finalizers"):
        found.append("finalizer " + ", ".join(metadata["finalizers"]))
    return f"{metadata['namespace']}/{metadata['name']}: {'; '.join(found)}" if found else ""


def text_of(remaining: Sequence[str], *, force: bool) -> str:
    """What the command prints at the end."""
    if not remaining:
        return "no NestedDocker has a daemon or a finalizer"
    more = [f"and {len(remaining) - LINES} more"] if len(remaining) > LINES else []
    count = f"{len(remaining)} NestedDocker{'s have' if len(remaining) > 1 else ' has'} a daemon or a finalizer:"
    return "\n".join([count, *remaining[:LINES], *more, *([] if force else [REMEDY])])
