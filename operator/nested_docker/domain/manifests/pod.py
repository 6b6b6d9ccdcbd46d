"""The pod: the class's template, overlaid with what all modes have and with what the mode adds."""

from __future__ import annotations

from nested_docker.api.v1alpha1.workload import SOCKET_DIRECTORY
from nested_docker.domain import names
from nested_docker.domain.manifests import metadata, storage
from nested_docker.domain.manifests.pod_template import ContainersOfTemplate, overlay
from nested_docker.domain.manifests.workload import containers_with_secrets, workload_container, workload_volumes
from nested_docker.domain.modes.base import ModeBehaviour, PodContext
from nested_docker.domain.modes.confinement import confined
from nested_docker.domain.modes.dockerd import CONTAINER, IDLE_WATCH, RESTRICTED, SOCKET, SOCKET_GID
from nested_docker.domain.modes.preflight import avoiding
from nested_docker.domain.objects import Manifest, child, secret_reference
from nested_docker.domain.pki import CA_CERTIFICATE, SERVER_CERTIFICATE, SERVER_KEY

GRACE_SECONDS = 30
"""Time that dockerd has to stop inner containers; the default of Kubernetes."""


def pod(context: PodContext, mode: ModeBehaviour, key_set: str, restart: str | None = None) -> Manifest:
    """The pod that serves with that key set.

    Args:
        context: the effective spec, and the names of the objects.
        mode: the mode of the daemon.
        key_set: name of the key set that it serves with.
        restart: the NestedDocker's restart annotation, kept so that a new value is seen as new.
    """
    effective, object_names = context.effective, context.object_names
    shared = metadata.of_pod(effective)
    ours = {names.ANNOTATION_EFFECTIVE: effective.fingerprint}
    if restart is not None:
        ours[names.ANNOTATION_RESTART] = restart
    manifest = child(
        "v1",
        object_names.pod(key_set),
        object_names.owner,
        labels={**shared.labels, names.LABEL_KEY_SET: key_set, names.LABEL_ROLE: "daemon"},
        annotations={**shared.annotations, **ours},
    )
    if object_names.remote:  # a drain and the cluster autoscaler refuse a pod without a controller
        manifest["metadata"]["ownerReferences"] = [secret_reference(object_names.tls_secret(key_set).name)]
    if readers := containers_with_secrets(effective.workload):
        manifest["metadata"]["annotations"][names.ANNOTATION_SECRET_CONTAINERS] = ",".join(readers)
    if mode.needs_node_cleanup(effective):
        manifest["metadata"]["finalizers"] = [names.FINALIZER]
    manifest["spec"] = _spec(context, mode, key_set)
    return manifest


def pod_to_judge(context: PodContext, mode: ModeBehaviour) -> Manifest:
    """The pod as admission judges it, before there is a key set."""
    return pod(context, mode, "0000000000")


def _spec(context: PodContext, mode: ModeBehaviour, key_set: str) -> Manifest:
    effective = context.effective
    template = dict(effective.pod_template.get("spec", {}))
    given = ContainersOfTemplate.take(template, {CONTAINER, IDLE_WATCH})
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": template.get("terminationGracePeriodSeconds", GRACE_SECONDS),
        "securityContext": {"supplementalGroups": [SOCKET_GID]},
        "volumes": _volumes(context, mode, key_set),
        **_containers(context, mode, given),
        **_scheduling(context),
    }
    if effective.runtime_class_name:
        spec["runtimeClassName"] = effective.runtime_class_name
    if effective.engine.image_pull_secrets:
        spec["imagePullSecrets"] = [reference.dump() for reference in effective.engine.image_pull_secrets]
    return avoiding(overlay(template, overlay(spec, mode.pod_fields(context))), context.avoided_nodes)


def _containers(context: PodContext, mode: ModeBehaviour, given: ContainersOfTemplate) -> Manifest:
    """With a workload the daemon is a native sidecar: it starts before the workload and stops after it."""
    daemon = confined(mode.container(context), context.effective)
    own = [given.under(daemon), *(given.under(watch) for watch in _idle_watch(context, mode))]
    workload = context.effective.workload
    if workload is None:
        return {"containers": own, "restartPolicy": "Always"}
    return {
        "initContainers": [container | {"restartPolicy": "Always"} for container in own]
        + [workload_container(context, mode, container) for container in workload.init_containers or []],
        "containers": [workload_container(context, mode, container) for container in workload.containers],
        "restartPolicy": workload.restart_policy.value,
    }


def _idle_watch(context: PodContext, mode: ModeBehaviour) -> list[Manifest]:
    """A container that exits when the daemon has been idle for long enough, so that the operator need not poll."""
    seconds, resources = context.effective.idle_timeout_seconds, context.effective.idle_watch_resources
    if seconds is None or resources is None:
        return []
    flags = [f"--timeout={seconds}", f"--socket={SOCKET}", f"--port={names.DOCKER_PORT}"]
    return [
        {
            "name": IDLE_WATCH,
            "image": context.defaults.operator_image,
            "imagePullPolicy": context.defaults.image_pull_policy,
            "args": ["idle-watch", *flags, *([] if _lists_own(context, mode) else ["--no-containers"])],
            "resources": resources.dump(),
            "securityContext": RESTRICTED,
            "volumeMounts": [{"name": "socket", "mountPath": SOCKET_DIRECTORY}],
        }
    ]


def _lists_own(context: PodContext, mode: ModeBehaviour) -> bool:
    """Whether the containers that the daemon lists are those of this NestedDocker."""
    return mode.runs_own_daemon or mode.needs_node_cleanup(context.effective)


def _volumes(context: PodContext, mode: ModeBehaviour, key_set: str) -> list[Manifest]:
    object_names, effective = context.object_names, context.effective
    server_items = [
        {"key": CA_CERTIFICATE, "path": "ca.pem"},
        {"key": SERVER_CERTIFICATE, "path": "cert.pem"},
        {"key": SERVER_KEY, "path": "key.pem", "mode": 0o440},
    ]
    volumes: list[Manifest] = [
        {"name": "socket", "emptyDir": {}},
        {
            "name": "server-certificates",
            "secret": {"secretName": object_names.tls_secret(key_set).name, "items": server_items},
        },
    ]
    if mode.runs_own_daemon:
        volumes.append({"name": "data", **storage.data_volume(object_names, effective.storage)})
    if effective.workload is not None:
        volumes += workload_volumes(effective.workload)
    return volumes + mode.volumes(context)


def _scheduling(context: PodContext) -> Manifest:
    wanted = context.effective.scheduling
    fields = {
        "nodeSelector": dict(wanted.node_selector),
        "affinity": wanted.affinity.kinds if wanted.affinity else None,
        "tolerations": list(wanted.tolerations),
        "priorityClassName": wanted.priority_class_name,
    }
    return {key: value for key, value in fields.items() if value}
