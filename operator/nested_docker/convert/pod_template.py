"""A pod, or a controller's template of one, without the daemon that it has, and with a connection to another one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nested_docker.api.v1alpha1.nested_docker_class import InjectionForm
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
    is_socket_directory,
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
    "COPY, spec.workload, or form Sidecar of injection (--as sidecar)"
)
PUBLISHED = "ports that containers publish are at the host of DOCKER_HOST, and no longer at localhost"
NODE_IS_ELSEWHERE = (
    "images, containers and networks of the node's daemon are not there, and neither are its directories: the daemon "
    "is the NestedDocker's own; --mode HostSocket asks for the node's"
)
REST_OF_DIRECTORY = "; whatever else of that directory the pod used must be mounted by its own path"
BESIDE = (
    "the daemon stays in the pod, as a native sidecar: the class must offer form Sidecar (injection.forms), and the "
    "namespace must allow privileged pods"
)
UNSEEN = "it may set DOCKER_HOST, which cannot be seen here; the connection's value wins over it"
NO_PODS = "containers are no pods of the namespace any more: they run in the daemon, within its resources"


@dataclass(frozen=True)
class GivenConnection:
    """How containers get the connection.

    Attributes:
        nested_docker: name of the NestedDocker whose Secrets they get; empty: by the label.
        class_name: NestedDockerClass of the label.
        is_beside: whether the label asks for a daemon in the pod (form Sidecar).
        names_clients: whether the label always names the containers that get the connection, since the pod has others
            that cannot be seen.
    """

    nested_docker: str = ""
    class_name: str = ""
    is_beside: bool = False
    names_clients: bool = False


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
    places = [*_places(spec, path)]
    by_name = {text_at(each.get("name"), joined(path, "spec", "volumes")): each for each in volumes}
    return any(replaced_kind(each.container) for each in places) or bool(_sockets(by_name, places))


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
    helpers = _helpers(staying, [place for place, _ in removed], path)
    staying = [place for place in staying if place not in helpers]
    shared = frozenset(name for place in staying for name in _mounted(place))
    whole = replace(around, volumes={**around.volumes, **by_name}, shared=shared, daemon_stays=connection.is_beside)
    sockets = _sockets(whole.volumes, places)
    for place, kind in removed:
        read_daemon_container(place.container, kind, place.path, whole, draft)
        if kind is Replaced.KUBEDOCK:
            draft.differs(place.path, place.container.get("image"), NO_PODS)
    for place in helpers:
        draft.differs(place.path, place.container, "removed: it only fills volumes of the daemon")
    gone = [*(place for place, _ in removed), *helpers]
    for field in LISTS:
        if spec.get(field):
            spec[field] = [each for each in spec[field] if not any(each is place.container for place in gone)]
            if not spec[field] and field == "initContainers":
                del spec[field]
    ways = sockets | _ways([place for place, _ in removed])
    used_before = shared | {name for place in gone for name in _mounted(place)}
    clients = _clients(staying, ways, has_container=bool(removed))
    for place in staying:
        _disconnect(place, ways, draft, is_client=any(place is each for each in clients))
    unused = frozenset(used_before - {name for place in staying for name in _mounted(place)})
    _drop_volumes(spec, unused, sockets, path, draft)
    _name_what_the_pod_gave(spec, path, draft)
    if not spec.get("containers"):
        return ConvertedTemplate(None, draft, unused)
    _name_what_clients_see(clients, whole, path, draft, is_beside=connection.is_beside)
    _connect(result, clients, staying, connection, path)
    return ConvertedTemplate(result, draft, unused)


def _places(spec: Mapping[str, Any], path: str) -> Iterator[_Place]:
    for field in LISTS:
        where = joined(path, "spec", field)
        for number, container in enumerate(objects_at(spec.get(field), where)):
            yield _Place(joined(where, number), container)


def _helpers(staying: list[_Place], removed: list[_Place], path: str) -> list[_Place]:
    """Init containers that only fill volumes which, besides them, nothing but the daemon mounts."""
    first = joined(path, "spec", "initContainers")
    of_daemon = {name for place in removed for name in _mounted(place)}
    found = []
    for place in staying:
        mounted = {*_mounted(place)}
        others = {name for each in staying if each is not place for name in _mounted(each)}
        ends = place.container.get("restartPolicy") != "Always"
        if place.path.startswith(first) and ends and mounted and mounted <= of_daemon - others:
            found.append(place)
    return found


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


def _sockets(volumes: Mapping[str, dict[str, Any]], places: list[_Place]) -> frozenset[str]:
    """Volumes that have the node's Docker socket."""
    found = {name for name, volume in volumes.items() if is_socket_volume(volume)}
    for place in places:
        host = next((str(each.get("value", "")) for each in _variables(place) if each.get("name") == "DOCKER_HOST"), "")
        for mount in _mounts(place):
            name = str(mount.get("name"))
            if is_socket_directory(volumes.get(name, {}), str(mount.get("mountPath", "")), host):
                found.add(name)
    return frozenset(found)


