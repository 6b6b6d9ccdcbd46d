"""How AppArmor, SELinux and seccomp confine the daemon's container, by what its class says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nested_docker.api.v1alpha1.nested_docker import Hazard
from nested_docker.api.v1alpha1.nested_docker_class import AppArmorProfileType
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.modes.dockerd import CONTAINER
from nested_docker.domain.objects import Manifest


@dataclass(frozen=True)
class IgnoredProfiles:
    """AppArmor profiles that have no effect in a mode.

    Attributes:
        types: the types of these profiles.
        why: why they have none.
        instead: what an admin does instead.
    """

    types: frozenset[AppArmorProfileType]
    why: str
    instead: str


def confined(container: Manifest, effective: EffectiveSpec) -> Manifest:
    """The daemon's container with what its class says of AppArmor, SELinux and seccomp."""
    if effective.security_modules is None:
        return container
    said = {key: value for key, value in effective.security_modules.dump().items() if key != "mode"}
    return container | {"securityContext": {**container.get("securityContext", {}), **said}}


_MISSING = (
    ("AppArmor", re.compile(r"apparmor profile not found (\S+)")),
    ("AppArmor", re.compile(r"apparmor:? profile \"?([^\s\"]+)\"? (?:is )?not (?:loaded|found)", re.IGNORECASE)),
    ("seccomp", re.compile(r"cannot load seccomp profile \"([^\"]+)\"")),
    ("seccomp", re.compile(r"seccomp.*: open (\S+): no such file")),
)
"""How containerd, CRI-O and the kubelet say that a node does not have a Localhost profile."""


def missing_profile(message: str) -> str:
    """What to do about a profile that the node does not have; empty: the message is about something else.

    Args:
        message: the kubelet's, about a container that cannot start.
    """
    for kind, pattern in _MISSING:
        if found := pattern.search(message):
            return (
                f"its node does not have the {kind} profile {found[1]}: load it on each node where such pods run, or "
                "name another one in the class"
            )
    return ""


def confinement_hazards(effective: EffectiveSpec, ignored: IgnoredProfiles) -> list[Hazard]:
    """What is wrong with a daemon that its class confines: the profile has no effect, or may be too strict."""
    context = _security_context(effective)
    profile, label = context.get("appArmorProfile") or {}, context.get("seLinuxOptions") or {}
    by = [f"SELinux type {label['type']}"] if label.get("type") else []
    hazards = []
    if profile.get("type") in ignored.types:
        hazards.append(
            Hazard(
                type="AppArmorIgnored",
                message=f"The class's AppArmor profile of type {profile['type']} has no effect in mode "
                f"{effective.mode}: {ignored.why}.",
                remedy=f"Remove the profile from the class, or {ignored.instead}.",
            )
        )
    elif profile.get("type") in {AppArmorProfileType.LOCALHOST, AppArmorProfileType.RUNTIME_DEFAULT}:
        by.append(f"AppArmor profile {profile.get('localhostProfile') or profile['type']}")
    return [*hazards, _too_strict(by)] if by else hazards


def _too_strict(by: list[str]) -> Hazard:
    return Hazard(
        type="ConfinedDaemon",
        message=f"The class confines dockerd by {' and '.join(sorted(by))}. Inner containers start from there, so what "
        "it forbids fails in all of them, and without the right to change to Docker's own profile none starts.",
        remedy="Let it allow what dockerd does: mount, umount, pivot_root, signals, ptrace, and the change to the "
        "profile or type of inner containers.",
    )


def _security_context(effective: EffectiveSpec) -> Mapping[str, Any]:
    """Of the daemon's container, from the class's pod template and its `securityModules`."""
    containers = effective.pod_template.get("spec", {}).get("containers", [])
    template: Manifest = next((each for each in containers if each.get("name") == CONTAINER), {})
    return confined(template, effective).get("securityContext") or {}
