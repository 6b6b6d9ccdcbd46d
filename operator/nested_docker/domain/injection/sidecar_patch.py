"""What the webhook adds to a pod whose daemon is a sidecar, and what must be there when the pod is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nested_docker.api.v1alpha1.nested_docker_class import InjectionForm
from nested_docker.domain import names
from nested_docker.domain.injection.patch import Operation, add_marks, add_to_container
from nested_docker.domain.injection.request import OTHER_CONTAINERS, ChosenContainer, InjectionError, runs_before_others
from nested_docker.domain.injection.sidecar import SIDECAR, SOCKET_MOUNT, SOCKET_VARIABLES, TLS_VARIABLES, Sidecar
from nested_docker.domain.injection.sidecar_upkeep import is_same, kept_up
from nested_docker.domain.modes.dockerd import SOCKET_GID
from nested_docker.domain.objects import Manifest
from nested_docker.domain.shown import shorten


def sidecar_patch(
    pod: Mapping[str, Any], sidecar: Sidecar, clients: Sequence[ChosenContainer], signature: str = ""
) -> tuple[Operation, ...]:
    """The JSON Patch that makes the pod complete; empty: it is complete.

    Args:
        pod: as it is.
        sidecar: what it gets.
        clients: containers that get the socket.
        signature: of the sidecar; empty: the pod needs none.

    Raises:
        InjectionError: something else is where a part of it belongs.
    """
    signed = {names.ANNOTATION_SIDECAR_SIGNATURE: signature} if signature else {}
    marks = signed | {names.ANNOTATION_INJECT_FORM: InjectionForm.SIDECAR, names.ANNOTATION_GRANTED_BY: sidecar.policy}
    return (
        *add_marks(pod, "annotations", marks),
        *_add_group(pod),
        *_add_volumes(pod, sidecar.volumes),
        *(operation for each in clients for operation in _connect(each)),
        # Last, because it moves the other init containers.
        *_add_container(pod, sidecar.container, clients),
    )


def judge_persisted(pod: Mapping[str, Any], sidecar: Sidecar, clients: Sequence[ChosenContainer]) -> str:
    """Why a pod cannot be stored as it is after all mutating webhooks; empty: it can.

    Raises:
        InjectionError: something else is where a part of it belongs.
    """
    changed = ", ".join(dict.fromkeys(operation["path"] for operation in sidecar_patch(pod, sidecar, clients)))
    if not changed:
        return ""
    return (
        f"{changed}: another admission webhook has removed or changed what the daemon of the pod needs: name only the "
        f"containers that need the daemon in the annotation {names.ANNOTATION_INJECT_CONTAINERS}, ask a cluster admin "
        f"to exclude container {SIDECAR} from other webhooks, or choose form {InjectionForm.REMOTE} by the annotation "
        f"{names.ANNOTATION_INJECT_FORM}"
    )


def _connect(chosen: ChosenContainer) -> Iterator[Operation]:
    for variable in chosen.container.get("env") or []:
        if variable["name"] in TLS_VARIABLES and (variable.get("value") or variable.get("valueFrom")):
            raise InjectionError(
                f"env of container {shorten(str(chosen.container['name']))} has {variable['name']}, and there is no "
                f"TLS on the socket of a sidecar: remove it there, {OTHER_CONTAINERS}"
            )
    yield from add_to_container(chosen, SOCKET_MOUNT, SOCKET_VARIABLES)


def _add_group(pod: Mapping[str, Any]) -> Iterator[Operation]:
    """Clients that are not root use the socket by its group."""
    context = pod["spec"].get("securityContext")
    groups = (context or {}).get("supplementalGroups") or []
    if SOCKET_GID in groups:
        return
    wanted = [*groups, SOCKET_GID]
    if context is None:
        yield {"op": "add", "path": "/spec/securityContext", "value": {"supplementalGroups": wanted}}
    else:
        yield {"op": "add", "path": "/spec/securityContext/supplementalGroups", "value": wanted}


def _add_volumes(pod: Mapping[str, Any], wanted: Sequence[Manifest]) -> Iterator[Operation]:
    volumes = pod["spec"].get("volumes") or []
    present = {volume["name"]: volume for volume in volumes}
    for volume in wanted:
        other = present.get(volume["name"])
        if other is not None and not is_same(volume, other):
            raise InjectionError(f"spec.volumes: the pod has another volume {volume['name']}: rename it")
    missing = [volume for volume in wanted if volume["name"] not in present]
    if missing:
        yield {"op": "add", "path": "/spec/volumes", "value": [*volumes, *missing]}


def _add_container(pod: Mapping[str, Any], wanted: Manifest, clients: Sequence[ChosenContainer]) -> Iterator[Operation]:
    listed = pod["spec"].get("initContainers") or []
    if any(container["name"] == SIDECAR for container in pod["spec"].get("containers") or []):
        raise _another_container("containers")
    place = next((index for index, container in enumerate(listed) if container["name"] == SIDECAR), None)
    value = wanted
    if place is not None:
        present = listed[place]
        if present.get("command") != wanted["command"]:
            raise _another_container("initContainers")
        first = min((_index(each) for each in clients if runs_before_others(each)), default=place)
        value = kept_up(present, wanted)
        if place <= first and is_same(value, present):
            return
        yield {"op": "remove", "path": f"/spec/initContainers/{place}"}
    if listed:
        yield {"op": "add", "path": "/spec/initContainers/0", "value": value}
    else:
        yield {"op": "add", "path": "/spec/initContainers", "value": [value]}


def _another_container(field: str) -> InjectionError:
    return InjectionError(f"spec.{field}: the pod has another container {SIDECAR}: rename it")


def _index(chosen: ChosenContainer) -> int:
    return int(chosen.path.rpartition("/")[2])
