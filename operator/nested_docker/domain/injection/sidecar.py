"""The daemon as a native sidecar of the pod that asks for it: the container, its volumes, and why a pod cannot have it.

It shares the pod's network, so published ports are at localhost, and it has the volumes of its clients at the same
paths, so `docker run -v` finds their files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec
from nested_docker.api.v1alpha1.engine import StorageType
from nested_docker.api.v1alpha1.nested_docker_class import AppArmorProfileType, Evictions, InjectionForm
from nested_docker.api.v1alpha1.workload import SOCKET_DIRECTORY
from nested_docker.domain import names
from nested_docker.domain.admission import mode_choice
from nested_docker.domain.admission.acceptance import Accepted
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.injection.mount_paths import is_within, mount_path
from nested_docker.domain.injection.request import OTHER_CONTAINERS, ChosenContainer, InjectionError, InjectionRequest
from nested_docker.domain.manifests import storage
from nested_docker.domain.manifests.pod_template import ContainersOfTemplate
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.confinement import confined
from nested_docker.domain.modes.dockerd import CA_BUNDLE_DIRECTORY, CONTAINER, DATA_ROOT, PROBE_SOCKET, SOCKET
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Manifest, Owner
from nested_docker.domain.shown import shorten

SIDECAR = "nested-docker"
"""Name of the container."""

SOCKET_VOLUME, DATA_VOLUME = f"{SIDECAR}-socket", f"{SIDECAR}-data"

SOCKET_MOUNT: Mapping[str, Any] = {"name": SOCKET_VOLUME, "mountPath": SOCKET_DIRECTORY, "readOnly": True}
"""Of the clients: read-only, so that none can put another socket there."""

TLS_VARIABLES = ("DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
"""With a value in one of these a client expects TLS at the socket too, where there is none."""

SOCKET_VARIABLES: tuple[Mapping[str, Any], ...] = (
    {"name": "DOCKER_HOST", "value": f"unix://{SOCKET}"},
    # Variables win over those of `envFrom` and of images, which the webhook does not see.
    *({"name": name, "value": ""} for name in TLS_VARIABLES),
)
"""The environment of the clients."""

REMOTE = f"or choose form {InjectionForm.REMOTE} by the annotation {names.ANNOTATION_INJECT_FORM}"

KEPT_TREES = (DATA_ROOT, SOCKET_DIRECTORY, CA_BUNDLE_DIRECTORY, "/etc/docker", "/run/docker", "/proc", "/sys")
"""Directories of the daemon in which, and over which, a client's volume cannot be mounted."""

KEPT = (
    *KEPT_TREES,
    PROBE_SOCKET,
    *("/bin", "/sbin", "/lib", "/lib64", "/etc/ssl", "/dev/null"),
    *(f"/usr/{each}" for each in ("bin", "sbin", "lib", "libexec", "local/bin", "local/sbin", "local/lib")),
)
"""Paths of the daemon over which a client's volume cannot be mounted."""

DIRECTORIES_OF_PROGRAMS = ("/bin", "/sbin", *(f"/usr/{each}" for each in ("bin", "sbin", "local/bin", "local/sbin")))

PROGRAMS_OF_DAEMON = frozenset(
    (
        "busybox",
        "containerd",
        "containerd-shim-runc-v2",
        "docker",
        "docker-init",
        "docker-proxy",
        "dockerd",
        "runc",
        "sh",
    )
)
"""What the daemon runs out of these directories: the same program of another image need not start in its own."""

SHARED_FIELDS = ("name", "mountPath", "subPath", "readOnly", "recursiveReadOnly", "mountPropagation")

READ_ONLY_SOURCES = frozenset({"configMap", "downwardAPI", "image", "projected", "secret"})
"""Sources of volumes to which no container can write."""

LONGEST_SUB_PATH = 4096
"""Characters of a path, for Linux; no container with a longer one starts."""

ALONE = {
    "hostNetwork": "dockerd would change the node's network",
    "hostPID": "dockerd would run among the node's processes",
    "shareProcessNamespace": "dockerd would run among the job's processes",
}
"""Fields of a pod with which the daemon cannot share the pod, and why."""


