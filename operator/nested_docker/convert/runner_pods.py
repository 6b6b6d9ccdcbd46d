"""What pods of Actions Runner Controller have in common, whoever makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nested_docker.convert.clients import disconnect, unmount
from nested_docker.convert.connection import GivenConnection
from nested_docker.convert.containers import PlacedContainer, containers_of
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, named_at

RUNNER = "runner"
"""The container that runs the jobs."""
CONTAINER_JOBS = (
    "`container:` jobs and Docker actions mount the runner's directories _work and externals, which the daemon has "
    "only if it is in the pod (--as sidecar) and both are volumes"
)
WORK_STAYS = "added: it was made with the daemon, and containers mount it"


@dataclass(frozen=True)
class VolumesOfDaemon:
    """Names of the volumes that are made with a daemon.

    Attributes:
        socket: the one with its socket.
        others: which nothing else needs.
        work: the one with the jobs' files; empty: it is made without a daemon too.
    """

    socket: str
    others: frozenset[str] = frozenset()
    work: str = "work"


def detach(
    template: dict[str, Any],
    path: str,
    further: Sequence[PlacedContainer],
    made: VolumesOfDaemon,
    *,
    connection: GivenConnection,
    draft: SpecDraft,
) -> None:
    """Take away what leads to a daemon that Actions Runner Controller makes, in place, and keep what else it made.

    Args:
        template: of the runner's pod.
        path: of it.
        further: containers that are elsewhere.
        made: with the daemon.
        connection: what the runner gets.
        draft: what grows.

    Raises:
        UnconvertibleError: a variable leads to another daemon.
    """
    spec = mapping_at(template.get("spec"), joined(path, "spec"))
    containers = [*containers_of(spec, path), *further]
    for each in containers:
        if each.name == RUNNER or each in further:
            disconnect(each, draft)
        unmount(each, {made.socket, *made.others}, () if connection.is_beside else {made.socket}, draft)
    volumes = named_at(spec.get("volumes"), joined(path, "spec", "volumes"))
    if made.work not in volumes and any(made.work in each.mounted for each in containers):
        volume = {"name": made.work, "emptyDir": {}}
        spec["volumes"] = [*(each for each, _ in volumes.values()), volume]
        template["spec"] = spec
        draft.differs(joined(path, "spec", "volumes"), volume, WORK_STAYS)
