"""The containers that use the daemon: what leads them to the old one goes, and what they will see is named."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from nested_docker.convert.client_environment import name_old_address, remove_variable
from nested_docker.convert.containers import PlacedContainer
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, objects_at, set_or_remove, text_at
from nested_docker.convert.recognition import CLIENT_VARIABLES
from nested_docker.domain.modes.dockerd import PROBE_SOCKET

EMPTY_BIND_MOUNTS = (
    "`docker run -v` and compose's `./` name directories of the daemon's pod, not of this one: use `docker cp`, "
    "COPY, spec.workload, or form Sidecar of injection (--as sidecar)"
)
PUBLISHED = "ports that containers publish are at the host of DOCKER_HOST, and no longer at localhost"
BESIDE = (
    "the daemon stays in the pod, as a native sidecar: the class must offer form Sidecar (injection.forms), and the "
    "namespace must allow privileged pods"
)
HAS_ITS_OWN = "removed: the connection has its own"
NO_SOCKET = (
    "removed: DOCKER_HOST is no socket any more. A runner that gave it to its jobs gives them the daemon's: "
    f"`docker run -v {PROBE_SOCKET}:{PROBE_SOCKET}`"
)
UNSEEN = "it may set DOCKER_HOST, which cannot be seen here; the connection's value wins over it"


def clients_of(
    staying: Sequence[PlacedContainer], ways: Collection[str], *, has_container: bool
) -> list[PlacedContainer]:
    """The containers that use the daemon; if none says so, each may.

    Args:
        staying: containers beside the daemon.
        ways: volumes by which they reach it.
        has_container: whether the daemon is a container of the pod.
    """
    found = [each for each in staying if each.has_variable("DOCKER_HOST") or each.mounted & {*ways}]
    usual = [each for each in staying if not each.is_native_sidecar]
    return found or (usual if has_container else [])


def disconnect(client: PlacedContainer, draft: SpecDraft) -> None:
    """Take away what leads a client to its daemon, in place.

    Raises:
        UnconvertibleError: it uses a daemon outside of the pod.
    """
    kept = []
    for number, variable in enumerate(client.variables):
        where, name = joined(client.path, "env", number), variable.get("name", "")
        if name in CLIENT_VARIABLES:
            remove_variable(name, variable.get("valueFrom", variable.get("value", "")), where, variable, draft)
        else:
            kept.append(variable)
    set_or_remove(client.container, "env", kept)


def unmount(container: PlacedContainer, ways: Collection[str], lost_sockets: Collection[str], draft: SpecDraft) -> None:
    """Take away the volumes of the old connection, in place.

    Args:
        container: that may mount them.
        ways: these volumes.
        lost_sockets: those of them with a socket, if the new connection is by none.
        draft: what grows.
    """
    kept = []
    for number, mount in enumerate(container.mounts):
        if mount.get("name") in ways:
            where = joined(container.path, "volumeMounts", number)
            draft.differs(where, mount, NO_SOCKET if mount["name"] in lost_sockets else HAS_ITS_OWN)
        else:
            kept.append(mount)
    set_or_remove(container.container, "volumeMounts", kept)


def name_new_place(path: str, value: Any, draft: SpecDraft, *, is_beside: bool, shared: Any = None) -> None:
    """Name what clients see of where the daemon runs.

    Args:
        path: of their pod.
        value: the clients.
        draft: what grows.
        is_beside: whether the daemon is in their pod.
        shared: volumes that they have and the daemon has not, if they are known.
    """
    if is_beside:
        draft.differs(path, value, BESIDE)
    else:
        draft.differs(path, value, PUBLISHED)
        draft.differs(path, shared or value, EMPTY_BIND_MOUNTS)


def name_what_clients_see(
    clients: Sequence[PlacedContainer], around: Surroundings, path: str, draft: SpecDraft
) -> None:
    """Name what may be different for clients, and what may still lead them to the old daemon."""
    if not clients:
        return
    shared = sorted(name for each in clients for name in each.mounted if name in around.volumes)
    named = [each.name for each in clients]
    name_new_place(path.rstrip(" :"), named, draft, is_beside=around.daemon_stays, shared=shared)
    for each in clients:
        _name_unseen(each, around, draft)
        for where, text in each.texts():
            name_old_address(text, where, draft)


def _name_unseen(client: PlacedContainer, around: Surroundings, draft: SpecDraft) -> None:
    """Variables that a container gets from elsewhere, unless the input has them."""
    path = joined(client.path, "envFrom")
    for number, source in enumerate(objects_at(client.container.get("envFrom"), path)):
        where = joined(path, number)
        name = mapping_at(source.get("configMapRef"), joined(where, "configMapRef")).get("name")
        known = around.config_maps.get(name) if isinstance(name, str) else None
        data = mapping_at((known or {}).get("data"), f"ConfigMap/{name}: data")
        prefix = text_at(source.get("prefix"), joined(where, "prefix"))
        if known is None or any(f"{prefix}{key}" in CLIENT_VARIABLES for key in data):
            draft.differs(where, source, UNSEEN)
