"""Runners of the older API of Actions Runner Controller, whose controller adds a daemon to each pod by default."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from nested_docker.convert.clients import name_new_place
from nested_docker.convert.connection import GivenConnection, connect_clients
from nested_docker.convert.containers import PlacedContainer, containers_of
from nested_docker.convert.daemon_container import NOT_CARRIED, Surroundings, read_daemon_container
from nested_docker.convert.difference import Difference
from nested_docker.convert.dockerd_settings import read_daemon_json
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.embedded_templates import USE_OF_CONTROLLER
from nested_docker.convert.fields import joined, mapping_below, moved_paths, named_at, objects_at, set_or_remove
from nested_docker.convert.recognition import Replaced
from nested_docker.convert.runner_pods import CONTAINER_JOBS, RUNNER, VolumesOfDaemon, detach

OLDER_GROUP = "actions.summerwind.dev/"
RUNNER_ALONE, RUNNER_SET = "Runner", "RunnerSet"
CONFIGURATIONS = {
    RUNNER_ALONE: ("spec",),
    "RunnerDeployment": ("spec", "template", "spec"),
    "RunnerReplicaSet": ("spec", "template", "spec"),
    RUNNER_SET: ("spec",),
}
"""Where each kind has the fields of runners."""
DAEMON = "docker"
BY_THE_CONTROLLER = VolumesOfDaemon(socket="var-run")

FIELD_OF_CONTAINER = {
    "dockerdContainerResources": "resources",
    "dockerVolumeMounts": "volumeMounts",
    "dockerEnv": "env",
}
"""Fields of the daemon's container, in the words of Kubernetes."""
KEY_OF_FIELD = {"dockerMTU": "mtu", "dockerRegistryMirror": "registry-mirrors"}
"""Settings of the daemon, as daemon.json has them."""
OF_THE_DAEMON = (*FIELD_OF_CONTAINER, *KEY_OF_FIELD, "dockerVarRunVolumeSizeLimit")

ENABLED = "dockerEnabled"
WITHIN = "dockerdWithinRunnerContainer"
NO_DAEMON = "false: the controller no longer adds the container docker, which was privileged, and its volumes"
NOT_WITHIN = (
    "removed: the runner's image must not start a daemon, as those of actions-runner-dind do: choose one without"
)


def has_own_daemon(manifest: Mapping[str, Any]) -> bool:
    """Whether an object is such a runner, and has the controller's daemon."""
    where = CONFIGURATIONS.get(str(manifest.get("kind")))
    if where is None or not str(manifest.get("apiVersion")).startswith(OLDER_GROUP):
        return False
    settings: Any = manifest
    for each in where:
        settings = settings.get(each) if isinstance(settings, dict) else None
    if not isinstance(settings, dict) or settings.get("containerMode") == "kubernetes":
        return False
    return settings.get(ENABLED) is not False or settings.get(WITHIN) is True


def convert_runners(manifest: dict[str, Any], head: str, connection: GivenConnection, draft: SpecDraft) -> int:
    """Replace the daemon of runners, in place; how many were replaced.

    Raises:
        UnconvertibleError: it cannot be converted as it is.
    """
    settings, path = mapping_below(manifest, CONFIGURATIONS[manifest["kind"]], head)
    pod, pod_path = _pod_of(manifest, head)
    spec, _ = (settings, path) if manifest["kind"] != RUNNER_SET else mapping_below(pod, ("spec",), pod_path)
    pod["spec"] = spec
    containers = objects_at(spec.get("containers"), joined(pod_path, "spec", "containers"))
    own_mounts = objects_at(settings.get("dockerVolumeMounts"), joined(path, "dockerVolumeMounts"))
    _read_daemon(settings, spec, path, draft)
    for number, each in enumerate(containers):
        if each.get("name") == DAEMON:
            where = joined(pod_path, "spec", "containers", number)
            read_daemon_container(each, Replaced.DIND, where, Surroundings({}), draft)
    set_or_remove(spec, "containers", [each for each in containers if each.get("name") != DAEMON])
    _drop_volumes(spec, {str(each.get("name")) for each in own_mounts}, pod_path, draft)
    runner = _runner(spec, pod_path, is_set=manifest["kind"] == RUNNER_SET)
    template = {"metadata": pod.get("metadata"), "spec": spec}
    elsewhere = [runner] if runner.container is settings else []
    detach(template, pod_path, elsewhere, BY_THE_CONTROLLER, connection=connection, draft=draft)
    connect_clients(template, [runner], [runner], connection, pod_path)
    if not connection.nested_docker:
        pod["metadata"] = template["metadata"]
        draft.differs(pod_path.rstrip(" :"), connection.class_name, USE_OF_CONTROLLER)
    settings[ENABLED] = False
    name_new_place(pod_path.rstrip(" :"), RUNNER, draft, is_beside=connection.is_beside)
    draft.differs(pod_path.rstrip(" :"), RUNNER, CONTAINER_JOBS)
    return 1


