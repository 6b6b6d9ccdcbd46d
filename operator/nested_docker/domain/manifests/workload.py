"""The containers and volumes of a workload in the daemon's pod."""

from __future__ import annotations

from nested_docker.api.v1alpha1.workload import (
    SOCKET_DIRECTORY,
    WORKSPACE,
    EnvVar,
    VolumeMount,
    WorkloadContainer,
    WorkloadSpec,
    WorkloadVolume,
)
from nested_docker.domain import names
from nested_docker.domain.manifests.storage import empty_dir
from nested_docker.domain.modes.base import ModeBehaviour, PodContext
from nested_docker.domain.modes.dockerd import SOCKET
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Manifest
from nested_docker.domain.registry_credentials import VARIABLE

NODE_ADDRESS = {"name": "NODE_ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
"""Variable of workloads with the IP address of their node."""


def workload_container(context: PodContext, mode: ModeBehaviour, container: WorkloadContainer) -> Manifest:
    """A container of the workload, with the daemon's socket and all that its clients need."""
    workload = context.effective.workload
    manifest: Manifest = {
        "name": container.name,
        "image": container.image,
        "imagePullPolicy": context.defaults.image_pull_policy,
        "workingDir": container.working_dir or WORKSPACE,
        "env": [
            {"name": "DOCKER_HOST", "value": f"unix://{SOCKET}"},
            *_client_variables(context, mode),
            *([registry_variable(context.object_names)] if context.effective.workload_credentials else []),
            *(variable(each) for each in container.env),
        ],
        "resources": container.resources.dump(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "workspace", "mountPath": WORKSPACE},
            {"name": "socket", "mountPath": SOCKET_DIRECTORY},
            *shared_mounts(workload),
            *(_mount(each) for each in container.volume_mounts or []),
        ],
    }
    if container.command:
        manifest["command"] = list(container.command)
    if container.args:
        manifest["args"] = list(container.args)
    if container.env_from:
        manifest["envFrom"] = [source.dump() for source in container.env_from]
    return manifest


def workload_volumes(workload: WorkloadSpec) -> list[Manifest]:
    """The workspace, and the volumes of the workload."""
    own = [{"name": names.workload_volume(each.name), **volume_source(each)} for each in workload.volumes or []]
    return [{"name": "workspace", "emptyDir": {}}, *own]


def volume_source(volume: WorkloadVolume) -> Manifest:
    """What a volume is made of, as in a pod."""
    if volume.empty_dir is not None:
        return {"emptyDir": empty_dir(volume.empty_dir.size_limit, volume.empty_dir.medium)}
    return {key: value for key, value in volume.dump().items() if key in {"secret", "configMap", "projected"}}


def shared_mounts(workload: WorkloadSpec | None) -> list[Manifest]:
    """The volumes that the daemon has at the same paths, besides the workspace."""
    shared = workload.shared_volumes if workload else []
    return [{"name": names.workload_volume(name), "mountPath": path} for name, path in shared]


def containers_with_secrets(workload: WorkloadSpec | None) -> list[str]:
    """Names of the containers that the spec gives something of a Secret; guardrails deny it to all others."""
    if workload is None:
        return []
    secret = {volume.name for volume in workload.volumes or [] if _has_secret(volume)}
    return [
        container.name
        for _, container in workload.every_container
        if any(each.value_from and each.value_from.secret_key_ref for each in container.env)
        or any(each.secret_ref for each in container.env_from or [])
        or any(each.name in secret for each in container.volume_mounts or [])
    ]


def variable(given: EnvVar) -> Manifest:
    """An environment variable, as in a pod."""
    return given.dump() if given.value_from is None else {"name": given.name, "valueFrom": given.value_from.dump()}


def registry_variable(object_names: ObjectNames) -> Manifest:
    """The registry credentials of a workload, from its own env Secret."""
    source = {"name": object_names.env_secret.name, "key": VARIABLE}
    return {"name": VARIABLE, "valueFrom": {"secretKeyRef": source}}


def _client_variables(context: PodContext, mode: ModeBehaviour) -> list[Manifest]:
    """What clients get by the env Secret; the pod learns the node's address only from the kubelet."""
    reference = f"$({NODE_ADDRESS['name']})"
    variables = mode.client_env(context.effective, reference)
    found = [{"name": name, "value": value} for name, value in variables.items()]
    return [NODE_ADDRESS, *found] if reference in variables.values() else found


def _mount(mount: VolumeMount) -> Manifest:
    return mount.dump() | {"name": names.workload_volume(mount.name)}


def _has_secret(volume: WorkloadVolume) -> bool:
    sources = volume.projected.sources if volume.projected else []
    return volume.secret is not None or any(source.secret for source in sources)
