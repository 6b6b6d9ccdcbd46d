"""The dockerd container of all modes that run dockerd in the pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from nested_docker.api.daemon_config import DaemonFlag
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerSpec
from nested_docker.api.v1alpha1.engine import IptablesBackend
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard, ImageStore
from nested_docker.api.v1alpha1.workload import SOCKET_DIRECTORY, WORKSPACE
from nested_docker.domain import names
from nested_docker.domain.daemon_json import daemon_json, proxy_environment
from nested_docker.domain.effective import EffectiveSpec, Layers, ModeSettings
from nested_docker.domain.modes import trial_run
from nested_docker.domain.modes.base import NodeNeeds, Objection, PodContext
from nested_docker.domain.modes.preflight import LINUX, for_pod
from nested_docker.domain.objects import ClusterFacts, Manifest
from nested_docker.domain.registry_mirrors import hosts_files

CONTAINER = "daemon"
IDLE_WATCH = "idle-watch"
"""Container that exits when the daemon has been idle for long enough."""

SOCKET = f"{SOCKET_DIRECTORY}/docker.sock"
SOCKET_GID = 2375
"""Group of the unix socket: the number that Docker's own images use; workloads get it as a supplemental group."""

PROBE_SOCKET = "/var/run/docker.sock"
"""A second socket, only in the daemon's container, for probes and people: using it does not count as activity."""

SERVER_CERTIFICATES = "/certs/server"
DATA_ROOT = "/var/lib/docker"
CA_BUNDLE_DIRECTORY = "/etc/nested-docker/ca"

OPERATOR_UID = 65532
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": OPERATOR_UID,
    "runAsGroup": OPERATOR_UID,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Security context of containers that run the operator's image."""


def script(file_name: str) -> str:
    """A script of this package without its comments, which would only lengthen `kubectl describe`."""
    text = resources.files(__package__).joinpath(file_name).read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))


START_SCRIPT = trial_run.in_script(script("start-dockerd.sh"))
"""Prepares the container for dockerd, and starts it."""


class OwnDaemon:
    """What all modes that run dockerd in the pod have in common."""

    runs_own_daemon = True
    sidecar_obstacle = "it needs a user namespace of the whole pod, which changes the job's own containers"

    def resolve(self, layers: Layers, spec: NestedDockerSpec, class_spec: NestedDockerClassSpec) -> ModeSettings:
        """No settings besides those of all modes."""
        del layers, spec, class_spec
        return ModeSettings()

    def engine_image(self, default: str) -> str:
        """Any image with dockerd will do."""
        return default

    def apply_policy(self, effective: EffectiveSpec, policy: NestedDockerPolicySpec | None) -> EffectiveSpec:
        """No change: a policy only grants such a pod, or not."""
        del policy
        return effective

    def objections(self, settings: ModeSettings, policy: NestedDockerPolicySpec) -> Iterable[Objection]:
        """None: there are no settings that a policy could object to."""
        del settings, policy
        return ()

    def node_needs(self, effective: EffectiveSpec, cluster: ClusterFacts) -> NodeNeeds:
        """Linux: whatever else it needs, the pod finds out."""
        return for_pod(LINUX, effective, cluster, effective.runtime_class_name or "")

    def volumes(self, context: PodContext) -> list[Manifest]:
        """The daemon's volumes."""
        return dockerd_volumes(context)

    def client_env(self, effective: EffectiveSpec, node_address: str = "") -> Mapping[str, str]:
        """None: the address is enough."""
        del effective, node_address
        return {}

    def needs_node_cleanup(self, effective: EffectiveSpec) -> bool:
        """No: what runs inside the daemon ends with it."""
        del effective
        return False


TLS_PORT = {"name": "docker-tls", "containerPort": names.DOCKER_PORT, "protocol": "TCP"}


