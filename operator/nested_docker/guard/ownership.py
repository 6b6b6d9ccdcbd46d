"""Who owns an object: the marks that only the guard writes, and the objects that a request names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules, Sharing
from nested_docker.domain import images
from nested_docker.guard.errors import GuardDenied, ObjectNotFound

LABEL_PREFIX = "nesteddocker.dev/"
UID_LABEL = f"{LABEL_PREFIX}uid"
"""Label of containers, networks and volumes; its value is the UID of the NestedDocker that owns them.

For networks and volumes it is the evidence. Containers inherit the labels of their image, so for them it only lets the
daemon filter lists, and OWNER_ANNOTATION is the evidence.
"""

OWNER_ANNOTATION = UID_LABEL
"""Key in HostConfig.Annotations of containers, with the UID of their owner. An image has no annotations, and a
container's never change."""

CREATION_ANNOTATION = f"{LABEL_PREFIX}creation"
"""Key in HostConfig.Annotations of containers, with a random text for the request that created them."""

IMAGE_LABEL = f"{LABEL_PREFIX}image-uid"
"""Label of images. It is not UID_LABEL, since containers inherit the labels of their image: a container that somebody
else starts from an image must not belong to the owner of the image."""

COMPOSE_LABELS = "com.docker.compose."
"""Prefix of the labels by which compose finds its objects."""

RESERVED_LABELS = (LABEL_PREFIX, "io.kubernetes.", "io.cri-containerd.", "annotation.io.kubernetes.", "com.docker.")
"""Prefixes of labels that other software on the node obeys; cri-dockerd, for one, deletes the log file that a label of
its containers names. Those of compose are an exception."""

HOSTS_DOMAIN = ".nesteddocker.dev"
"""Domain of the host names that only the guard adds to containers."""


class ObjectKind(StrEnum):
    """Kinds of objects that have an owner."""

    CONTAINER = "container"
    EXEC = "exec"
    NETWORK = "network"
    VOLUME = "volume"
    IMAGE = "image"


class Requirement(StrEnum):
    """What a request requires of an object that it names."""

    OWNED = "owned"
    VISIBLE = "visible"
    VISIBLE_OR_ABSENT = "visible or absent; another owner's is as good as absent"
    OWNED_OR_ABSENT = "owned or absent"
    CREATED_IF_ABSENT = "owned; it is created if it is absent"


@dataclass(frozen=True)
class Reference:
    """An object that a request names.

    Attributes:
        kind: the kind of object.
        name: as the client wrote it: an ID, the beginning of one, or a name.
        requirement: what the request requires of it.
        location: where the full ID replaces the name, as keys into `path`, `query` or `body`; empty: nowhere.
        id_format: what replaces the name, with `{}` for the ID.
        is_key: the name is the last key of `location` itself and not the value there.
    """

    kind: ObjectKind
    name: str
    requirement: Requirement = Requirement.OWNED
    location: tuple[str | int, ...] = ()
    id_format: str = "{}"
    is_key: bool = False


def with_owner_label(labels: Mapping[str, str], uid: str, *, where: str) -> dict[str, str]:
    """The labels of a new object: the client's, and the owner label.

    Args:
        labels: the client's.
        uid: the owner's UID.
        where: path of the labels, for messages.

    Raises:
        GuardDenied: the client uses a reserved prefix.
    """
    for key in labels:
        if prefix := reserved_prefix(key):
            raise GuardDenied("owner", f"{where} has {key}: labels with the prefix {prefix} are reserved")
    return {**labels, UID_LABEL: uid}


def reserved_prefix(key: str) -> str:
    """The reserved prefix of a label's key; empty: it has none."""
    if key.startswith(COMPOSE_LABELS):
        return ""
    return next((each for each in RESERVED_LABELS if key.lower().startswith(each)), "")


def image_labels(uid: str) -> dict[str, str]:
    """The labels of a new image: its owner, and an empty UID_LABEL, so that its containers inherit no owner."""
    return {UID_LABEL: "", IMAGE_LABEL: uid}


def build_step_host(uid: str) -> str:
    """The HostConfig.ExtraHosts entry that marks the containers of an owner's build steps.

    A label cannot mark them: the builder gives them the labels of their image.
    """
    return f"{uid}.build{HOSTS_DOMAIN}:127.0.0.1"


def check_extra_hosts(entries: Iterable[str], where: str) -> list[str]:
    """The client's entries for /etc/hosts.

    Raises:
        GuardDenied: one of them is in the domain that is reserved for the guard.
    """
    result = list(entries)
    for each in result:
        if HOSTS_DOMAIN in each.lower():
            raise GuardDenied("owner", f"{where} has {each!r}: host names that end in {HOSTS_DOMAIN} are reserved")
    return result


def is_owned(labels: Mapping[str, str] | None, uid: str) -> bool:
    """Whether a network or volume with these labels belongs to this owner."""
    return bool(uid) and (labels or {}).get(UID_LABEL) == uid


def is_owned_container(container: Mapping[str, Any], uid: str) -> bool:
    """Whether a container, as inspected, belongs to this owner."""
    return bool(uid) and annotations_of(container).get(OWNER_ANNOTATION) == uid


def is_build_step(container: Mapping[str, Any], uid: str) -> bool:
    """Whether a container, as inspected, is a step of this owner's build."""
    return build_step_host(uid) in ((container.get("HostConfig") or {}).get("ExtraHosts") or ())


def annotations_of(container: Mapping[str, Any]) -> Mapping[str, str]:
    """The annotations of a container, as inspected."""
    return (container.get("HostConfig") or {}).get("Annotations") or {}


def is_owned_image(image: Mapping[str, Any], uid: str) -> bool:
    """Whether an image, as inspected or listed, belongs to this owner.

    One from a registry, which may carry any label, is nobody's: only an image that the node has built has a parent.
    """
    config = image.get("Config") or {}
    labels = config.get("Labels") or image.get("Labels") or {}
    built_here = bool(image.get("Parent") or image.get("ParentId"))
    return bool(uid) and built_here and labels.get(IMAGE_LABEL) == uid


def is_visible_image(image: Mapping[str, Any], rules: GuardRules, uid: str) -> bool:
    """Whether this owner may see and use an image, as inspected or listed."""
    if rules.images.sharing is Sharing.SHARED or is_owned_image(image, uid):
        return True
    names = [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]
    return any(matches_any(name, [*rules.images.use, *rules.images.pull]) for name in names)


def matches_any(reference: str, patterns: list[str]) -> bool:
    """Whether an image's name matches one of the patterns."""
    return any(images.matches(reference, pattern) for pattern in patterns)


def is_valid_name(name: str, kind: ObjectKind) -> bool:
    """Whether a name may be part of a path; no object of a client has another one."""
    text = name.replace(" ", "_") if kind is ObjectKind.NETWORK else name
    return _NAME.fullmatch(text) is not None and not {"", ".", ".."} & set(name.split("/"))


def not_found(kind: ObjectKind, name: str) -> ObjectNotFound:
    """The daemon's response for an object that does not exist."""
    return ObjectNotFound(_NOT_FOUND_MESSAGES[kind].format(name))


_NAME = re.compile(r"[A-Za-z0-9_.:@/+-]+")

_NOT_FOUND_MESSAGES = {
    ObjectKind.CONTAINER: "No such container: {}",
    ObjectKind.EXEC: "No such exec instance: {}",
    ObjectKind.NETWORK: "network {} not found",
    ObjectKind.VOLUME: "get {}: no such volume",
    ObjectKind.IMAGE: "No such image: {}",
}