@dataclass(frozen=True)
class Sidecar:
    """What a pod gets.

    Attributes:
        container: the daemon's; that of a class lacks what it has from its pod.
        volumes: that it mounts besides those of its clients.
        policy: name of the NestedDockerPolicy that grants it; empty: none does, and policy is not enforced.
    """

    container: Manifest
    volumes: list[Manifest]
    policy: str


def chosen_form(request: InjectionRequest, class_spec: NestedDockerClassSpec) -> InjectionForm:
    """The form of a pod's daemon: the one that it names, or else the first one of its class.

    Raises:
        InjectionError: the class does not offer it.
    """
    forms = class_spec.injection.forms
    if not request.form:
        return forms[0]
    if request.form not in forms:
        raise InjectionError(
            f"metadata.annotations: {names.ANNOTATION_INJECT_FORM} is {request.form}, and NestedDockerClass "
            f"{shorten(request.class_name)} offers {', '.join(forms)}: choose one of these, or ask a cluster admin to "
            "add it to injection.forms of the class"
        )
    return request.form


def sidecar_mode(class_name: str, class_spec: NestedDockerClassSpec) -> Mode:
    """The mode of a class that can run as a sidecar.

    Raises:
        InjectionError: none can.
    """
    order = mode_choice.order(class_spec)
    able = next((mode for mode in order if not MODES[mode].sidecar_obstacle), None)
    if able is None:
        whys = "; ".join(f"{mode}: {MODES[mode].sidecar_obstacle}" for mode in order)
        others = ", ".join(mode for mode, each in MODES.items() if not each.sidecar_obstacle)
        raise InjectionError(
            f"form {InjectionForm.SIDECAR}: no mode of NestedDockerClass {class_name} can be a sidecar ({whys}): "
            f"choose a class with mode {others}, {REMOTE}"
        )
    return able


def class_sidecar(namespace: str, accepted: Accepted, defaults: OperatorDefaults) -> Sidecar:
    """The daemon of all pods of a class, without what depends on the pod.

    Args:
        namespace: of the pods.
        accepted: the request for it.
        defaults: the operator's.
    """
    effective, behaviour = accepted.effective, MODES[accepted.effective.mode]
    object_names = ObjectNames(Owner(SIDECAR, namespace, ""))
    context = PodContext(object_names, effective, defaults, serves_network=False)
    template = dict(effective.pod_template.get("spec", {}))
    given = ContainersOfTemplate.take(template, {CONTAINER})
    own = given.under(confined(behaviour.container(context), effective))
    mounts = [mount | {"name": f"{SIDECAR}-{mount['name']}"} for mount in own["volumeMounts"]]
    container = own | {"name": SIDECAR, "restartPolicy": "Always", "volumeMounts": mounts}
    volumes = [
        {"name": "socket", "emptyDir": {}},
        {"name": "data", **storage.data_volume(object_names, effective.storage)},
        *behaviour.volumes(context),
    ]
    named = [volume | {"name": f"{SIDECAR}-{volume['name']}"} for volume in volumes]
    return Sidecar(container, named, accepted.policy)


def sidecar(pod: Mapping[str, Any], accepted: Accepted, clients: Sequence[ChosenContainer], given: Sidecar) -> Sidecar:
    """The daemon of a pod.

    Args:
        pod: with or without the daemon.
        accepted: the request for it.
        clients: containers that get its socket.
        given: that of the class.

    Raises:
        InjectionError: pod or class has something that the daemon cannot share, or does not get.
    """
    problem = next(iter([*_pod_problems(pod), *_class_problems(pod, accepted)]), None)
    if problem is not None:
        raise InjectionError(f"{problem}, {REMOTE}")
    _require_early_sub_paths(pod, clients)
    own = given.container
    shared = {
        "securityContext": _own_defaults(pod) | own["securityContext"],
        "volumeMounts": [*own["volumeMounts"], *mounts_of_clients(clients)],
    }
    return replace(given, container=own | shared)


def _own_defaults(pod: Mapping[str, Any]) -> Manifest:
    """What a container takes from its pod if it does not say otherwise, and dockerd cannot."""
    has_profile = "appArmorProfile" in (pod["spec"].get("securityContext") or {})
    return {
        "runAsNonRoot": False,
        "runAsGroup": 0,
        **({"appArmorProfile": {"type": AppArmorProfileType.UNCONFINED.value}} if has_profile else {}),
    }


