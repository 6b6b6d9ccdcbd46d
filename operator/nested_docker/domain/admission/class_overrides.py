"""What a NestedDocker may change of its class's pod: an allow-list, compared with the resulting pod.

The pod is built twice, from the NestedDocker and from an empty one of the same class and mode. Every
difference is a change by the NestedDocker and must be listed here; a field that is not listed is denied,
whichever field of the spec has set it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerSpec
from nested_docker.api.v1alpha1.nested_docker import SchedulingSpec
from nested_docker.api.v1alpha1.workload import WorkloadContainer, WorkloadSpec
from nested_docker.domain.effective import EffectiveSpec, OperatorDefaults, resolve
from nested_docker.domain.manifests.metadata import pod_defaults
from nested_docker.domain.manifests.pod import pod_to_judge
from nested_docker.domain.manifests.pod_template import lost
from nested_docker.domain.manifests.workload import (
    NODE_ADDRESS,
    registry_variable,
    shared_mounts,
    variable,
    volume_source,
)
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.dockerd import CONTAINER, IDLE_WATCH
from nested_docker.domain.names import ANNOTATION_EFFECTIVE, workload_volume
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Manifest, Owner

FREE = frozenset({"restartPolicy", "imagePullSecrets"})
"""Fields of the pod that a NestedDocker may set, even if its class does."""

WHERE_UNSET = frozenset({"priorityClassName", "affinity"})
"""Fields that it may set if its class does not."""

EXTENSIBLE = frozenset({"nodeSelector", "tolerations"})
"""Collections of the pod that it may add to, without changing existing entries."""

DAEMON_FIELDS = frozenset({"image", "env", "resources", "volumeMounts", "restartPolicy"})
"""Fields of the daemon's container."""

IDLE_WATCH_FIELDS = frozenset({"args", "restartPolicy"})

WORKLOAD_FIELDS = frozenset(
    {
        "name",
        "image",
        "imagePullPolicy",
        "command",
        "args",
        "workingDir",
        "env",
        "envFrom",
        "resources",
        "terminationMessagePolicy",
        "volumeMounts",
    }
)
"""Fields of a workload's container."""

MOUNTS = {CONTAINER: frozenset({"workspace", "ca-bundle"}), None: frozenset({"workspace", "socket"})}
"""Volumes that may be mounted: into the daemon's container, and into those of the workload."""

VOLUME_SOURCES = {
    "data": frozenset({"emptyDir", "ephemeral", "persistentVolumeClaim"}),
    "workspace": frozenset({"emptyDir"}),
    "ca-bundle": frozenset({"configMap"}),
}
"""Volumes that it may add or change, with their permitted sources."""


def disallowed_overrides(
    effective: EffectiveSpec, class_spec: NestedDockerClassSpec, *, owner: Owner, defaults: OperatorDefaults
) -> list[str]:
    """Fields of the pod that a NestedDocker would change although only its class may; empty: none.

    Args:
        effective: NestedDocker and class, resolved.
        class_spec: the class.
        owner: the NestedDocker.
        defaults: the operator's.
    """
    mode = MODES[effective.mode]
    plain = resolve(NestedDockerSpec(), class_spec, mode, defaults)
    # What the policy decides is the same in both pods: it is not the NestedDocker that changes it.
    plain = replace(plain, mode_settings=plain.mode_settings.with_policy_of(effective.mode_settings))
    object_names = ObjectNames(owner, class_spec.pod_namespace or "")
    actual = pod_to_judge(PodContext(object_names, effective, defaults), mode)
    baseline = pod_to_judge(PodContext(object_names, plain, defaults), mode)
    for made in (actual, baseline):
        _withhold((registry_variable(object_names), NODE_ADDRESS), made["spec"])
    declared = _Declared.by(effective.workload)
    return sorted(
        {
            *_metadata(actual, baseline, pod_defaults(plain).keys),
            *_pod_fields(actual["spec"], baseline["spec"], declared),
        }
    )