def dockerd_container(context: PodContext) -> Manifest:
    """A container that runs `dockerd` with our command; the image's entrypoint is not used."""
    effective = context.effective
    return {
        "name": CONTAINER,
        "image": effective.engine.image,
        "imagePullPolicy": context.defaults.image_pull_policy,
        "command": ["/bin/sh", "-ec", START_SCRIPT, "start-dockerd"],
        "args": dockerd_flags(serves_network=context.serves_network),
        "env": _environment(context),
        **({"ports": [TLS_PORT]} if context.serves_network else {}),
        "resources": effective.resources.dump(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(context),
        **probes({"exec": {"command": ["docker", "-H", f"unix://{PROBE_SOCKET}", "version", "-f", "ok"]}}),
    }


SLOW_DRIVERS = {
    "vfs": "every layer is a full copy: builds are slow and take several times the disk",
    "native": "every layer is a full copy: builds are slow and take several times the disk",
    "fuse-overlayfs": "file access goes through user space: builds are several times slower than with overlay mounts",
}


def probes(check: dict[str, Any], ready: dict[str, Any] | None = None) -> dict[str, Any]:
    """Startup within five minutes, readiness within seconds, a restart when the daemon hangs for a minute.

    Args:
        check: whether the daemon answers.
        ready: whether the pod is ready, if that takes more.
    """
    return {
        "startupProbe": check | {"periodSeconds": 1, "failureThreshold": 300, "timeoutSeconds": 10},
        "readinessProbe": (ready or check) | {"periodSeconds": 10, "failureThreshold": 2, "timeoutSeconds": 10},
        "livenessProbe": check | {"periodSeconds": 20, "failureThreshold": 3, "timeoutSeconds": 20},
    }


def dockerd_volumes(context: PodContext) -> list[Manifest]:
    """The certificate authorities that the daemon trusts, if there are any."""
    reference = context.effective.engine.ca_bundle_ref
    if reference is None:
        return []
    items = [{"key": reference.key, "path": "ca.crt"}]
    return [{"name": "ca-bundle", "configMap": {"name": reference.name, "items": items}}]


def mount_hazard(effective: EffectiveSpec) -> Hazard:
    """Clients have other files than the daemon, and Docker does not say so."""
    shared = _shared_paths(effective)
    are = "is" if len(shared) == 1 else "are"
    exception = f" Only {' and '.join(shared)} of the workload {are} the same for both." if shared else ""
    return Hazard(
        type="BindMountsResolveInDaemon",
        message="Paths in `docker run -v`, and `./` in compose files, are the daemon's and not the client's: Docker "
        f"makes an empty directory of a path that the daemon does not have, without an error.{exception}",
        remedy=f"Keep files that containers mount in {' or '.join(shared)}."
        if shared
        else f"Copy files by docker cp or a build, or run the client as spec.workload, which shares {WORKSPACE}.",
    )


def _shared_paths(effective: EffectiveSpec) -> list[str]:
    """Directories that the workload and the daemon have in common; empty: there is no workload."""
    workload = effective.workload
    return [WORKSPACE, *(path for _, path in workload.shared_volumes)] if workload else []


def engine_hazards(engine: EngineStatus | None) -> list[Hazard]:
    """Hazards of the daemon's storage driver and security module, as the daemon reports them."""
    if engine is None:
        return []
    return [*_storage_driver_hazards(engine), *_security_module_hazards(engine), *_age_hazards(engine)]


LAYERED_FILESYSTEMS = frozenset({"overlayfs", "overlay", "aufs", "btrfs", "zfs", "fuse"})
"""Filesystems under the data-root on which a copy-on-write driver is slow, or does not work at all."""


def _storage_driver_hazards(engine: EngineStatus) -> list[Hazard]:
    instead = (
        "leave spec.engine.storageDriver out"
        if engine.image_store is ImageStore.CONTAINERD
        else "set spec.engine.storageDriver: overlay2 to fail instead"
    )
    remedy = (
        "Give the data-root a filesystem that supports overlay mounts, such as ext4 or xfs on an emptyDir or a claim, "
        f"and {instead}."
    )
    if engine.storage_driver not in SLOW_DRIVERS:
        if engine.backing_filesystem.lower() not in LAYERED_FILESYSTEMS:
            return []
        return [
            Hazard(
                type="LayeredFilesystem",
                message=f"The {engine.storage} is on {engine.backing_filesystem}: "
                "copy-on-write on copy-on-write, which is slow, and fails with some kernels.",
                remedy=remedy,
            )
        ]
    return [
        Hazard(
            type="SlowStorageDriver",
            message=f"dockerd chose the {engine.storage}: {SLOW_DRIVERS[engine.storage_driver]}.",
            remedy=remedy,
        )
    ]


def _security_module_hazards(engine: EngineStatus) -> list[Hazard]:
    """Dockerd names the modules that it uses as `name=apparmor`, `name=selinux`, `name=seccomp,profile=…`."""
    modules = {option.partition(",")[0].removeprefix("name=") for option in engine.security_options}
    found = sorted(modules & {"apparmor", "selinux"})
    if not found:
        return [
            Hazard(
                type="NoSecurityModule",
                message="Neither AppArmor nor SELinux confines the inner containers: the daemon uses none here.",
                remedy="Where that matters, use nodes with AppArmor or SELinux, and an image whose dockerd "
                "supports it.",
            )
        ]
    return [
        Hazard(
            type="NestedSecurityModule",
            message=f"The daemon loads its own {' and '.join(found)} policy into the node's kernel for its inner "
            "containers, where it is nested in the pod's own and may forbid what neither would forbid alone.",
            remedy="If an inner container is denied something that is allowed elsewhere, start it with "
            "--security-opt " + ("apparmor=unconfined." if "apparmor" in found else "label=disable."),
        )
    ]


NODE = {"name": "NESTED_DOCKER_NODE", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
"""The node's address for the start script: networks of inner containers stay apart from it."""

MTU_OF_EVERY_NETWORK = 24
"""First major version of Docker that takes an MTU for user-defined networks."""


def _age_hazards(engine: EngineStatus) -> list[Hazard]:
    major = engine.version.partition(".")[0]
    if not major.isdecimal() or int(major) >= MTU_OF_EVERY_NETWORK:
        return []
    return [
        Hazard(
            type="MtuOfDefaultNetworkOnly",
            message=f"Docker {engine.version} applies the MTU to its default network only: where the pod's MTU is "
            "below 1500, connections from user-defined networks, such as those of docker compose, can hang.",
            remedy=f"Use an engine.image with Docker {MTU_OF_EVERY_NETWORK} or newer, or create networks with "
            "--opt com.docker.network.driver.mtu.",
        )
    ]


def dockerd_flags(*, serves_network: bool = True) -> list[str]:
    """Flags that every daemon gets; the start script adds those that depend on what the container sees.

    Args:
        serves_network: whether clients of other pods connect, by TLS.
    """
    sockets = (f"unix://{SOCKET}", f"unix://{PROBE_SOCKET}")
    network: dict[DaemonFlag, tuple[str, ...]] = {
        DaemonFlag.TLS_VERIFY: ("true",),
        DaemonFlag.TLS_CA_CERTIFICATE: (f"{SERVER_CERTIFICATES}/ca.pem",),
        DaemonFlag.TLS_CERTIFICATE: (f"{SERVER_CERTIFICATES}/cert.pem",),
        DaemonFlag.TLS_KEY: (f"{SERVER_CERTIFICATES}/key.pem",),
    }
    values: dict[DaemonFlag, tuple[str, ...]] = {
        DaemonFlag.HOST: (f"tcp://0.0.0.0:{names.DOCKER_PORT}", *sockets) if serves_network else sockets,
        DaemonFlag.GROUP: (str(SOCKET_GID),),
        **(network if serves_network else {}),
        DaemonFlag.DATA_ROOT: (DATA_ROOT,),
        DaemonFlag.EXEC_OPTION: ("native.cgroupdriver=cgroupfs",),
    }
    return [f"--{flag}={value}" for flag, given in values.items() for value in given]


def _environment(context: PodContext) -> list[dict[str, Any]]:
    engine = context.effective.engine
    variables = {
        "NESTED_DOCKER_CONFIG": daemon_json(engine),
        **proxy_environment(engine),
        **trial_run.environment(engine),
    }
    if mirrors := hosts_files(engine):
        variables["NESTED_DOCKER_MIRRORS"] = mirrors
    if engine.mtu is not None:
        variables["NESTED_DOCKER_MTU"] = str(engine.mtu)
    if engine.iptables not in {None, IptablesBackend.AUTO}:
        variables["NESTED_DOCKER_IPTABLES"] = str(engine.iptables).lower()
    if engine.ca_bundle_ref is not None:
        variables["NESTED_DOCKER_CA_BUNDLE"] = f"{CA_BUNDLE_DIRECTORY}/ca.crt"
    return [*({"name": name, "value": value} for name, value in variables.items()), NODE]


def _mounts(context: PodContext) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "data", "mountPath": DATA_ROOT},
        {"name": "socket", "mountPath": SOCKET_DIRECTORY},
    ]
    if context.serves_network:
        mounts.append({"name": "server-certificates", "mountPath": SERVER_CERTIFICATES, "readOnly": True})
    if context.effective.workload is not None:
        mounts.append({"name": "workspace", "mountPath": WORKSPACE})
        shared = context.effective.workload.shared_volumes
        mounts += [{"name": names.workload_volume(name), "mountPath": path} for name, path in shared]
    if context.effective.engine.ca_bundle_ref is not None:
        mounts.append({"name": "ca-bundle", "mountPath": CA_BUNDLE_DIRECTORY, "readOnly": True})
    return mounts