def mounts_of_clients(clients: Iterable[ChosenContainer]) -> list[Manifest]:
    """The mounts of the clients, for the daemon. A volume is writable there if it is for one of them.

    Raises:
        InjectionError: two clients have different volumes at a path, or the daemon cannot have one there.
    """
    found: dict[str, tuple[str, Manifest]] = {}
    for chosen in clients:
        container = shorten(str(chosen.container["name"]))
        _require_no_devices(chosen)
        for given in chosen.container.get("volumeMounts") or []:
            if given["name"] == SOCKET_VOLUME:
                continue
            path = mount_path(str(given["mountPath"]))
            problem = mount_problem(given, path)
            if problem:
                raise InjectionError(f"volumeMounts of container {container}: {problem}, {OTHER_CONTAINERS}")
            mount = {key: given[key] for key in SHARED_FIELDS if given.get(key)}
            other, before = found.setdefault(path, (container, mount))
            if (before["name"], before.get("subPath")) != (mount["name"], mount.get("subPath")):
                raise InjectionError(
                    f"volumeMounts: at {shorten(path)} container {other} has volume "
                    f"{shorten(str(before['name']))}, and container {container} has {shorten(str(mount['name']))} or "
                    "another part of it, while the daemon can have only one there: use different paths, "
                    f"{OTHER_CONTAINERS}"
                )
            if not mount.get("readOnly"):
                before.pop("readOnly", None)
                before.pop("recursiveReadOnly", None)
    return [mount for _, mount in found.values()]


def _require_no_devices(chosen: ChosenContainer) -> None:
    """Deny block devices: at their paths a privileged daemon may have the node's.

    Raises:
        InjectionError: a client has one.
    """
    device = next(iter(chosen.container.get("volumeDevices") or []), None)
    if device is not None:
        raise InjectionError(
            f"volumeDevices of container {shorten(str(chosen.container['name']))}: the daemon does not have "
            f"{shorten(str(device['devicePath']))}, and may find a device of the node there: use a volume with a "
            f"filesystem, {REMOTE}, {OTHER_CONTAINERS}"
        )


def _require_early_sub_paths(pod: Mapping[str, Any], clients: Iterable[ChosenContainer]) -> None:
    """Deny mounts of what an init container makes in a volume before the client starts.

    The kubelet makes the directory of a `subPath` when the daemon starts, which is first. So a file could not be made
    there any more, and a directory that is put in its place would stay empty for the daemon.

    Raises:
        InjectionError: a client has such a mount.
    """
    makers = _makers(pod)
    for chosen in clients:
        name = chosen.container["name"]
        for mount in chosen.container.get("volumeMounts") or []:
            volume, part = mount["name"], str(mount.get("subPath") or "")
            places = makers.get(volume)
            if not part or not places or len(part) > LONGEST_SUB_PATH:
                continue
            above = ("", *accumulate(part.split("/")[:-1], "{}/{}".format))
            others = (each for place in above for each in places.get(place, ()) if each != name)
            maker = next(others, None)
            if maker is not None:
                raise InjectionError(
                    f"volumeMounts of container {shorten(name)}: init container {shorten(maker)} may make subPath "
                    f"{shorten(part)} of volume {shorten(volume)}, but the daemon starts before it, and would have an "
                    f"empty directory: mount the whole volume, {OTHER_CONTAINERS}"
                )


def _makers(pod: Mapping[str, Any]) -> Mapping[str, Mapping[str, set[str]]]:
    """The init containers that can write a volume, by the volume and then by its part."""
    volumes = pod["spec"].get("volumes") or []
    constant = {each["name"] for each in volumes if not READ_ONLY_SOURCES.isdisjoint(each)}
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for container in pod["spec"].get("initContainers") or []:
        for mount in container.get("volumeMounts") or []:
            if container["name"] != SIDECAR and mount["name"] not in constant and not mount.get("readOnly"):
                found[mount["name"]][str(mount.get("subPath") or "")].add(container["name"])
    return found


