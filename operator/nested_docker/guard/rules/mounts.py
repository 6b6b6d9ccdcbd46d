"""What containers may mount: volumes, and what the rules allow of the node's files and of images."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.domain.shown import shorten
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.hints import DAEMON_SOCKET_NAMES, RYUK_HINT
from nested_docker.guard.ownership import ObjectKind, Reference, Requirement, with_owner_label
from nested_docker.guard.rules.schema import (
    FieldTable,
    any_boolean,
    any_object,
    any_string,
    between,
    object_of,
    one_of,
    string_array,
    string_map,
    unset,
    validate_object,
)
from nested_docker.guard.rules.values import ABSOLUTE_PATH

VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}")
SUBPATH = re.compile(r"(?!\.\.?(/|$))[A-Za-z0-9_.-]+(/(?!\.\.?(/|$))[A-Za-z0-9_.-]+)*")
BIND_OPTIONS = frozenset({"ro", "rw", "private", "rprivate", "consistent", "cached", "delegated"})
VOLUME_OPTIONS = frozenset({"ro", "rw", "nocopy", "z", "Z"})
TMPFS_OPTION = re.compile(
    r"(?P<flag>rw|ro|exec|noexec|suid|nosuid|dev|nodev|noatime|nodiratime)|"
    r"(?P<name>(?:size|nr_inodes)(?==[0-9]+[kmgKMG%]?$)|mode(?==[0-7]+$)|[ug]id(?==[0-9]+$))"
    r"=(?P<number>[0-9]{1,15})(?P<unit>[kmgKMG%]?)"
)

AddReference = Callable[[Reference], None]
"""Gets the objects that a request's fields name."""


def check_binds(value: Any, where: str, *, rules: GuardRules, add_reference: AddReference) -> list[str]:
    """HostConfig.Binds: `source:target[:options]`, or only a target, for which the daemon creates a volume."""
    result = string_array(value, where)
    for number, bind in enumerate(result):
        parts = bind.split(":")
        path = f"{where}[{number}]"
        if len(parts) == 1:
            result[number] = ABSOLUTE_PATH(parts[0] or "?", path)
            continue
        if len(parts) > 3:
            raise GuardDenied("containers.binds", f"{path} does not have the form SOURCE:TARGET:OPTIONS")
        options = set(parts[2].split(",")) if len(parts) == 3 else set()
        target = ABSOLUTE_PATH(parts[1] or "?", path)
        result[number] = ":".join((parts[0], target, *([",".join(sorted(options))] if options else [])))
        if parts[0].startswith("/"):
            _check_options(options, BIND_OPTIONS, path)
            _check_bind(parts[0], rules, path, read_only="ro" in options and "rw" not in options)
        else:
            _check_options(options, VOLUME_OPTIONS, path)
            add_reference(_volume_reference(parts[0], path))
    return result


def check_mounts(
    value: Any, where: str, *, rules: GuardRules, uid: str, add_reference: AddReference
) -> list[dict[str, Any]]:
    """HostConfig.Mounts."""
    if not isinstance(value, list):
        raise GuardDenied("fields", f"{where} is not an array")
    result = []
    for number, each in enumerate(value):
        path = f"{where}[{number}]"
        kind = any_string(any_object(each, path).get("Type") or "", f"{path}.Type")
        if kind not in MOUNT_FIELDS:
            raise GuardDenied(
                "containers.mounts", f"{path}.Type may not be {kind!r}; allowed: {', '.join(MOUNT_FIELDS)}"
            )
        mount = validate_object(each, MOUNT_FIELDS[kind], path)
        source = mount.get("Source", "")
        match kind:
            case "bind":
                _check_bind(source, rules, path, read_only=mount.get("ReadOnly", False))
            case "volume":
                if source:
                    add_reference(_volume_reference(source, path))
                options = mount.setdefault("VolumeOptions", {})
                labels = options.get("Labels", {})
                options["Labels"] = with_owner_label(labels, uid, where=f"{path}.VolumeOptions.Labels")
            case "image":
                location = ("body", "HostConfig", "Mounts", number, "Source")
                add_reference(Reference(ObjectKind.IMAGE, source, Requirement.VISIBLE, location=location))
        result.append(mount)
    return result


def check_volumes_from(value: Any, where: str, *, add_reference: AddReference) -> list[str]:
    """HostConfig.VolumesFrom: `container[:ro|rw]`."""
    result = string_array(value, where)
    for number, each in enumerate(result):
        name, colon, mode = each.partition(":")
        if mode not in {"", "ro", "rw"}:
            raise GuardDenied("fields", f"{where}[{number}] has the mode {mode!r}; allowed: ro, rw")
        location = ("body", "HostConfig", "VolumesFrom", number)
        add_reference(Reference(ObjectKind.CONTAINER, name, location=location, id_format=f"{{}}{colon}{mode}"))
    return result