@dataclass(frozen=True)
class _Declared:
    """What the spec itself has of volumes and of Secrets and ConfigMaps, for which the requester needs permissions.

    Attributes:
        containers: of the workload, by name.
        volumes: of the workload, by their names in the pod.
        shared: mounts of volumes that the daemon has too.
    """

    containers: Mapping[str, WorkloadContainer]
    volumes: Mapping[str, Manifest]
    shared: Sequence[Manifest]

    @classmethod
    def by(cls, workload: WorkloadSpec | None) -> _Declared:
        """Of a workload; None: there is none."""
        containers = workload.every_container if workload else []
        volumes = workload.volumes or [] if workload else []
        return cls(
            {container.name: container for _, container in containers},
            {workload_volume(each.name): volume_source(each) for each in volumes},
            shared_mounts(workload),
        )

    def variables(self, container: str) -> list[Manifest]:
        """The variables of a container."""
        found = self.containers.get(container)
        return [variable(each) for each in found.env] if found else []

    def sources(self, container: str) -> list[Manifest]:
        """Where a container has variables from."""
        found = self.containers.get(container)
        return [each.dump() for each in found.env_from or []] if found else []


def _withhold(variables: Sequence[Manifest], spec: Manifest) -> None:
    """Take out the variables that the operator gives a workload from elsewhere: its own Secret, and the node."""
    for container in _all_containers(spec).values():
        if any(variable in container.get("env", []) for variable in variables):
            container["env"] = [each for each in container["env"] if each not in variables]


def template_fields_without_effect(effective: EffectiveSpec, *, owner: Owner, defaults: OperatorDefaults) -> list[str]:
    """What the class's pod template says and the operator overrides, as paths in it; empty: nothing.

    Not counted are the daemon's resources and scheduling, which the NestedDocker may set, the idle watch of a daemon
    without one, and what a volume of the workload takes the place of, which is denied to the NestedDocker.

    Args:
        effective: NestedDocker and class, resolved.
        owner: the NestedDocker.
        defaults: the operator's.
    """
    mode, object_names = MODES[effective.mode], ObjectNames(owner, effective.pod_namespace or "")
    workload = effective.workload and effective.workload.model_copy(update={"volumes": None})
    unscheduled = replace(effective, scheduling=SchedulingSpec(), workload=workload)
    made = pod_to_judge(PodContext(object_names, unscheduled, defaults), mode)
    containers = _all_containers(made["spec"])
    paths = []
    for path in lost(effective.pod_template, made | {"spec": made["spec"] | {"containers": [*containers.values()]}}):
        own = path.removeprefix("spec.containers")
        counts = not own.startswith(f"[{CONTAINER}].resources") and (
            own != f"[{IDLE_WATCH}]" or IDLE_WATCH in containers
        )
        paths += [path] if counts else []
    return sorted(paths)


def _metadata(actual: Manifest, baseline: Manifest, defaults: frozenset[str]) -> Iterator[str]:
    """The class's labels and annotations; a policy decides about those that only the operator sets by default."""
    ignored = defaults | {ANNOTATION_EFFECTIVE}
    for part in ("labels", "annotations"):
        theirs = {key: value for key, value in baseline["metadata"][part].items() if key not in ignored}
        yield from _changed(theirs, actual["metadata"][part], f"metadata.{part}")


def _pod_fields(actual: Mapping[str, Any], baseline: Mapping[str, Any], declared: _Declared) -> Iterator[str]:
    for field in sorted(actual.keys() | baseline.keys()):
        path, mine, theirs = f"spec.{field}", actual.get(field), baseline.get(field)
        if field in {"containers", "initContainers"} or mine == theirs or field in FREE:
            continue
        if field == "volumes":
            yield from _volumes(mine or [], theirs or [], declared)
        elif field in EXTENSIBLE:
            yield from _entries(mine or [], theirs or [], path)
        elif field not in WHERE_UNSET or theirs is not None:
            yield path
    yield from _containers(_all_containers(actual), _all_containers(baseline), declared)


