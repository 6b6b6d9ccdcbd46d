"""The node as an unprivileged container sees it: in /proc and /sys, without privilege and without the node's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LONGEST_FILE = 1 << 20
"""Characters that are read of a file."""


def probe(data: Path, root: Path = Path("/")) -> dict[str, Any]:
    """What no API tells about the node, in the wire form of `ProbedFacts`; what cannot be read is left out.

    Args:
        data: a folder in an `emptyDir` volume.
        root: the folder that has `proc` and `sys`.
    """
    facts = {
        "bootId": _read(root / "proc/sys/kernel/random/boot_id"),
        "cgroup": _cgroup(_read(root / "proc/self/cgroup")),
        "securityModules": _security_modules(root),
        "maxUserNamespaces": _number(_read(root / "proc/sys/user/max_user_namespaces")),
        "unprivilegedUserNamespaces": _unprivileged(
            _read(root / "proc/sys/kernel/apparmor_restrict_unprivileged_userns")
        ),
        "filesystem": _filesystem(_read(root / "proc/self/mountinfo"), data),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _read(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_FILE).strip()
    except OSError:
        return None


def _cgroup(text: str | None) -> str | None:
    """A line of version 2 has the hierarchy 0 and no controllers; where both versions are, version 1 has these."""
    if not text:
        return None
    return "v2" if all(line.startswith("0::") for line in text.splitlines()) else "v1"


def _security_modules(root: Path) -> list[str] | None:
    """SELinux registers its filesystem only where it is enabled."""
    filesystems = _read(root / "proc/filesystems")
    if filesystems is None:
        return None
    app_armor = (_read(root / "sys/module/apparmor/parameters/enabled") or "").startswith("Y")
    return ["AppArmor"] * app_armor + ["SELinux"] * ("selinuxfs" in filesystems.split())


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _unprivileged(restricted: str | None) -> str | None:
    return {"0": "Allowed", "1": "Restricted"}.get(restricted or "")


def _filesystem(mounts: str | None, data: Path) -> str | None:
    """Type of the mount at a path; a later mount covers an earlier one."""
    for line in reversed((mounts or "").splitlines()):
        fields = line.split(" ")
        if len(fields) > 4 and fields[4] == str(data) and "-" in fields[5:-1]:
            return fields[fields.index("-", 5) + 1]
    return None
