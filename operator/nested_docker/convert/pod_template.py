"""A pod, or a controller's template of one, without the daemon that it has, and with a connection to another one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nested_docker.convert.daemon_container import CERTIFICATES, Surroundings, read_daemon_container
from nested_docker.convert.difference import (
    Difference,
    UnconvertibleError,
    joined,
    mapping_at,
    objects_at,
    text_at,
    texts_at,
)
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.recognition import (
    CLIENT_VARIABLES,
    LOCAL_HOST,
    SOCKET_DIRECTORIES,
    SOCKETS,
    Replaced,
    is_socket_volume,
    replaced_kind,
)
from nested_docker.domain import names
from nested_docker.domain.shown import shorten

LISTS = ("initContainers", "containers")
CERTIFICATE_VOLUME = "nested-docker"
MOUNT_PATH = "/certs/client"
ADDRESSES = ("localhost", "127.0.0.1", "docker.sock", ":2375", "DOCKER_HOST=")

EMPTY_BIND_MOUNTS = (
    "`docker run -v` and compose's `./` name directories of the daemon's pod, not of this one: use `docker cp`, "
    "COPY, spec.workload, or form Sidecar of injection"
)
PUBLISHED = "ports that containers publish are at the host of DOCKER_HOST, and no longer at localhost"
NODE_IS_ELSEWHERE = (
    "images, containers and networks of the node's daemon are not there, and neither are its directories: the daemon "
    "is the NestedDocker's own; --mode HostSocket asks for the node's"
)
NO_PODS = "containers are no pods of the namespace any more: they run in the daemon, within its resources"


@dataclass(frozen=True)
class GivenConnection:
    """How containers get the connection.

    Attributes:
        nested_docker: name of the NestedDocker whose Secrets they get; empty: by the label.
        class_name: NestedDockerClass of the label.
    """

    nested_docker: str = ""
    class_name: str = ""


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


@dataclass(frozen=True)
class _Place:
    path: str
    container: dict[str, Any]


def has_daemon(template: Mapping[str, Any], path: str) -> bool:
    """Whether a pod has something that is to be converted.

    Raises:
        UnconvertibleError: a field has a type that no pod can have.
    """
    spec = mapping_at(template.get("spec"), joined(path, "spec"))
    volumes = objects_at(spec.get("volumes"), joined(path, "spec", "volumes"))
    containers = [each.container for each in _places(spec, path)]
    return any(map(replaced_kind, containers)) or any(map(is_socket_volume, volumes))


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
    volumes = objects_at(spec.get("volumes"), joined(path, "spec", "volumes"))
    by_name = {text_at(each.get("name"), joined(path, "spec", "volumes")): each for each in volumes}
    places = [*_places(spec, path)]
    removed = [(place, kind) for place in places if (kind := replaced_kind(place.container))]
    staying = [place for place in places if replaced_kind(place.container) is None]
    shared = frozenset(name for place in staying for name in _mounted(place))
    whole = replace(around, volumes={**around.volumes, **by_name}, shared=shared)
    for place, kind in removed:
        read_daemon_container(place.container, kind, place.path, whole, draft)
        if kind is Replaced.KUBEDOCK:
            draft.differs(place.path, place.container.get("image"), NO_PODS)
    for field in LISTS:
        if spec.get(field):
            spec[field] = [each for each in spec[field] if not any(each is place.container for place, _ in removed)]
            if not spec[field] and field == "initContainers":
                del spec[field]
    ways = _ways(whole, [place for place, _ in removed])
    used_before = shared | {name for place, _ in removed for name in _mounted(place)}
    clients = _clients(staying, ways, has_container=bool(removed))
    for place in staying:
        _disconnect(place, ways, draft, is_client=any(place is each for each in clients))
    unused = frozenset(used_before - {name for place in staying for name in _mounted(place)})
    _drop_volumes(spec, unused, whole, path, draft)
    _name_what_the_pod_gave(spec, path, draft)
    if not spec.get("containers"):
        return ConvertedTemplate(None, draft, unused)
    _name_what_clients_see(clients, whole, path, draft)
    _connect(result, clients, staying, connection, path)
    return ConvertedTemplate(result, draft, unused)


def _places(spec: Mapping[str, Any], path: str) -> Iterator[_Place]:
    for field in LISTS:
        where = joined(path, "spec", field)
        for number, container in enumerate(objects_at(spec.get(field), where)):
            yield _Place(joined(where, number), container)


def _named(place: _Place, field: str) -> list[dict[str, Any]]:
    """The objects in a list of a container, each of which has a name."""
    path = joined(place.path, field)
    found = objects_at(place.container.get(field), path)
    for number, each in enumerate(found):
        text_at(each.get("name"), joined(path, number, "name"))
    return found


def _mounts(place: _Place) -> list[dict[str, Any]]:
    return _named(place, "volumeMounts")


def _mounted(place: _Place) -> Iterator[str]:
    for mount in _mounts(place):
        yield text_at(mount.get("name"), joined(place.path, "volumeMounts"))


def _ways(around: Surroundings, removed: list[_Place]) -> frozenset[str]:
    """Volumes by which containers reach the daemon: its socket and its certificates."""
    sockets = {name for name, volume in around.volumes.items() if is_socket_volume(volume)}
    for place in removed:
        for mount in _mounts(place):
            target = str(mount.get("mountPath", "")).rstrip("/")
            if target in CERTIFICATES | SOCKETS | SOCKET_DIRECTORIES:
                sockets.add(str(mount.get("name")))
    return frozenset(sockets)


def _variables(place: _Place) -> list[dict[str, Any]]:
    return _named(place, "env")


def _clients(staying: list[_Place], ways: frozenset[str], *, has_container: bool) -> list[_Place]:
    """The containers that use the daemon; if none says so, each may."""
    found = [
        place
        for place in staying
        if any(each.get("name") == "DOCKER_HOST" for each in _variables(place)) or ways & {*_mounted(place)}
    ]
    usual = [place for place in staying if place.container.get("restartPolicy") != "Always"]
    return found or (usual if has_container else [])


def _disconnect(place: _Place, ways: frozenset[str], draft: SpecDraft, *, is_client: bool) -> None:
    """Take away what led a container to its daemon."""
    kept = []
    for number, variable in enumerate(_variables(place)):
        name, where = variable.get("name"), joined(place.path, "env", number)
        if name not in CLIENT_VARIABLES or not is_client:
            kept.append(variable)
            continue
        value = variable.get("value", "")
        if name == "DOCKER_HOST" and (
            "valueFrom" in variable or not isinstance(value, str) or not LOCAL_HOST.match(value)
        ):
            raise UnconvertibleError(
                f"{where} is DOCKER_HOST with {shorten(str(variable.get('valueFrom', value)))!r}, which is not "
                "in this pod",
                "remove the variable if the container shall use the new daemon",
            )
        what = "the connection has its own value" if name != "DOCKER_TLS_CERTDIR" else "it has no meaning for clients"
        draft.differs(where, variable, f"removed: {what}")
    _set_or_remove(place.container, "env", kept)
    mounts = []
    for number, mount in enumerate(_mounts(place)):
        if mount.get("name") in ways:
            draft.differs(
                joined(place.path, "volumeMounts", number),
                mount,
                "removed: the client's certificate is at /certs/client",
            )
        else:
            mounts.append(mount)
    _set_or_remove(place.container, "volumeMounts", mounts)


def _set_or_remove(container: dict[str, Any], field: str, value: list[dict[str, Any]]) -> None:
    if value:
        container[field] = value
    else:
        container.pop(field, None)


def _drop_volumes(
    spec: dict[str, Any], unused: frozenset[str], around: Surroundings, path: str, draft: SpecDraft
) -> None:
    volumes = objects_at(spec.get("volumes"), path)
    for number, volume in enumerate(volumes):
        where = joined(path, "spec", "volumes", number)
        if is_socket_volume(volume):
            draft.differs(where, volume, NODE_IS_ELSEWHERE)
        if volume.get("name") in unused and not is_socket_volume(volume):
            draft.differs(where, volume, "removed: only the daemon used it")
    sockets = {name for name, volume in around.volumes.items() if is_socket_volume(volume)}
    _set_or_remove(spec, "volumes", [each for each in volumes if each.get("name") not in unused | sockets])


def _name_what_the_pod_gave(spec: Mapping[str, Any], path: str, draft: SpecDraft) -> None:
    """What the daemon had as a container of this pod."""
    for field, target in (("nodeSelector", "nodeSelector"), ("tolerations", "tolerations")):
        if spec.get(field):
            draft.carry(("scheduling", target), spec[field], joined(path, "spec", field), spec[field])
    if spec.get("imagePullSecrets"):
        secrets = spec["imagePullSecrets"]
        draft.carry(("engine", "imagePullSecrets"), secrets, joined(path, "spec", "imagePullSecrets"), secrets)
    for field in (
        "affinity", "dnsConfig", "dnsPolicy", "hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostUsers",
        "priorityClassName", "runtimeClassName", "schedulerName", "securityContext", "shareProcessNamespace",
        "topologySpreadConstraints",
    ):  # fmt: skip
        if spec.get(field):
            draft.differs(
                joined(path, "spec", field), spec[field], "the pod keeps it, and the daemon's pod does not have it"
            )


def _name_what_clients_see(clients: list[_Place], around: Surroundings, path: str, draft: SpecDraft) -> None:
    if not clients:
        return
    draft.differs(path.rstrip(" :"), [each.container.get("name") for each in clients], PUBLISHED)
    shared = sorted(name for place in clients for name in _mounted(place) if name in around.volumes)
    draft.differs(path.rstrip(" :"), shared or [each.container.get("name") for each in clients], EMPTY_BIND_MOUNTS)
    for place in clients:
        for where, text in _texts(place):
            if any(address in text for address in ADDRESSES):
                draft.differs(where, text, "it may mean the old daemon: check it, since it is not changed")


def _texts(place: _Place) -> Iterator[tuple[str, str]]:
    for field in ("command", "args"):
        for number, word in enumerate(texts_at(place.container.get(field), joined(place.path, field))):
            yield joined(place.path, field, number), str(word)
    for number, variable in enumerate(_variables(place)):
        yield joined(place.path, "env", number), str(variable.get("value", ""))


def _connect(
    template: dict[str, Any], clients: list[_Place], staying: list[_Place], connection: GivenConnection, path: str
) -> None:
    for place in clients:
        taken = [mount for mount in _mounts(place) if str(mount.get("mountPath", "")).rstrip("/") == MOUNT_PATH]
        if taken:
            raise UnconvertibleError(
                f"{joined(place.path, 'volumeMounts')} has {shorten(str(taken[0].get('name')))!r} at {MOUNT_PATH}",
                "mount it elsewhere: the client's certificate is there",
            )
    volumes = objects_at(template["spec"].get("volumes"), path)
    if any(each.get("name") == CERTIFICATE_VOLUME for each in volumes):
        raise UnconvertibleError(
            f"{joined(path, 'spec', 'volumes')} has {CERTIFICATE_VOLUME!r} already", "rename that volume"
        )
    if connection.nested_docker:
        _connect_by_secrets(template["spec"], clients, connection.nested_docker, path)
    else:
        _connect_by_label(template, clients, staying, connection.class_name, path)


def _connect_by_secrets(spec: dict[str, Any], clients: list[_Place], name: str, path: str) -> None:
    volumes = objects_at(spec.get("volumes"), path)
    spec["volumes"] = [*volumes, {"name": CERTIFICATE_VOLUME, "secret": {"secretName": f"{name}-docker"}}]
    for place in clients:
        container = place.container
        sources = objects_at(container.get("envFrom"), joined(place.path, "envFrom"))
        container["envFrom"] = [*sources, {"secretRef": {"name": f"{name}-docker-env"}}]
        container["volumeMounts"] = [
            *_mounts(place),
            {"name": CERTIFICATE_VOLUME, "mountPath": MOUNT_PATH, "readOnly": True},
        ]


def _connect_by_label(
    template: dict[str, Any], clients: list[_Place], staying: list[_Place], class_name: str, path: str
) -> None:
    metadata = mapping_at(template.get("metadata"), joined(path, "metadata"))
    labels = mapping_at(metadata.get("labels"), joined(path, "metadata", "labels"))
    metadata["labels"] = {**labels, names.LABEL_INJECT: class_name}
    if len(clients) < len(staying):
        annotations = mapping_at(metadata.get("annotations"), joined(path, "metadata", "annotations"))
        chosen = ",".join(str(each.container.get("name")) for each in clients)
        metadata["annotations"] = {**annotations, names.ANNOTATION_INJECT_CONTAINERS: chosen}
    template["metadata"] = metadata


def of_class(draft: SpecDraft, class_name: str) -> list[Difference]:
    """What a NestedDocker would have, and the label cannot say."""
    what = "the label has only a class: an admin sets {} in NestedDockerClass {}"
    return [replace(each, what=what.format(each.what, class_name)) for each in draft.origins]