def _ways(removed: list[_Place]) -> frozenset[str]:
    """Volumes by which containers reach the daemon: its socket and its certificates."""
    sockets = set[str]()
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
                "removed: the connection has its own",
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
    spec: dict[str, Any], unused: frozenset[str], sockets: frozenset[str], path: str, draft: SpecDraft
) -> None:
    volumes = objects_at(spec.get("volumes"), path)
    for number, volume in enumerate(volumes):
        where = joined(path, "spec", "volumes", number)
        if volume.get("name") in sockets:
            rest = "" if is_socket_volume(volume) else REST_OF_DIRECTORY
            draft.differs(where, volume, NODE_IS_ELSEWHERE + rest)
        elif volume.get("name") in unused:
            draft.differs(where, volume, "removed: only the daemon used it")
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


def _name_what_clients_see(
    clients: list[_Place], around: Surroundings, path: str, draft: SpecDraft, *, is_beside: bool
) -> None:
    if not clients:
        return
    whole, named = path.rstrip(" :"), [each.container.get("name") for each in clients]
    if is_beside:
        draft.differs(whole, named, BESIDE)
    else:
        draft.differs(whole, named, PUBLISHED)
        shared = sorted(name for place in clients for name in _mounted(place) if name in around.volumes)
        draft.differs(whole, shared or named, EMPTY_BIND_MOUNTS)
    for place in clients:
        _name_unseen(place, around, draft)
        for where, text in _texts(place):
            if any(address in text for address in ADDRESSES):
                draft.differs(where, text, "it may mean the old daemon: check it, since it is not changed")


def _name_unseen(place: _Place, around: Surroundings, draft: SpecDraft) -> None:
    """Variables that a container gets from elsewhere, unless the input has them."""
    path = joined(place.path, "envFrom")
    for number, source in enumerate(objects_at(place.container.get("envFrom"), path)):
        where = joined(path, number)
        name = mapping_at(source.get("configMapRef"), where).get("name")
        known = around.config_maps.get(name) if isinstance(name, str) else None
        data = mapping_at((known or {}).get("data"), f"ConfigMap/{name}: data")
        prefix = text_at(source.get("prefix"), joined(where, "prefix"))
        if known is None or any(f"{prefix}{key}" in CLIENT_VARIABLES for key in data):
            draft.differs(where, source, UNSEEN)


def _texts(place: _Place) -> Iterator[tuple[str, str]]:
    for field in ("command", "args"):
        for number, word in enumerate(texts_at(place.container.get(field), joined(place.path, field))):
            yield joined(place.path, field, number), str(word)
    for number, variable in enumerate(_variables(place)):
        yield joined(place.path, "env", number), str(variable.get("value", ""))


def _connect(
    template: dict[str, Any], clients: list[_Place], staying: list[_Place], connection: GivenConnection, path: str
) -> None:
    if connection.is_beside:
        _connect_by_label(template, clients, staying, connection, path)
        return
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
        _connect_by_label(template, clients, staying, connection, path)


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
    template: dict[str, Any], clients: list[_Place], staying: list[_Place], connection: GivenConnection, path: str
) -> None:
    chosen = [str(each.container.get("name")) for each in clients]
    if len(clients) == len(staying) and not connection.names_clients:
        chosen = []
    template["metadata"] = with_label(template.get("metadata"), connection, chosen, joined(path, "metadata"))


def with_label(metadata: Any, connection: GivenConnection, containers: Sequence[str], path: str) -> dict[str, Any]:
    """The metadata of a pod that asks for a daemon.

    Args:
        metadata: of the pod.
        connection: by label.
        containers: names of those that get the connection; empty: all.
        path: of the metadata, for messages.

    Raises:
        UnconvertibleError: a field has a type that no metadata can have.
    """
    whole = mapping_at(metadata, path)
    labels = {**mapping_at(whole.get("labels"), joined(path, "labels")), names.LABEL_INJECT: connection.class_name}
    options = annotations_of_label(connection, containers)
    if not options:
        return {**whole, "labels": labels}
    annotations = {**mapping_at(whole.get("annotations"), joined(path, "annotations")), **options}
    return {**whole, "labels": labels, "annotations": annotations}


def annotations_of_label(connection: GivenConnection, containers: Sequence[str]) -> dict[str, str]:
    """What a pod with the label says further."""
    options = {names.ANNOTATION_INJECT_FORM: InjectionForm.SIDECAR.value} if connection.is_beside else {}
    return options | ({names.ANNOTATION_INJECT_CONTAINERS: ",".join(containers)} if containers else {})


def of_class(draft: SpecDraft, class_name: str) -> list[Difference]:
    """What a NestedDocker would have, and the label cannot say."""
    what = "the label has only a class: an admin sets {} in NestedDockerClass {}"
    return [replace(each, what=what.format(each.what, class_name)) for each in draft.origins]
