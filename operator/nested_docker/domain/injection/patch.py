"""What the webhook adds to a pod: a volume, and in each chosen container its mount and the client's environment.

A pod with its own daemon gets a scheduling gate as well.

Nothing that is there is changed. If the pod already has something in such a place, it is denied, because half of a
connection would only be found when the job fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nested_docker.domain import names
from nested_docker.domain.injection.fairness import is_gated
from nested_docker.domain.injection.mount_paths import is_within, mount_path
from nested_docker.domain.injection.request import OTHER_CONTAINERS, ChosenContainer, InjectionError
from nested_docker.domain.manifests.secrets import CERT_PATH
from nested_docker.domain.shown import shorten

Operation = Mapping[str, Any]
"""An operation of a JSON Patch."""

VOLUME = "nested-docker"
"""Name of the volume."""


@dataclass(frozen=True)
class InjectedConnection:
    """The connection that a pod gets.

    Attributes:
        name: of the NestedDocker.
    """

    name: str

    @property
    def volume(self) -> dict[str, Any]:
        """The volume. It is not optional: the kubelet starts no container before the daemon has answered."""
        return {"name": VOLUME, "secret": {"secretName": names.files_secret(self.name)}}

    @property
    def mount(self) -> dict[str, Any]:
        """The mount of the volume."""
        return {"name": VOLUME, "mountPath": CERT_PATH, "readOnly": True}

    @property
    def variables(self) -> list[dict[str, Any]]:
        """The environment, as in a container.

        The class may change until the daemon is made, so nothing here is computed from it.
        """
        return [
            {"name": "DOCKER_HOST", **self._from("DOCKER_HOST")},
            {"name": "DOCKER_TLS_VERIFY", "value": "1"},
            {"name": "DOCKER_CERT_PATH", "value": CERT_PATH},
            {"name": "TESTCONTAINERS_HOST_OVERRIDE", **self._from("TESTCONTAINERS_HOST_OVERRIDE", optional=True)},
        ]

    def _from(self, key: str, **optional: bool) -> dict[str, Any]:
        """A value of the env Secret, which exists before the files Secret that the kubelet waits for."""
        return {"valueFrom": {"secretKeyRef": {"name": names.env_secret(self.name), "key": key, **optional}}}


def injection_patch(
    pod: Mapping[str, Any], connection: InjectedConnection, containers: Iterable[ChosenContainer], marks: Marks | None
) -> tuple[Operation, ...]:
    """The JSON Patch that makes the pod complete; empty: it is complete.

    Args:
        pod: as it is.
        connection: what it gets.
        containers: that get the connection.
        marks: of a pod with its own daemon.

    Raises:
        InjectionError: something else is where a part of the connection belongs.
    """
    return (
        *_add_volume(pod, connection),
        *(
            operation
            for each in containers
            for operation in add_to_container(each, connection.mount, connection.variables)
        ),
        *(_add_marks(pod, marks) if marks else ()),
        *(_add_gate(pod) if marks else ()),
    )


@dataclass(frozen=True)
class Marks:
    """The id that a pod gets, and its signature."""

    id: str
    signature: str


def _add_volume(pod: Mapping[str, Any], connection: InjectedConnection) -> Iterator[Operation]:
    volumes, wanted = pod["spec"].get("volumes") or [], connection.volume
    present = next((volume for volume in volumes if volume["name"] == VOLUME), None)
    if present is None:
        yield {"op": "add", "path": "/spec/volumes", "value": [*volumes, wanted]}
    elif not _is_ours(present.get("secret"), wanted["secret"]):
        raise InjectionError(f"spec.volumes: the pod has another volume {VOLUME}: rename it")


def add_to_container(
    chosen: ChosenContainer, mount: Mapping[str, Any], variables: Iterable[Mapping[str, Any]]
) -> Iterator[Operation]:
    """The operations that give a container a mount and variables, as far as it does not have them.

    Raises:
        InjectionError: it has others in their places.
    """
    name, container = shorten(str(chosen.container["name"])), chosen.container
    env, mounts = container.get("env") or [], container.get("volumeMounts") or []
    missing = [wanted for wanted in variables if not _has_variable(name, env, wanted)]
    if missing:
        # Before the others, which may refer to them.
        yield {"op": "add", "path": f"{chosen.path}/env", "value": [*missing, *env]}
    if not _has_mount(name, mounts, mount):
        yield {"op": "add", "path": f"{chosen.path}/volumeMounts", "value": [*mounts, mount]}


def _has_variable(container: str, variables: list[Mapping[str, Any]], wanted: Mapping[str, Any]) -> bool:
    """Whether a container has the variable.

    Raises:
        InjectionError: it has another value.
    """
    present = [variable for variable in variables if variable["name"] == wanted["name"]]
    if any(not _is_same_variable(variable, wanted) for variable in present):
        raise InjectionError(
            f"env of container {container} has {wanted['name']} already: remove it there, {OTHER_CONTAINERS}"
        )
    return bool(present)


def _is_same_variable(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    if "value" in wanted:
        # The API server leaves an empty value out.
        return (present.get("value") or "") == wanted["value"] and not present.get("valueFrom")
    reference = (present.get("valueFrom") or {}).get("secretKeyRef")
    return _is_ours(reference, wanted["valueFrom"]["secretKeyRef"])


def _has_mount(container: str, mounts: list[Mapping[str, Any]], wanted: Mapping[str, Any]) -> bool:
    """Whether a container has the mount.

    Raises:
        InjectionError: another volume is there.
    """
    for mount in mounts:
        path = mount_path(str(mount["mountPath"]))
        if mount["name"] == wanted["name"] and path == wanted["mountPath"]:
            return True
        if is_within(path, wanted["mountPath"]):
            raise InjectionError(
                f"volumeMounts of container {container}: volume {shorten(str(mount['name']))} is mounted at "
                f"{shorten(path)}: choose a path outside of {wanted['mountPath']}, {OTHER_CONTAINERS}"
            )
    return False


def _is_ours(present: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Whether a reference to a Secret is the wanted one; the API server adds defaults to it."""
    found = present or {}
    return bool(found.get("optional")) == bool(wanted.get("optional")) and all(
        found.get(key) == value for key, value in wanted.items()
    )


def _add_marks(pod: Mapping[str, Any], marks: Marks) -> Iterator[Operation]:
    yield from add_marks(pod, "labels", {names.LABEL_INJECTION_ID: marks.id})
    yield from add_marks(pod, "annotations", {names.ANNOTATION_INJECTION_SIGNATURE: marks.signature})


def _add_gate(pod: Mapping[str, Any]) -> Iterator[Operation]:
    """Until the daemon has a node, the pod holds none. One whose author names its node passes by the scheduler."""
    spec = pod["spec"]
    if not spec.get("nodeName") and not is_gated(pod):
        gates = [*(spec.get("schedulingGates") or []), {"name": names.SCHEDULING_GATE}]
        yield {"op": "add", "path": "/spec/schedulingGates", "value": gates}


def add_marks(pod: Mapping[str, Any], field: str, marks: Mapping[str, str]) -> Iterator[Operation]:
    """The operations that give a pod labels or annotations.

    Args:
        pod: as it is.
        field: `labels` or `annotations`.
        marks: those that it gets; other values are replaced.
    """
    present = pod["metadata"].get(field) or {}
    missing = {key: value for key, value in marks.items() if present.get(key) != value}
    if missing and not present:
        yield {"op": "add", "path": f"/metadata/{field}", "value": missing}
        return
    for key, value in missing.items():
        yield {"op": "add", "path": f"/metadata/{field}/{key.replace('/', '~1')}", "value": value}
