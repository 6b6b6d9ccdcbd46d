"""What a new container would inherit from its image: labels, variables and anonymous volumes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import JsonObject
from nested_docker.guard.ownership import LABEL_PREFIX, UID_LABEL, reserved_prefix

NO_DEVICES = "NVIDIA_VISIBLE_DEVICES=void"
"""The variable with which NVIDIA's runtime gives a container no device of the node, whatever its image requests.

Without the variable, an image with CUDA_VERSION may get all devices."""


def check_inherited(body: JsonObject, image: Mapping[str, Any], _mounted: AbstractSet[str] = frozenset()) -> int:
    """Check the labels of the image, and override its variables; see `Completion`. No volume gets an owner.

    Raises:
        GuardDenied: the image has a reserved label.
    """
    config = image.get("Config") or {}
    for key in config.get("Labels") or {}:
        prefix = reserved_prefix(key)
        if prefix and prefix != LABEL_PREFIX:  # the guard's own labels have no effect on containers
            raise GuardDenied(
                "owner",
                f"image {body.get('Image')} has the label {key}, and labels with the prefix {prefix} are reserved: "
                "use an image without it",
            )
    body["Env"] = [*(body.get("Env") or ()), NO_DEVICES]
    return 0


def complete_by_image(body: JsonObject, image: Mapping[str, Any], mounted: AbstractSet[str], *, uid: str) -> int:
    """Complete the body of a new container; see `Completion`.

    An anonymous volume becomes a mount with the owner label. So it is listed, counted and removed as any other volume.
    """
    check_inherited(body, image)
    host = body["HostConfig"]
    targets = dict.fromkeys(_anonymous_targets(body, image))
    new = [each for each in targets if each not in {*_mount_targets(host), *map(_clean, mounted)}]
    if "Binds" in host:
        host["Binds"] = [each for each in host["Binds"] if ":" in each]
    mounts = [_anonymous_mount(each, uid) for each in new]
    sourceless = [each for each in host.get("Mounts", ()) if each.get("Type") == "volume" and not each.get("Source")]
    if mounts:
        host["Mounts"] = [*host.get("Mounts", ()), *mounts]
    return len(mounts) + len(sourceless)


def _anonymous_targets(body: JsonObject, image: Mapping[str, Any]) -> Iterator[str]:
    config = image.get("Config") or {}
    yield from map(_clean, body.get("Volumes") or ())
    yield from map(_clean, config.get("Volumes") or ())
    yield from (_clean(each) for each in body["HostConfig"].get("Binds", ()) if ":" not in each)


def _mount_targets(host: JsonObject) -> Iterator[str]:
    yield from (_clean(each.split(":")[1]) for each in host.get("Binds", ()) if ":" in each)
    yield from (_clean(each.get("Target", "")) for each in host.get("Mounts", ()))
    yield from map(_clean, host.get("Tmpfs", ()))


def _anonymous_mount(target: str, uid: str) -> JsonObject:
    return {"Type": "volume", "Target": target, "VolumeOptions": {"Labels": {UID_LABEL: uid}}}


def _clean(path: str) -> str:
    """The path as the daemon compares it."""
    return posixpath.normpath(f"/{path.lstrip('/')}")