def _entries(mine: Any, theirs: Any, path: str) -> Iterator[str]:
    if isinstance(mine, Mapping):
        yield from _changed(dict(theirs or {}), mine, path)
    else:
        yield from (path for entry in theirs if entry not in mine)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> Iterator[str]:
    yield from (f"{path}.{key}" for key, value in before.items() if after.get(key) != value)


def _volumes(mine: list[Manifest], theirs: list[Manifest], declared: _Declared) -> Iterator[str]:
    before = {volume["name"]: volume for volume in theirs}
    after = {volume["name"]: volume for volume in mine}
    for name in sorted(before.keys() | after.keys()):
        source = {key: value for key, value in after.get(name, {}).items() if key != "name"}
        known = source.keys() <= VOLUME_SOURCES.get(name, frozenset())
        own = name not in before and source == declared.volumes.get(name)
        if after.get(name) != before.get(name) and not (source and (known or own)):
            yield f"spec.volumes[{name}]"


def _all_containers(spec: Mapping[str, Any]) -> dict[str, Manifest]:
    listed = [*spec.get("initContainers", []), *spec.get("containers", [])]
    return {container["name"]: container for container in listed}


def _containers(mine: Mapping[str, Manifest], theirs: Mapping[str, Manifest], declared: _Declared) -> Iterator[str]:
    for name in sorted(mine.keys() | theirs.keys()):
        path = f"spec.containers[{name}]"
        if name not in mine:
            yield path
        elif name in theirs:
            yield from _container(mine[name], theirs[name], declared, path)
        elif name != IDLE_WATCH:
            yield from _of_workload(mine[name], declared, path)


def _of_workload(mine: Manifest, declared: _Declared, path: str) -> Iterator[str]:
    yield from (f"{path}.{field}" for field in mine.keys() - WORKLOAD_FIELDS)
    yield from _sources(mine, declared.variables(mine["name"]), path)
    if mine.get("envFrom", []) != declared.sources(mine["name"]):
        yield f"{path}.envFrom"
    yield from _mounts(mine, [], MOUNTS[None].union(declared.volumes), path)


def _container(mine: Manifest, theirs: Manifest, declared: _Declared, path: str) -> Iterator[str]:
    name = mine["name"]
    known = {CONTAINER: DAEMON_FIELDS, IDLE_WATCH: IDLE_WATCH_FIELDS}.get(name, frozenset({"restartPolicy"}))
    differing = {field for field in mine.keys() | theirs.keys() if mine.get(field) != theirs.get(field)}
    yield from (f"{path}.{field}" for field in differing - known)
    yield from _sources(mine, theirs.get("env", []), path)
    before = theirs.get("volumeMounts", [])
    shared = [each for each in declared.shared if not _overlaps(each, before)] if name == CONTAINER else []
    yield from _mounts(mine, [*before, *shared], MOUNTS.get(name, frozenset()), path)


def _sources(mine: Manifest, known: Sequence[Manifest], path: str) -> Iterator[str]:
    """Values only, and what the spec has: any other source would be read with the operator's permissions."""
    for each in mine.get("env", []):
        if each not in known and each.keys() - {"name", "value"}:
            yield f"{path}.env[{each['name']}]"


def _mounts(mine: Manifest, before: Sequence[Manifest], known: frozenset[str], path: str) -> Iterator[str]:
    for mount in mine.get("volumeMounts", []):
        if mount not in before and mount["name"] not in known:
            yield f"{path}.volumeMounts[{mount['name']}]"


def _overlaps(mount: Manifest, others: Sequence[Manifest]) -> bool:
    """Whether a mount is at, within or around another one, of which it would hide something."""
    path = f"{mount['mountPath']}/"
    return any(
        path.startswith(f"{other['mountPath'].rstrip('/')}/") or f"{other['mountPath']}/".startswith(path)
        for other in others
    )
