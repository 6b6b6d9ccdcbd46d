"""A pod, or a controller's template of one, without the daemon that it has, and with a connection to another one."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nested_docker.convert.clients import clients_of, disconnect, name_what_clients_see, unmount
from nested_docker.convert.connection import GivenConnection, connect_clients
from nested_docker.convert.containers import INIT_CONTAINERS, LISTS, PlacedContainer, containers_of
from nested_docker.convert.daemon_container import CERTIFICATES, Surroundings, read_daemon_container
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, named_at, objects_at, set_or_remove
from nested_docker.convert.recognition import (
    SOCKET_DIRECTORIES,
    SOCKETS,
    Replaced,
    is_socket_directory,
    is_socket_volume,
    replaced_kind,
    runs_jobs_and_daemon,
)
from nested_docker.domain.shown import shorten

NODE_IS_ELSEWHERE = (
    "images, containers and networks of the node's daemon are not there, and neither are its directories: the daemon "
    "is the NestedDocker's own; --mode HostSocket asks for the node's"
)
REST_OF_DIRECTORY = "; whatever else of that directory the pod used must be mounted by its own path"
NO_PODS = "containers are no pods of the namespace any more: they run in the daemon, within its resources"

OF_DAEMON_TOO = {
    "nodeSelector": ("scheduling", "nodeSelector"),
    "tolerations": ("scheduling", "tolerations"),
    "imagePullSecrets": ("engine", "imagePullSecrets"),
}
"""Fields of a pod's spec that the daemon had as its container, and their places in the spec of a NestedDocker."""

OF_POD_ONLY = (
    "affinity", "dnsConfig", "dnsPolicy", "hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostUsers",
    "priorityClassName", "runtimeClassName", "schedulerName", "securityContext", "shareProcessNamespace",
    "topologySpreadConstraints",
)  # fmt: skip


@dataclass(frozen=True)
class ConvertedTemplate:
    """What a template becomes.

    Attributes:
        template: without the daemon; None: nothing else was in it.
        draft: of the NestedDocker.
        unused: names of volumes that only the daemon had.
    """

    template: dict[str, Any] | None
    draft: SpecDraft
    unused: frozenset[str]


def has_daemon(template: Mapping[str, Any], path: str) -> bool:
    """Whether a pod has something that is to be converted.

    Raises:
        UnconvertibleError: a field has a type that no pod can have, or a daemon cannot be taken from its container.
    """
    spec = mapping_at(template.get("spec"), joined(path, "spec"))
    containers = containers_of(spec, path)
    for each in containers:
        if runs_jobs_and_daemon(each.container):
            raise UnconvertibleError(
                f"{each.path}.image {shorten(each.container['image'])!r} starts a daemon beside the runner",
                "choose its image without one, without its DOCKER_ variables, and give the pod the label",
            )
    sockets = _sockets({name: each for name, (each, _) in _volumes(spec, path).items()}, containers)
    return bool(sockets) or any(replaced_kind(each.container) for each in containers)


def converted_template(
    template: Mapping[str, Any], path: str, connection: GivenConnection, around: Surroundings
) -> ConvertedTemplate:
    """The template without its daemon.

    Args:
        template: with metadata and spec.
        path: where it is, for messages.
        connection: what the other containers get.
        around: claims and ConfigMaps of the input, and volumes that the template gets from elsewhere.

    Raises:
        UnconvertibleError: it cannot be converted as it is.
    """
    result, draft = copy.deepcopy(dict(template)), SpecDraft()
    spec = mapping_at(result.get("spec"), joined(path, "spec"))
    containers = containers_of(spec, path)
    kinds = {each.path: kind for each in containers if (kind := replaced_kind(each.container))}
    daemons = [each for each in containers if each.path in kinds]
    helpers = _helpers(containers, daemons)
    gone = [*daemons, *helpers]
    staying = [each for each in containers if each not in gone]
    shared = frozenset[str]().union(*(each.mounted for each in staying))
    own = _volumes(spec, path)
    volumes = {**around.volumes, **{name: each for name, (each, _) in own.items()}}
    places = {**around.volume_paths, **{name: where for name, (_, where) in own.items()}}
    around = replace(around, volumes=volumes, volume_paths=places, shared=shared, daemon_stays=connection.is_beside)
    sockets = _sockets(volumes, containers)
    ways_by_socket = sockets | _mounted_at(SOCKETS | SOCKET_DIRECTORIES, daemons)
    ways = ways_by_socket | _mounted_at(CERTIFICATES, daemons)
    clients = clients_of(staying, ways, has_container=bool(daemons))
    _read_containers(gone, kinds, around, draft)
    _remove_containers(spec, gone)
    for each in clients:
        disconnect(each, draft)
    for each in staying:
        unmount(each, ways, frozenset() if connection.is_beside else ways_by_socket, draft)
    unused = shared.union(*(each.mounted for each in gone)).difference(*(each.mounted for each in staying))
    _drop_volumes(spec, unused, sockets, path, draft)
    _name_what_the_pod_gave(spec, path, draft)
    if not spec.get("containers"):
        return ConvertedTemplate(None, draft, unused)
    name_what_clients_see(clients, around, path, draft)
    connect_clients(result, clients, [each for each in staying if each not in clients], connection, path)
    return ConvertedTemplate(result, draft, unused)


