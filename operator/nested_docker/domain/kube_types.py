"""The parts of Kubernetes objects that the domain reads, as the API server writes them; any field may be absent."""

from __future__ import annotations

from typing import TypedDict


class OwnerReference(TypedDict, total=False):
    """An owner reference in an object's metadata."""

    kind: str
    name: str
    uid: str
    controller: bool


class ObjectMeta(TypedDict, total=False):
    """Metadata of an object."""

    name: str
    namespace: str
    uid: str
    creationTimestamp: str
    deletionTimestamp: str
    labels: dict[str, str]
    annotations: dict[str, str]
    finalizers: list[str]
    ownerReferences: list[OwnerReference]


class Waiting(TypedDict, total=False):
    """State of a container that waits."""

    reason: str
    message: str


class Running(TypedDict, total=False):
    """State of a container that runs."""

    startedAt: str


class Terminated(TypedDict, total=False):
    """State of a container that has ended."""

    exitCode: int
    reason: str
    message: str
    startedAt: str


class ContainerState(TypedDict, total=False):
    """State of a container: one of the three."""

    waiting: Waiting
    running: Running
    terminated: Terminated


class ContainerStatus(TypedDict, total=False):
    """Status of a container of a pod."""

    name: str
    image: str
    state: ContainerState
    lastState: ContainerState
    ready: bool
    restartCount: int


class PodCondition(TypedDict, total=False):
    """A condition of a pod."""

    type: str
    status: str
    reason: str
    message: str
    lastTransitionTime: str


class PodStatus(TypedDict, total=False):
    """Status of a pod."""

    phase: str
    reason: str
    message: str
    podIP: str
    startTime: str
    conditions: list[PodCondition]
    initContainerStatuses: list[ContainerStatus]
    containerStatuses: list[ContainerStatus]