def _pod_of(manifest: dict[str, Any], head: str) -> tuple[dict[str, Any], str]:
    """What has the metadata of the pods, and its path."""
    if manifest["kind"] == RUNNER_ALONE:
        return manifest, head
    pod, path = mapping_below(manifest, ("spec", "template"), head)
    manifest["spec"]["template"] = pod
    return pod, path


def _runner(spec: dict[str, Any], path: str, *, is_set: bool) -> PlacedContainer:
    """The runner's container: one of the pod, or else the fields with which the controller makes one."""
    containers = spec.get("containers") or []
    for number, each in enumerate(containers):
        if each.get("name") == RUNNER:
            return PlacedContainer(joined(path, "spec", "containers", number), each, "containers")
    if not is_set:
        return _Fields(joined(path, "spec"), spec, "containers")
    spec["containers"] = [*containers, {"name": RUNNER}]
    return PlacedContainer(joined(path, "spec", "containers", len(containers)), spec["containers"][-1], "containers")


class _Fields(PlacedContainer):
    """A container whose fields are those of the runner."""

    @property
    def name(self) -> str:
        """The name that the controller gives it."""
        return RUNNER


def _read_daemon(settings: dict[str, Any], spec: Mapping[str, Any], path: str, draft: SpecDraft) -> None:
    """Carry over what the fields of the daemon say, and remove them."""
    placed = named_at(spec.get("volumes"), joined(path, "volumes"))
    volumes = {name: each for name, (each, _) in placed.items()}
    around = Surroundings(volumes, volume_paths={name: where for name, (_, where) in placed.items()})
    if settings.pop(WITHIN, False):
        draft.differs(joined(path, WITHIN), settings.get("image", True), NOT_WITHIN)
    elif settings.get(ENABLED) is not False:
        draft.differs(joined(path, ENABLED), settings.get(ENABLED, True), NO_DAEMON)
    for field in [each for each in OF_THE_DAEMON if each in settings]:
        value, where = settings.pop(field), joined(path, field)
        own, made = SpecDraft(), joined(path, FIELD_OF_CONTAINER.get(field, field))
        in_words = functools.partial(_in_words, made=made, where=where)
        with moved_paths(in_words):
            if field in FIELD_OF_CONTAINER:
                container = {FIELD_OF_CONTAINER[field]: value}
                read_daemon_container(container, Replaced.DIND, path, around, own)
            elif field in KEY_OF_FIELD:
                key = KEY_OF_FIELD[field]
                read_daemon_json({key: [value] if isinstance(value, str) else value}, where, own)
            else:
                own.differs(where, value, NOT_CARRIED)
        draft.add(own, functools.partial(_moved, made=made, where=where))


def _moved(difference: Difference, made: str, where: str) -> Difference:
    return replace(difference, path=_in_words(difference.path, made, where))


def _in_words(text: str, made: str, where: str) -> str:
    """A text about what a field was read as, in the words of the runner."""
    for key in KEY_OF_FIELD.values():
        text = text.removesuffix(f".{key}")
    return text.replace(made, where, 1)


def _drop_volumes(spec: dict[str, Any], names: Collection[str], path: str, draft: SpecDraft) -> None:
    """Remove the volumes that only the daemon mounted."""
    containers = [*containers_of(spec, path), _Fields(joined(path, "spec"), spec, "containers")]
    mounted = set[str]().union(*(each.mounted for each in containers))
    kept = []
    for number, each in enumerate(objects_at(spec.get("volumes"), joined(path, "spec", "volumes"))):
        if each.get("name") in names and each.get("name") not in mounted:
            draft.differs(joined(path, "spec", "volumes", number), each, "removed: only the daemon used it")
        else:
            kept.append(each)
    set_or_remove(spec, "volumes", kept)
