"""`nested-docker uninstall-check`: what an uninstall of the operator would leave without an operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from nested_docker.domain.ports import Clock

CHECK_AGAIN_SECONDS = 5.0
"""Time between two looks."""

REFUSED_FOR_GOOD = frozenset({400, 401, 403})
"""Statuses of answers that are the same the next time."""

LINES = 50
"""Objects that are listed; of more only the number."""

LEFT = "has a daemon, a finalizer or a scheduling gate"

REMEDY = """\
Without the operator these daemons go on: no deadline, idle timeout or policy ends them, and no certificate is renewed.
Those with a finalizer, and their namespaces, cannot be deleted. Pods behind the gate never start. Nothing has been
deleted yet. Do one of these:
- delete them, and uninstall again: kubectl delete nesteddockers --all --all-namespaces, and the pods by their names
- wait until they are gone, and uninstall again: kubectl wait --for=delete nesteddockers --all -A --timeout=30m
- let them go on, for the next install to take them over: helm uninstall RELEASE --no-hooks
- keep the release, which Helm does not upgrade until then: helm rollback RELEASE REVISION (see helm history)"""

NEVERTHELESS = """\
If Helm says that this Job has failed, a container that a webhook has added to its pod did not end. Nothing has been
deleted. Exempt the pod from that webhook by the values hooks.podLabels or hooks.podAnnotations, or uninstall without
the check: helm uninstall RELEASE --no-hooks"""
"""Helm shows the log only if the Job has failed."""

ListAll = Callable[[], Awaitable[list[Mapping[str, Any]]]]
"""Lists what the operator serves: NestedDockers, and pods that ask for a daemon by their label."""


def uninstall_check(
    namespace: Annotated[
        list[str] | None, typer.Option(help="Namespace that the operator serves; repeatable. Default: all.")
    ] = None,
    wait_seconds: Annotated[float, typer.Option(min=0, help="Wait so long until none is left.")] = 0,
    force: Annotated[bool, typer.Option(help="Only list them: exit with 0 in any case.")] = False,
) -> None:
    """List what has a daemon, a finalizer or a scheduling gate; exit code 1 if there is anything."""
    import asyncio

    from nested_docker.adapters.clock import SystemClock
    from nested_docker.adapters.kube import connect_to_cluster
    from nested_docker.domain.names import LABEL_INJECT
    from nested_docker.domain.objects import CLIENT_POD
    from nested_docker.domain.ports import KubeError

    async def check() -> list[str]:
        kube = await connect_to_cluster("nested-docker-uninstall-check")

        async def list_all() -> list[Mapping[str, Any]]:
            served: Sequence[str | None] = namespace or [None]
            kinds = (("NestedDocker", ""), (CLIENT_POD, LABEL_INJECT))
            return [each for one in served for kind, key in kinds for each in await listed(kind, one, key)]

        async def listed(kind: str, one: str | None, labels: str) -> list[dict[str, Any]]:
            try:
                return await kube.list(kind, one, labels=labels)
            except KubeError as error:
                if error.status != 404:  # a kind that does not exist has no objects
                    raise
                return []

        try:
            return await left(list_all, 0 if force else wait_seconds, SystemClock(), typer.echo)
        finally:
            await kube.close()

    try:
        remaining = asyncio.run(check())
    except KubeError as error:
        typer.echo(f"nested-docker uninstall-check: NestedDockers and pods could not be listed: {error}", err=True)
        typer.echo(
            "Nothing has been deleted. To uninstall without this check: helm uninstall RELEASE --no-hooks", err=True
        )
        raise typer.Exit(0 if force else 1) from error
    typer.echo(text_of(remaining, force=force))
    if remaining and not force:
        raise typer.Exit(1)


async def left(list_all: ListAll, seconds: float, clock: Clock, say: Callable[[str], None]) -> list[str]:
    """A line for each object that is left, when there is none or the seconds have passed.

    Raises:
        KubeError: they cannot be listed, and could not be until the seconds had passed.
    """
    import asyncio

    from nested_docker.domain.ports import KubeError

    until = clock.monotonic() + seconds
    while True:
        try:
            remaining = lines_of(await list_all())
            rest = until - clock.monotonic()
            if not remaining or rest <= 0:
                return remaining
            found = f"{len(remaining)} NestedDockers and pods are left"
        except KubeError as error:
            rest = until - clock.monotonic()
            if rest <= 0 or error.status in REFUSED_FOR_GOOD:
                raise
            found = f"the API server cannot list them now ({error})"
        say(f"{found}; waiting for at most {rest:.0f} s")
        await asyncio.sleep(min(CHECK_AGAIN_SECONDS, rest))


def lines_of(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """Namespace, name and what is there, of each object that has a daemon, a finalizer or a scheduling gate."""
    return sorted(filter(None, (_of_pod(each) if each["kind"] == "Pod" else _line(each) for each in objects)))


def _of_pod(pod: Mapping[str, Any]) -> str:
    from nested_docker.domain.injection.fairness import is_gated
    from nested_docker.domain.injection.pod_life import FINAL_PHASES
    from nested_docker.domain.injection.sidecar_verdict import has_sidecar

    if has_sidecar(pod) and (pod.get("status") or {}).get("phase") not in FINAL_PHASES:
        found = "its daemon is a sidecar"
    elif is_gated(pod):
        found = "it waits behind its scheduling gate"
    else:
        return ""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}: pod; {found}"


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
        return f"no NestedDocker and no pod {LEFT}\n{NEVERTHELESS}"
    more = [f"and {len(remaining) - LINES} more"] if len(remaining) > LINES else []
    count = f"NestedDockers and pods of which each {LEFT}: {len(remaining)}"
    return "\n".join([count, *remaining[:LINES], *more, NEVERTHELESS if force else REMEDY])