def mount_problem(mount: Mapping[str, Any], path: str) -> str:
    """Why the daemon cannot have a mount; empty: it can."""
    if mount.get("subPathExpr"):
        return (
            f"subPathExpr {shorten(str(mount['subPathExpr']))} has variables of the container, which the daemon does "
            "not have: use subPath"
        )
    if ".." in str(mount["mountPath"]).split("/"):
        return f"{shorten(str(mount['mountPath']))} may lead through a link of the image: use a path without .."
    where = _without_link(path)
    for kept in KEPT_TREES:
        if is_within(where, kept):
            return f"{shorten(path)} is in {kept}, which the daemon needs itself: choose another path"
    for kept in _KEPT_WITHOUT_LINKS:
        if is_within(kept, where):
            return f"a volume at {shorten(path)} would hide {kept} of the daemon: choose another path"
    directory, _, program = where.rpartition("/")
    if directory in DIRECTORIES_OF_PROGRAMS and program in PROGRAMS_OF_DAEMON:
        return f"a volume at {shorten(path)} would take the place of the daemon's own {program}: choose another path"
    return ""


def _without_link(path: str) -> str:
    """The path behind the link from /var/run to /run, which all images have."""
    return path.removeprefix("/var") if is_within(path, "/var/run") else path


_KEPT_WITHOUT_LINKS = tuple(map(_without_link, KEPT))


def _pod_problems(pod: Mapping[str, Any]) -> Iterator[str]:
    spec = pod["spec"]
    for field, why in ALONE.items():
        if spec.get(field):
            yield f"spec.{field} is true, and with a sidecar {why}: remove it"
    if spec.get("hostUsers") is False:
        yield "spec.hostUsers is false, and a privileged sidecar needs the node's user IDs: remove it"
    if (spec.get("os") or {}).get("name") == "windows":
        yield "spec.os.name is windows, and the daemon runs on Linux: remove it"


def _class_problems(pod: Mapping[str, Any], accepted: Accepted) -> Iterator[str]:
    """What the class says of a daemon's pod that the operator cannot do to the pod of a job."""
    effective, class_spec, name = accepted.effective, accepted.class_spec, accepted.class_name
    spec, ours = pod["spec"], f"NestedDockerClass {accepted.class_name}"
    runtime, present = effective.runtime_class_name or "", str(spec.get("runtimeClassName") or "")
    if runtime != present:
        remedy = f"set it to {runtime}" if runtime else "remove it"
        yield (
            f"spec.runtimeClassName is {shorten(present) or 'empty'}, and that of {ours} is {runtime or 'empty'}: "
            f"{remedy}"
        )
    deadline, given = accepted.lifetime_seconds, spec.get("activeDeadlineSeconds")
    if deadline is not None and not (given and given <= deadline):
        yield (
            f"spec.activeDeadlineSeconds is {given or 'empty'}, and daemons of {ours} end after {deadline} s: set it "
            f"to {deadline} at most"
        )
    for field in _without_effect(accepted):
        yield (
            f"{field} of {ours} has no effect on the pod of a job: choose a class without it, ask a cluster admin to "
            f"remove it from {name}"
        )
    if class_spec.pod_namespace:
        yield f"{ours} runs its daemons in namespace {class_spec.pod_namespace}: choose another class"


def _without_effect(accepted: Accepted) -> Iterator[str]:
    template = accepted.effective.pod_template
    yield from (f"podTemplate.{key}" for key, value in template.items() if key != "spec" and value)
    spec = template.get("spec", {})
    yield from (f"podTemplate.spec.{key}" for key, value in spec.items() if key != "containers" and value)
    others = [each.get("name") for each in spec.get("containers", []) if each.get("name") != CONTAINER]
    yield from (f"podTemplate.spec.containers[{name}]" for name in others)
    if accepted.effective.engine.image_pull_secrets:
        yield "engine.imagePullSecrets"
    if accepted.effective.storage.type == StorageType.CLAIM:
        yield f"storage.type {StorageType.CLAIM}"
    if accepted.class_spec.evictions != Evictions.ALLOWED:
        yield f"evictions: {accepted.class_spec.evictions}"
