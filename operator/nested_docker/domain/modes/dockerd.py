"""The dockerd container that every mode with a daemon of its own shares."""

from __future__ import annotations

from importlib import resources
from typing import Any

from nested_docker.api.v1alpha1.engine import IptablesBackend
from nested_docker.api.v1alpha1.nested_docker import WORKSPACE, EngineStatus, Hazard
from nested_docker.domain import names
from nested_docker.domain.daemon_json import daemon_json
from nested_docker.domain.manifests.base import Manifest
from nested_docker.domain.modes.base import PodContext

CONTAINER = "daemon"
IDLE_WATCH = "idle-watch"
"""Container that ends by itself when nothing has used the daemon for long enough."""

SOCKET_DIRECTORY = "/run/nested-docker"
SOCKET = f"{SOCKET_DIRECTORY}/docker.sock"
SOCKET_GID = 2375
"""Group of the unix socket: the number that Docker's own images use; workloads get it as a supplemental group."""

PROBE_SOCKET = "/var/run/docker.sock"
"""A second socket, inside the daemon's container only: for probes, which are no use of the daemon, and for people."""

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
"""Security context of containers that run the operator's own image."""

_SCRIPT = resources.files(__package__).joinpath("start-dockerd.sh").read_text(encoding="utf-8")
START_SCRIPT = "".join(line for line in _SCRIPT.splitlines(keepends=True) if not line.lstrip().startswith("#"))
"""The start script without its comments, which are for its readers and not for `kubectl describe`."""


def dockerd_container(context: PodContext) -> Manifest:
    """A container that runs `dockerd` by our own full command, whatever the image's entrypoint is."""
    effective = context.effective
    return {
        "name": CONTAINER,
        "image": effective.engine.image,
        "imagePullPolicy": context.defaults.image_pull_policy,
        "command": ["/bin/sh", "-ec", START_SCRIPT, "start-dockerd"],
        "args": _flags(),
        "env": _environment(context),
        "ports": [{"name": "docker-tls", "containerPort": names.DOCKER_PORT, "protocol": "TCP"}],
        "resources": effective.resources.dump(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(context),
        **probes({"exec": {"command": ["docker", "-H", f"unix://{PROBE_SOCKET}", "version", "-f", "ok"]}}),
    }


def probes(check: dict[str, Any]) -> dict[str, Any]:
    """Startup within five minutes, readiness within seconds, a restart when the daemon hangs for a minute."""
    return {
        "startupProbe": check | {"periodSeconds": 1, "failureThreshold": 300, "timeoutSeconds": 10},
        "readinessProbe": check | {"periodSeconds": 10, "failureThreshold": 2, "timeoutSeconds": 10},
        "livenessProbe": check | {"periodSeconds": 20, "failureThreshold": 3, "timeoutSeconds": 20},
    }


def dockerd_volumes(context: PodContext) -> list[Manifest]:
    """The authorities that the daemon trusts, where some are named."""
    reference = context.effective.engine.ca_bundle_ref
    if reference is None:
        return []
    items = [{"key": reference.key, "path": "ca.crt"}]
    return [{"name": "ca-bundle", "configMap": {"name": reference.name, "items": items}}]


def storage_driver_hazards(engine: EngineStatus | None) -> list[Hazard]:
    """What the storage driver that dockerd really chose costs."""
    if engine is None or engine.storage_driver not in {"vfs", "fuse-overlayfs"}:
        return []
    costs = {
        "vfs": "every layer is a full copy: builds are slow and take several times the disk",
        "fuse-overlayfs": "file access goes through user space: builds are several times slower than on overlay2",
    }
    return [
        Hazard(
            type="SlowStorageDriver",
            message=f"dockerd chose the storage driver {engine.storage_driver}: {costs[engine.storage_driver]}.",
            remedy="Give the data-root a filesystem that takes overlay2, such as ext4 or xfs on an emptyDir or a "
            "claim, or set spec.engine.storageDriver: overlay2 to fail instead.",
        )
    ]


def _flags() -> list[str]:
    return [
        f"--host=tcp://0.0.0.0:{names.DOCKER_PORT}",
        f"--host=unix://{SOCKET}",
        f"--host=unix://{PROBE_SOCKET}",
        f"--group={SOCKET_GID}",
        "--tlsverify",
        f"--tlscacert={SERVER_CERTIFICATES}/ca.pem",
        f"--tlscert={SERVER_CERTIFICATES}/cert.pem",
        f"--tlskey={SERVER_CERTIFICATES}/key.pem",
        f"--data-root={DATA_ROOT}",
        "--exec-opt=native.cgroupdriver=cgroupfs",
    ]


def _environment(context: PodContext) -> list[dict[str, str]]:
    engine = context.effective.engine
    variables = {"NESTED_DOCKER_CONFIG": daemon_json(engine)}
    if engine.mtu is not None:
        variables["NESTED_DOCKER_MTU"] = str(engine.mtu)
    if engine.iptables not in {None, IptablesBackend.AUTO}:
        variables["NESTED_DOCKER_IPTABLES"] = str(engine.iptables).lower()
    if engine.ca_bundle_ref is not None:
        variables["NESTED_DOCKER_CA_BUNDLE"] = f"{CA_BUNDLE_DIRECTORY}/ca.crt"
    return [{"name": name, "value": value} for name, value in variables.items()]


def _mounts(context: PodContext) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "data", "mountPath": DATA_ROOT},
        {"name": "socket", "mountPath": SOCKET_DIRECTORY},
        {"name": "server-certificates", "mountPath": SERVER_CERTIFICATES, "readOnly": True},
    ]
    if context.effective.workload is not None:
        mounts.append({"name": "workspace", "mountPath": WORKSPACE})
    if context.effective.engine.ca_bundle_ref is not None:
        mounts.append({"name": "ca-bundle", "mountPath": CA_BUNDLE_DIRECTORY, "readOnly": True})
    return mounts
