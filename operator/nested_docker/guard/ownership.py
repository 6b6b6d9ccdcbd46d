"""Whose an object is: labels that only the guard writes, and what a request says of objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules, Sharing
from nested_docker.domain import images
from nested_docker.guard.errors import Absent, GuardDenied

LABEL_PREFIX = "nesteddocker.dev/"
UID_LABEL = f"{LABEL_PREFIX}uid"
"""Carried by containers, networks and volumes; its value is the NestedDocker's UID."""

IMAGE_LABEL = f"{LABEL_PREFIX}image-uid"
"""Carried by images. A name of its own, since containers take over the labels of their images: those that somebody
else starts from an image must not become its builder's."""


HOSTS_DOMAIN = ".nesteddocker.dev"
"""End of the host names that only the guard gives to containers."""


class Kind(StrEnum):
    """What can be owned."""

    CONTAINER = "container"
    EXEC = "exec"
    NETWORK = "network"
    VOLUME = "volume"
    IMAGE = "image"


class Need(StrEnum):
    """What must be true of an object for the request to pass."""

    OWN = "own"
    VISIBLE = "visible"
    FREE = "own, or not there"
    MADE = "own; it is made where it is not there"


@dataclass(frozen=True)
class Reference:
    """An object that a request speaks of.

    Attributes:
        kind: the object's.
        name: as the client gave it: an id, a part of one, or a name.
        need: what must be true of it.
        place: where the object's full id is put, as keys into `path`, `query` or `body`; empty: nowhere.
        form: what is put there, with `{}` for the id.
        renames: the last of `place` is a key, which becomes the id.
    """

    kind: Kind
    name: str
    need: Need = Need.OWN
    place: tuple[str | int, ...] = ()
    form: str = "{}"
    renames: bool = False


def labels(given: Mapping[str, str], uid: str, *, where: str) -> dict[str, str]:
    """A new object's labels, the guard's last.

    Raises:
        Refusal: the client uses the guard's prefix.
    """
    for key in given:
        if key.lower().startswith(LABEL_PREFIX):
            raise GuardDenied("owner", f"{where} has {key}: labels that begin with {LABEL_PREFIX} are the guard's")
    return {**given, UID_LABEL: uid}


def image_labels(uid: str) -> dict[str, str]:
    """An image's labels: its own, and an empty one, so that no image can lend its containers an owner."""
    return {UID_LABEL: "", IMAGE_LABEL: uid}


def build_mark(uid: str) -> str:
    """What tells whose build a container is a step of, which no label can: an entry of its HostConfig.ExtraHosts."""
    return f"{uid}.build{HOSTS_DOMAIN}:127.0.0.1"


def extra_hosts(given: Iterable[str], where: str) -> list[str]:
    """Entries of a client's own.

    Raises:
        Refusal: one of them could be taken for the guard's.
    """
    result = list(given)
    for each in result:
        if HOSTS_DOMAIN in each.lower():
            raise GuardDenied("owner", f"{where} has {each!r}: names that end in {HOSTS_DOMAIN} are the guard's")
    return result


def is_own(labelled: Mapping[str, str] | None, uid: str) -> bool:
    """Whether a container, network or volume with these labels is one's own."""
    return bool(uid) and (labelled or {}).get(UID_LABEL) == uid


def owns_image(inspected: Mapping[str, Any], uid: str) -> bool:
    """Whether an image, as inspected or listed, is one's own."""
    config = inspected.get("Config") or {}
    labelled = config.get("Labels") or inspected.get("Labels") or {}
    return bool(uid) and labelled.get(IMAGE_LABEL) == uid


def sees_image(inspected: Mapping[str, Any], rules: GuardRules, uid: str) -> bool:
    """Whether an image, as inspected or listed, may be seen and used."""
    if rules.images.sharing is Sharing.SHARED or owns_image(inspected, uid):
        return True
    names = [*(inspected.get("RepoTags") or ()), *(inspected.get("RepoDigests") or ())]
    return any(matches_any(name, [*rules.images.use, *rules.images.pull]) for name in names)


def matches_any(reference: str, patterns: list[str]) -> bool:
    """Whether an image's name is among those that patterns stand for."""
    return any(images.matches(reference, pattern) for pattern in patterns)


def is_plain(name: str) -> bool:
    """Whether a name can stand in a path; the daemon has no object whose name cannot."""
    return _PLAIN.fullmatch(name) is not None and not {"", ".", ".."} & set(name.split("/"))


def absent(kind: Kind, name: str) -> Absent:
    """What the daemon says of an object that is not there."""
    return Absent(_WORDS[kind].format(name))


_PLAIN = re.compile(r"[A-Za-z0-9_.:@/+-]+")

_WORDS = {
    Kind.CONTAINER: "No such container: {}",
    Kind.EXEC: "No such exec instance: {}",
    Kind.NETWORK: "network {} not found",
    Kind.VOLUME: "get {}: no such volume",
    Kind.IMAGE: "No such image: {}",
}
