"""What containers may have of files that are not their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.hints import RYUK, SOCKETS
from nested_docker.guard.ownership import Kind, Need, Reference, labels
from nested_docker.guard.rules.schema import (
    Table,
    boolean,
    integer,
    mapping,
    nested,
    nothing,
    one_of,
    text,
    texts,
    validated,
)

VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}")
SUBPATH = re.compile(r"(?!\.\.?(/|$))[A-Za-z0-9_.-]+(/(?!\.\.?(/|$))[A-Za-z0-9_.-]+)*")
BIND_OPTIONS = frozenset({"ro", "rw", "private", "rprivate", "consistent", "cached", "delegated"})
VOLUME_OPTIONS = frozenset({"ro", "rw", "nocopy", "z", "Z"})
TMPFS_OPTION = re.compile(
    r"(rw|ro|exec|noexec|suid|nosuid|dev|nodev|noatime|nodiratime|(size|nr_inodes)=[0-9]+[kmgKMG%]?|mode=[0-7]+|"
    r"(uid|gid)=[0-9]+)"
)

Found = Callable[[Reference], None]
"""Is told of the objects that mounts speak of."""


def binds(value: Any, where: str, *, rules: GuardRules, found: Found) -> list[str]:
    """HostConfig.Binds: `source:target[:options]`, or a target alone, which makes a volume without a name."""
    result = texts(value, where)
    for number, bind in enumerate(result):
        parts = bind.split(":")
        path = f"{where}[{number}]"
        if len(parts) == 1:
            _absolute(parts[0], path)
            continue
        if len(parts) > 3:
            raise GuardDenied("containers.binds", f"{path} is not SOURCE:TARGET:OPTIONS")
        options = set(parts[2].split(",")) if len(parts) == 3 else set()
        _absolute(parts[1], path)
        if parts[0].startswith("/"):
            _known(options, BIND_OPTIONS, path)
            _bind(parts[0], rules, path, read_only="ro" in options and "rw" not in options)
        else:
            _known(options, VOLUME_OPTIONS, path)
            found(_volume(parts[0], path))
    return result


def mounts(value: Any, where: str, *, rules: GuardRules, uid: str, found: Found) -> list[dict[str, Any]]:
    """HostConfig.Mounts."""
    if not isinstance(value, list):
        raise GuardDenied("fields", f"{where} is not a list")
    result = []
    for number, each in enumerate(value):
        path = f"{where}[{number}]"
        kind = text(mapping(each, path).get("Type") or "", f"{path}.Type")
        if kind not in FIELDS:
            raise GuardDenied("containers.mounts", f"{path}.Type may not be {kind!r}; it may be {', '.join(FIELDS)}")
        mount = validated(each, FIELDS[kind], path)
        _CHECKS[kind](mount, path, rules, uid, found, number)
        result.append(mount)
    return result


def volumes_from(value: Any, where: str, *, found: Found) -> list[str]:
    """HostConfig.VolumesFrom: `container[:ro|rw]`."""
    result = texts(value, where)
    for number, each in enumerate(result):
        name, colon, mode = each.partition(":")
        if mode not in {"", "ro", "rw"}:
            raise GuardDenied("fields", f"{where}[{number}] may end in :ro or :rw only")
        place = ("body", "HostConfig", "VolumesFrom", number)
        found(Reference(Kind.CONTAINER, name, place=place, form=f"{{}}{colon}{mode}"))
    return result


def tmpfs(value: Any, where: str) -> dict[str, str]:
    """HostConfig.Tmpfs: targets with mount options."""
    result = {}
    for target, options in mapping(value, where).items():
        _absolute(target, where)
        for option in text(options, f"{where}.{target}").split(",") if options else ():
            if not TMPFS_OPTION.fullmatch(option):
                raise GuardDenied(where, f"the tmpfs option {option!r} is not known to the guard")
        result[target] = options
    return result


def _bind(source: str, rules: GuardRules, where: str, *, read_only: bool) -> None:
    allowed = [rule for rule in rules.containers.binds if rule.path == source]
    if not allowed:
        may = ", ".join(rule.path for rule in rules.containers.binds) or "nothing"
        raise GuardDenied(
            "containers.binds",
            f"{where} would bind the node's {source}; what may be bound is {may}. {_instead(source)}",
        )
    if not read_only and all(rule.read_only for rule in allowed):
        raise GuardDenied("containers.binds", f"{where} may bind {source} read-only only: add :ro")


def _instead(source: str) -> str:
    if source.rpartition("/")[2] in SOCKETS:
        return f"A container may not have the daemon's socket; {RYUK}"
    return "Copy files with docker cp, or use a named volume"


def _volume(name: str, where: str) -> Reference:
    if not VOLUME_NAME.fullmatch(name):
        raise GuardDenied("volumes", f"{where}: {name!r} is neither a path from / nor the name of a volume")
    return Reference(Kind.VOLUME, name, Need.MADE)


def _absolute(path: str, where: str) -> None:
    if not path.startswith("/") or "\x00" in path:
        raise GuardDenied("fields", f"{where}: the target {path!r} is not a path from /")


def _known(options: set[str], known: frozenset[str], where: str) -> None:
    for option in sorted(options - known):
        raise GuardDenied(
            "containers.binds", f"{where} has the option {option!r}; it may have {', '.join(sorted(known))}"
        )


def _subpath(value: Any, where: str) -> str:
    if not SUBPATH.fullmatch(text(value, where)):
        raise GuardDenied("fields", f"{where} is not a plain path below the volume's root")
    return str(value)


def _check_bind(mount: dict[str, Any], where: str, rules: GuardRules, _uid: str, _found: Found, _number: int) -> None:
    _bind(mount.get("Source", ""), rules, where, read_only=mount.get("ReadOnly", False))


def _check_volume(mount: dict[str, Any], where: str, _rules: GuardRules, uid: str, found: Found, _number: int) -> None:
    if mount.get("Source"):
        found(_volume(mount["Source"], where))
    options = mount.setdefault("VolumeOptions", {})
    options["Labels"] = labels(options.get("Labels", {}), uid, where=f"{where}.VolumeOptions.Labels")


def _check_image(mount: dict[str, Any], _where: str, _rules: GuardRules, _uid: str, found: Found, _number: int) -> None:
    found(Reference(Kind.IMAGE, mount.get("Source", ""), Need.VISIBLE))


def _check_tmpfs(*_: Any) -> None:
    """Its fields are all there is to it."""


def _labels(value: Any, where: str) -> dict[str, str]:
    return {key: text(each, f"{where}.{key}") for key, each in mapping(value, where).items()}


_COMMON: Table = {
    "Target": text,
    "Type": text,
    "ReadOnly": boolean,
    "Consistency": one_of("", "default", "consistent", "cached", "delegated"),
}
FIELDS: dict[str, Table] = {
    "bind": {
        **_COMMON,
        "Source": text,
        "BindOptions": nested(
            {
                "Propagation": one_of("", "private", "rprivate"),
                "NonRecursive": boolean,
                "CreateMountpoint": nothing,
                "ReadOnlyNonRecursive": nothing,
                "ReadOnlyForceRecursive": boolean,
            }
        ),
        "VolumeOptions": nothing,
        "TmpfsOptions": nothing,
        "ImageOptions": nothing,
        "ClusterOptions": nothing,
    },
    "volume": {
        **_COMMON,
        "Source": text,
        "VolumeOptions": nested(
            {
                "NoCopy": boolean,
                "Labels": _labels,
                "DriverConfig": nested({"Name": one_of("", "local"), "Options": nothing}),
                "Subpath": _subpath,
            }
        ),
        "BindOptions": nothing,
        "TmpfsOptions": nothing,
        "ImageOptions": nothing,
        "ClusterOptions": nothing,
    },
    "tmpfs": {
        **_COMMON,
        "Source": nothing,
        "TmpfsOptions": nested({"SizeBytes": integer, "Mode": integer, "Options": nothing}),
        "BindOptions": nothing,
        "VolumeOptions": nothing,
        "ImageOptions": nothing,
        "ClusterOptions": nothing,
    },
    "image": {
        **_COMMON,
        "Source": text,
        "ImageOptions": nested({"Subpath": _subpath}),
        "BindOptions": nothing,
        "VolumeOptions": nothing,
        "TmpfsOptions": nothing,
        "ClusterOptions": nothing,
    },
}
_CHECKS: dict[str, Callable[[dict[str, Any], str, GuardRules, str, Found, int], None]] = {
    "bind": _check_bind,
    "volume": _check_volume,
    "tmpfs": _check_tmpfs,
    "image": _check_image,
}
