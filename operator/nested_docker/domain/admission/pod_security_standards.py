"""What Kubernetes' Pod Security Standards forbid of a pod, as the API server judges it: by level and version."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nested_docker.domain.node_facts import mapping_or_empty, mappings_in
from nested_docker.domain.objects import Manifest
from nested_docker.domain.shown import shown

NEWEST = 37
"""Minor version of Kubernetes, as in 1.37, whose standards are the newest here; later ones may differ."""


class PodSecurityLevel(StrEnum):
    """Pod Security Standards, the strictest last."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"


def violations(manifest: Manifest, level: PodSecurityLevel, version: float) -> list[str]:
    """What of a pod a level forbids, each as what the pod has and where; empty: the level admits the pod.

    Args:
        manifest: the pod.
        level: the level.
        version: minor version of the standards, as in 1.35; later ones than NEWEST count as that one.
    """
    if level == PodSecurityLevel.PRIVILEGED:
        return []
    pod = _Pod.of(manifest, min(version, NEWEST))
    checks = _BASELINE if level == PodSecurityLevel.BASELINE else (*_BASELINE, *_RESTRICTED)
    return list(dict.fromkeys(found for check in checks for found in check(pod)))


@dataclass(frozen=True)
class _Pod:
    """A pod, and by which standards it is judged.

    Attributes:
        version: minor version of the standards.
        spec: of the pod.
        annotations: of the pod.
        own: its own security context.
        containers: security contexts of its containers with their names, in the order of the standards' checks.
        raw: its containers.
    """

    version: float
    spec: Mapping[str, Any]
    annotations: Mapping[str, Any]
    own: Mapping[str, Any]
    containers: tuple[tuple[str, Mapping[str, Any]], ...]
    raw: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, manifest: Manifest, version: float) -> _Pod:
        spec = mapping_or_empty(manifest.get("spec"))
        raw = (*mappings_in(spec.get("initContainers")), *mappings_in(spec.get("containers")))
        return cls(
            version,
            spec,
            mapping_or_empty(mapping_or_empty(manifest.get("metadata")).get("annotations")),
            mapping_or_empty(spec.get("securityContext")),
            tuple((f"container {each.get('name')}", mapping_or_empty(each.get("securityContext"))) for each in raw),
            raw,
        )

    @property
    def contexts(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """All security contexts."""
        return (("the pod", self.own), *self.containers)

    @property
    def in_user_namespace(self) -> bool:
        """Whether the standards of this version relax some checks for it."""
        return self.version >= 35 and self.spec.get("hostUsers") is False

    @property
    def windows(self) -> bool:
        """Whether it is exempt from some checks of `restricted`."""
        return self.version >= 25 and mapping_or_empty(self.spec.get("os")).get("name") == "windows"


_Check = Callable[[_Pod], Iterator[str]]

DEFAULT_CAPABILITIES = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
        *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
_SYSCTLS = {
    "kernel.shm_rmid_forced": 0,
    "net.ipv4.ip_local_port_range": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.ping_group_range": 0,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_keepalive_time": 29,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_rmem": 32,
    "net.ipv4.tcp_wmem": 32,
    "net.ipv4.tcp_slow_start_after_idle": 37,
    "net.ipv4.tcp_notsent_lowat": 37,
}
"""Sysctls that `baseline` admits, each with the minor version that admits it first."""

_SELINUX_TYPES = {"container_t": 0, "container_init_t": 0, "container_kvm_t": 0, "container_engine_t": 31}
"""Likewise, SELinux types."""

_VOLUMES = frozenset(
    {
        *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected"),
        "secret",
    }
)
"""Sources of volumes that `restricted` admits."""

_PROFILES = ("RuntimeDefault", "Localhost")
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_ANNOTATIONS = ("seccomp.security.alpha.kubernetes.io/pod", "container.seccomp.security.alpha.kubernetes.io/")


# --- baseline ---------------------------------------------------------------------------------------


def _host_processes(pod: _Pod) -> Iterator[str]:
    for where, context in pod.contexts:
        if mapping_or_empty(context.get("windowsOptions")).get("hostProcess"):
            yield f"windowsOptions.hostProcess: true on {where}"


def _host_namespaces(pod: _Pod) -> Iterator[str]:
    yield from (f"{field}: true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(field))


def _privileged(pod: _Pod) -> Iterator[str]:
    for where, context in pod.containers:
        if context.get("privileged"):
            yield f"securityContext.privileged: true on {where}"


def _capabilities(pod: _Pod) -> Iterator[str]:
    yield from _added(pod, DEFAULT_CAPABILITIES)


def _host_paths(pod: _Pod) -> Iterator[str]:
    for volume in mappings_in(pod.spec.get("volumes")):
        if volume.get("hostPath") is not None:
            yield f"the hostPath volume {volume.get('name')}"


def _host_ports(pod: _Pod) -> Iterator[str]:
    for container in pod.raw:
        for port in mappings_in(container.get("ports")):
            if port.get("hostPort"):
                yield f"hostPort: {shown(port['hostPort'])} on container {container.get('name')}"


def _hosts_of_probes(pod: _Pod) -> Iterator[str]:
    if pod.version < 34:
        return
    for container in pod.raw:
        hooks = mapping_or_empty(container.get("lifecycle"))
        probes = [container.get(f"{kind}Probe") for kind in ("liveness", "readiness", "startup")]
        for action in (*probes, hooks.get("postStart"), hooks.get("preStop")):
            for how in ("httpGet", "tcpSocket"):
                if host := mapping_or_empty(mapping_or_empty(action).get(how)).get("host"):
                    yield f"{how}.host: {shown(host)} of a probe or hook on container {container.get('name')}"


def _app_armor(pod: _Pod) -> Iterator[str]:
    yield from _profiles(pod, "appArmorProfile", "AppArmor")
    for key, value in pod.annotations.items():
        allowed = value in {"", "runtime/default"} or str(value).startswith("localhost/")
        if key.startswith(_APPARMOR_ANNOTATION) and not allowed:
            yield f"annotation {key}: {shown(value)}"


def _se_linux(pod: _Pod) -> Iterator[str]:
    for where, context in pod.contexts:
        options = mapping_or_empty(context.get("seLinuxOptions"))
        kind = str(options.get("type") or "container_t")
        if _SELINUX_TYPES.get(kind, NEWEST + 1) > pod.version:
            yield f"seLinuxOptions.type: {shown(kind)} on {where}"
        yield from (f"seLinuxOptions.{field} on {where}" for field in ("user", "role") if options.get(field))


def _proc(pod: _Pod) -> Iterator[str]:
    if not pod.in_user_namespace:
        yield from _proc_mounts(pod)


def _seccomp(pod: _Pod) -> Iterator[str]:
    if pod.version >= 19:
        yield from _profiles(pod, "seccompProfile", "seccomp")
        return
    names = {f"{_SECCOMP_ANNOTATIONS[1]}{container.get('name')}" for container in pod.raw} | {_SECCOMP_ANNOTATIONS[0]}
    for key in sorted(names & pod.annotations.keys()):
        value = pod.annotations[key]
        if value not in {"runtime/default", "docker/default"} and not str(value).startswith("localhost/"):
            yield f"annotation {key}: {shown(value)}"


def _sysctls(pod: _Pod) -> Iterator[str]:
    for sysctl in mappings_in(pod.own.get("sysctls")):
        if _SYSCTLS.get(str(sysctl.get("name")), NEWEST + 1) > pod.version:
            yield f"sysctl {shown(sysctl.get('name'))}"


_BASELINE: tuple[_Check, ...] = (
    *(_privileged, _capabilities, _host_paths, _host_namespaces, _host_ports, _proc, _app_armor, _seccomp, _se_linux),
    *(_sysctls, _hosts_of_probes, _host_processes),
)


# --- restricted -------------------------------------------------------------------------------------


def _volume_sources(pod: _Pod) -> Iterator[str]:
    for volume in mappings_in(pod.spec.get("volumes")):
        sources = {key for key, value in volume.items() if key != "name" and value is not None}
        if sources == {"hostPath"}:
            yield f"the hostPath volume {volume.get('name')}"
        elif sources and not sources & _VOLUMES:
            yield f"volume {volume.get('name')} of type {', '.join(sorted(sources))}"


def _escalation(pod: _Pod) -> Iterator[str]:
    for where, context in pod.containers:
        if not pod.windows and context.get("allowPrivilegeEscalation") is not False:
            yield f"no allowPrivilegeEscalation: false on {where}"


def _root(pod: _Pod) -> Iterator[str]:
    if pod.in_user_namespace:
        return
    for where, context in pod.contexts:
        if context.get("runAsNonRoot") is False:
            yield f"runAsNonRoot: false on {where}"
        if context.get("runAsUser") == 0 and pod.version >= 23:
            yield f"runAsUser: 0 on {where}"
    if not pod.own.get("runAsNonRoot"):
        yield from _unset(pod, "runAsNonRoot", "no runAsNonRoot: true")


def _seccomp_profiles(pod: _Pod) -> Iterator[str]:
    if pod.version >= 19 and not pod.windows and pod.own.get("seccompProfile") is None:
        yield from _unset(pod, "seccompProfile", "no seccompProfile")


def _dropped_capabilities(pod: _Pod) -> Iterator[str]:
    if pod.version < 22 or pod.windows:
        return
    for where, context in pod.containers:
        if "ALL" not in _capabilities_in(context, "drop"):
            yield f"no capabilities.drop: [ALL] on {where}"
    yield from _added(pod, frozenset({"NET_BIND_SERVICE"}))


def _proc_mounts(pod: _Pod) -> Iterator[str]:
    for where, context in pod.containers:
        if context.get("procMount") not in (None, "Default"):
            yield f"procMount: {shown(context['procMount'])} on {where}"


_RESTRICTED: tuple[_Check, ...] = (
    *(_volume_sources, _escalation, _root, _seccomp_profiles, _dropped_capabilities, _proc_mounts),
)


def _added(pod: _Pod, allowed: Collection[str]) -> Iterator[str]:
    for where, context in pod.containers:
        if forbidden := sorted(set(_capabilities_in(context, "add")) - set(allowed)):
            yield f"capabilities.add: [{', '.join(forbidden)}] on {where}"


def _capabilities_in(context: Mapping[str, Any], field: str) -> list[str]:
    listed = mapping_or_empty(context.get("capabilities")).get(field)
    return [str(each) for each in listed] if isinstance(listed, list) else []


def _profiles(pod: _Pod, field: str, kind: str) -> Iterator[str]:
    for where, context in pod.contexts:
        profile = context.get(field)
        if profile is not None and mapping_or_empty(profile).get("type") not in _PROFILES:
            yield f"{kind} profile of type {shown(mapping_or_empty(profile).get('type'))} on {where}"


def _unset(pod: _Pod, field: str, what: str) -> Iterator[str]:
    yield from (f"{what} on {where}" for where, context in pod.containers if context.get(field) is None)
