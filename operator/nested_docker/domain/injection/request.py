"""What a pod asks for by its label and annotations, and which of its containers get the connection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nested_docker.api.v1alpha1.nested_docker import NAME_PATTERN
from nested_docker.api.v1alpha1.nested_docker_class import InjectionForm
from nested_docker.domain import names
from nested_docker.domain.shown import shorten

POD_LISTS = ("initContainers", "containers")
"""Fields of a pod's spec with containers that its author writes; the order is that in which they run."""

OTHER_CONTAINERS = f"or name other containers in the annotation {names.ANNOTATION_INJECT_CONTAINERS}"
"""End of a remedy for what a container with the connection cannot have."""

MOST_CONTAINERS = 256
"""That get the connection. A node runs no pod with more, and the webhook answers everybody within seconds."""


LONGEST_CHOICE = 65 * MOST_CONTAINERS
"""Characters of the annotation with the containers' names, which have 63 at most."""


class InjectionError(ValueError):
    """The pod cannot get a daemon as it is; the message has the field, the value and the remedy."""


@dataclass(frozen=True)
class InjectionRequest:
    """A pod's request for a daemon.

    Attributes:
        class_name: NestedDockerClass of the pod's own daemon; empty: it gets the connection of another one.
        nested_docker: the NestedDocker of that one; empty: it gets its own.
        form: where its own daemon runs; None: as the class has it.
        containers: names of the containers that get the connection; empty: all but native sidecars.
    """

    class_name: str
    containers: tuple[str, ...] = ()
    nested_docker: str = ""
    form: InjectionForm | None = None


@dataclass(frozen=True)
class ChosenContainer:
    """A container that gets the connection.

    Attributes:
        path: JSON pointer to it.
        container: as in the pod.
    """

    path: str
    container: Mapping[str, Any]


def injection_request(pod: Mapping[str, Any]) -> InjectionRequest:
    """The request of a pod with one of the labels.

    Raises:
        InjectionError: label or annotation cannot be understood.
    """
    labels = pod["metadata"].get("labels") or {}
    containers, form = _named_containers(pod), _form(pod)
    if names.LABEL_INJECT_FROM in labels:
        return InjectionRequest("", containers, _nested_docker(labels, form))
    class_name = labels.get(names.LABEL_INJECT, "")
    if not class_name:
        raise InjectionError(
            f"metadata.labels: {names.LABEL_INJECT} is empty: set it to the name of a NestedDockerClass"
        )
    return InjectionRequest(class_name, containers, form=form)


def _form(pod: Mapping[str, Any]) -> InjectionForm | None:
    value = (pod["metadata"].get("annotations") or {}).get(names.ANNOTATION_INJECT_FORM)
    if value is None:
        return None
    if value not in set(InjectionForm):
        raise InjectionError(
            f"metadata.annotations: {names.ANNOTATION_INJECT_FORM} is {shorten(str(value))!r}: set it to "
            f"{' or '.join(InjectionForm)}, or remove it for the form that the class has first"
        )
    return InjectionForm(value)


def _nested_docker(labels: Mapping[str, str], form: InjectionForm | None) -> str:
    name = labels[names.LABEL_INJECT_FROM]
    if names.LABEL_INJECT in labels:
        raise InjectionError(
            f"metadata.labels: {names.LABEL_INJECT} asks for a new daemon, and {names.LABEL_INJECT_FROM} for that of "
            f"NestedDocker {shorten(name)}: remove one of them"
        )
    if form is InjectionForm.SIDECAR:
        raise InjectionError(
            f"metadata.annotations: {names.ANNOTATION_INJECT_FORM} is {form}, and {names.LABEL_INJECT_FROM} asks for "
            f"the daemon of NestedDocker {shorten(name)}, which runs in another pod: remove one of them"
        )
    if re.fullmatch(NAME_PATTERN.removesuffix("$"), name) is None:
        raise InjectionError(
            f"metadata.labels: {names.LABEL_INJECT_FROM} is {shorten(name)!r}: set it to the name of a NestedDocker"
        )
    return name


def _named_containers(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """The containers that the annotation names; empty: there is none."""
    annotations = pod["metadata"].get("annotations") or {}
    if names.ANNOTATION_INJECT_CONTAINERS not in annotations:
        return ()
    text = str(annotations[names.ANNOTATION_INJECT_CONTAINERS])
    if len(text) > LONGEST_CHOICE:
        raise InjectionError(
            f"metadata.annotations: {names.ANNOTATION_INJECT_CONTAINERS} has {len(text)} characters: name each "
            "container once"
        )
    containers = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if "" in containers:
        raise InjectionError(
            f"metadata.annotations: {names.ANNOTATION_INJECT_CONTAINERS} is {shorten(text)!r}: set it to names of "
            "containers, separated by commas, or remove it for all containers"
        )
    return containers


def chosen_containers(pod: Mapping[str, Any], request: InjectionRequest) -> list[ChosenContainer]:
    """The containers that get the connection.

    Raises:
        InjectionError: the annotation names a container that the pod does not have.
    """
    present = [*_containers(pod)]
    if not request.containers:
        return [each for each in present if not is_native_sidecar(each)]
    known = {each.container["name"] for each in present}
    missing = [name for name in request.containers if name not in known]
    if missing:
        raise InjectionError(
            f"metadata.annotations: {names.ANNOTATION_INJECT_CONTAINERS} names {shorten(', '.join(missing))}, and the "
            f"pod has only the containers {shorten(', '.join(sorted(known)))}: name some of these"
        )
    named = frozenset(request.containers)
    return [each for each in present if each.container["name"] in named]


def connected_containers(pod: Mapping[str, Any], request: InjectionRequest) -> list[ChosenContainer]:
    """The containers of a new pod that get the connection.

    Raises:
        InjectionError: the annotation names a container that the pod does not have, or there are too many.
    """
    chosen = chosen_containers(pod, request)
    if len(chosen) > MOST_CONTAINERS:
        raise InjectionError(
            f"spec.containers: {len(chosen)} containers would get the connection, and at most {MOST_CONTAINERS} can: "
            f"name those that need it in the annotation {names.ANNOTATION_INJECT_CONTAINERS}"
        )
    return chosen


def is_native_sidecar(chosen: ChosenContainer) -> bool:
    """Whether the container runs beside the others for as long as they do; most are not the author's own."""
    return chosen.path.startswith("/spec/initContainers/") and chosen.container.get("restartPolicy") == "Always"


def runs_before_others(chosen: ChosenContainer) -> bool:
    """Whether the container ends before those of the pod that come after it start."""
    return chosen.path.startswith("/spec/initContainers/") and not is_native_sidecar(chosen)


def _containers(pod: Mapping[str, Any]) -> Iterator[ChosenContainer]:
    for field in POD_LISTS:
        for index, container in enumerate(pod["spec"].get(field) or []):
            yield ChosenContainer(f"/spec/{field}/{index}", container)