def check_tmpfs(value: Any, where: str) -> dict[str, str]:
    """HostConfig.Tmpfs: mount options by target."""
    result = {}
    for target, options in any_object(value, where).items():
        texts = any_string(options, f"{where}.{target}").split(",") if options else []
        result[ABSOLUTE_PATH(target or "?", where)] = ",".join(_tmpfs_option(each, where) for each in texts)
    return result


def _tmpfs_option(option: str, where: str) -> str:
    match = TMPFS_OPTION.fullmatch(option)
    if match is None:
        raise GuardDenied(where, f"the guard does not support the tmpfs option {shorten(option)!r}")
    if match["flag"]:
        return match["flag"]
    name, number = match["name"], int(match["number"], 8 if match["name"] == "mode" else 10)
    return f"{name}={number:o}" if name == "mode" else f"{name}={number}{match['unit'] or ''}"


def _check_bind(source: str, rules: GuardRules, where: str, *, read_only: bool) -> None:
    allowed = [rule for rule in rules.containers.binds if rule.path == source]
    if not allowed:
        paths = ", ".join(rule.path for rule in rules.containers.binds) or "none"
        raise GuardDenied(
            "containers.binds",
            f"{where} would bind the node's {source}; allowed paths: {paths}. {_bind_remedy(source)}",
        )
    if not read_only and all(rule.read_only for rule in allowed):
        raise GuardDenied("containers.binds", f"{where} may bind {source} only read-only: add :ro")


def _bind_remedy(source: str) -> str:
    if source.rpartition("/")[2] in DAEMON_SOCKET_NAMES:
        return f"A container may not have the daemon's socket; {RYUK_HINT}"
    return "Copy files with docker cp, or use a named volume"


def _volume_reference(name: str, where: str) -> Reference:
    if not VOLUME_NAME.fullmatch(name):
        raise GuardDenied("volumes", f"{where}: {name!r} is neither an absolute path nor a valid volume name")
    return Reference(ObjectKind.VOLUME, name, Requirement.CREATED_IF_ABSENT)


def _check_options(options: set[str], known: frozenset[str], where: str) -> None:
    for option in sorted(options - known):
        raise GuardDenied("containers.binds", f"{where} has the option {option!r}; allowed: {', '.join(sorted(known))}")


def _subpath(value: Any, where: str) -> str:
    if any_string(value, where) and not SUBPATH.fullmatch(value):
        raise GuardDenied("fields", f"{where} is not a relative path without . and ..")
    return str(value)


_COMMON: FieldTable = {
    "Target": ABSOLUTE_PATH,
    "Type": any_string,
    "ReadOnly": any_boolean,
    "Consistency": one_of("", "default", "consistent", "cached", "delegated"),
}
MOUNT_FIELDS: dict[str, FieldTable] = {
    "bind": {
        **_COMMON,
        "Source": any_string,
        "BindOptions": object_of(
            {
                "Propagation": one_of("", "private", "rprivate"),
                "NonRecursive": any_boolean,
                "CreateMountpoint": unset,
                "ReadOnlyNonRecursive": unset,
                "ReadOnlyForceRecursive": any_boolean,
            }
        ),
        "VolumeOptions": unset,
        "TmpfsOptions": unset,
        "ImageOptions": unset,
        "ClusterOptions": unset,
    },
    "volume": {
        **_COMMON,
        "Source": any_string,
        "VolumeOptions": object_of(
            {
                "NoCopy": any_boolean,
                "Labels": string_map,
                "DriverConfig": object_of({"Name": one_of("", "local"), "Options": unset}),
                "Subpath": _subpath,
            }
        ),
        "BindOptions": unset,
        "TmpfsOptions": unset,
        "ImageOptions": unset,
        "ClusterOptions": unset,
    },
    "tmpfs": {
        **_COMMON,
        "Source": unset,
        "TmpfsOptions": object_of({"SizeBytes": between(0, 2**60), "Mode": between(0, 0o7777), "Options": unset}),
        "BindOptions": unset,
        "VolumeOptions": unset,
        "ImageOptions": unset,
        "ClusterOptions": unset,
    },
    "image": {
        **_COMMON,
        "Source": any_string,
        "ImageOptions": object_of({"Subpath": _subpath}),
        "BindOptions": unset,
        "VolumeOptions": unset,
        "TmpfsOptions": unset,
        "ClusterOptions": unset,
    },
}