def _volumes(spec: Mapping[str, Any], path: str) -> dict[str, tuple[dict[str, Any], str]]:
    """The volumes of a pod by name, with their paths."""
    return named_at(spec.get("volumes"), joined(path, "spec", "volumes"))


def _helpers(containers: Sequence[PlacedContainer], daemons: Sequence[PlacedContainer]) -> list[PlacedContainer]:
    """Init containers that only fill volumes which, besides them, nothing but the daemon mounts."""
    of_daemons = frozenset[str]().union(*(each.mounted for each in daemons))
    found = []
    for each in containers:
        others = (other.mounted for other in containers if other is not each and other not in daemons)
        ends = each.field == INIT_CONTAINERS and not each.is_native_sidecar and each not in daemons
        if ends and each.mounted and each.mounted <= of_daemons.difference(*others):
            found.append(each)
    return found


def _read_containers(
    gone: Sequence[PlacedContainer], kinds: Mapping[str, Replaced], around: Surroundings, draft: SpecDraft
) -> None:
    """Carry over what daemons have, whose kinds are given by their paths, and name their helpers."""
    for each in gone:
        kind = kinds.get(each.path)
        if kind is None:
            draft.differs(each.path, each.container, "removed: it only fills volumes of the daemon")
            continue
        read_daemon_container(each.container, kind, each.path, around, draft)
        if kind is Replaced.KUBEDOCK:
            draft.differs(each.path, each.container.get("image"), NO_PODS)


def _remove_containers(spec: dict[str, Any], gone: Sequence[PlacedContainer]) -> None:
    for field in LISTS:
        if spec.get(field):
            spec[field] = [each for each in spec[field] if not any(each is other.container for other in gone)]
    if not spec.get(INIT_CONTAINERS):
        spec.pop(INIT_CONTAINERS, None)


def _sockets(volumes: Mapping[str, dict[str, Any]], containers: Sequence[PlacedContainer]) -> frozenset[str]:
    """Volumes that have the node's Docker socket."""
    found = {name for name, volume in volumes.items() if is_socket_volume(volume)}
    for each in containers:
        hosts = (str(variable.get("value", "")) for variable in each.variables if variable.get("name") == "DOCKER_HOST")
        host = next(hosts, "")
        for mount in each.mounts:
            name = str(mount.get("name"))
            if is_socket_directory(volumes.get(name, {}), str(mount.get("mountPath", "")), host):
                found.add(name)
    return frozenset(found)


def _mounted_at(places: Collection[str], containers: Sequence[PlacedContainer]) -> frozenset[str]:
    """Volumes that one of the containers has at one of these paths."""
    return frozenset(
        str(mount.get("name"))
        for each in containers
        for mount in each.mounts
        if str(mount.get("mountPath", "")).rstrip("/") in places
    )


def _drop_volumes(
    spec: dict[str, Any], unused: Collection[str], sockets: Collection[str], path: str, draft: SpecDraft
) -> None:
    volumes = objects_at(spec.get("volumes"), joined(path, "spec", "volumes"))
    for number, volume in enumerate(volumes):
        where = joined(path, "spec", "volumes", number)
        if volume.get("name") in sockets:
            rest = "" if is_socket_volume(volume) else REST_OF_DIRECTORY
            draft.differs(where, volume, NODE_IS_ELSEWHERE + rest)
        elif volume.get("name") in unused:
            draft.differs(where, volume, "removed: only the daemon used it")
    set_or_remove(spec, "volumes", [each for each in volumes if each.get("name") not in {*unused, *sockets}])


def _name_what_the_pod_gave(spec: Mapping[str, Any], path: str, draft: SpecDraft) -> None:
    """What the daemon had as a container of this pod."""
    for field, target in OF_DAEMON_TOO.items():
        if spec.get(field):
            draft.carry(target, spec[field], joined(path, "spec", field), spec[field])
    for field in OF_POD_ONLY:
        if spec.get(field):
            what = "the pod keeps it, and the daemon's pod does not have it"
            draft.differs(joined(path, "spec", field), spec[field], what)
