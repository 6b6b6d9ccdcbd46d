"""What a NestedDocker requests, in the terms of a policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from nested_docker.api.amounts import MINIMUM_SIZE, limit_in_force
from nested_docker.api.meta import Mode, ResourceRequirements
from nested_docker.api.v1alpha1.engine import StorageSpec, StorageType
from nested_docker.api.v1alpha1.nested_docker import AffinitySpec, ClientPeer
from nested_docker.api.v1alpha1.policy import AffinityKind
from nested_docker.domain import quantities
from nested_docker.domain.admission.affinity import selects_other_namespaces
from nested_docker.domain.effective import EffectiveSpec, ModeSettings, Origin

GOVERNED_BY_MAXIMA = frozenset({"cpu", "memory"})
"""Resources of a container that every policy grants, up to its `max`."""


@dataclass(frozen=True)
class GrantRequest:
    """The requested daemon, including what the class and the operator's defaults add.

    Attributes:
        mode_settings: settings of the mode, which the mode checks against the policy.
        image: the daemon's image; empty: the operator's relay serves.
        image_is_own: whether the NestedDocker has set the image.
        workload_images: images of the workload, each with the path of its field; None: there is no workload.
        workload_references: resources of the Secrets and ConfigMaps that the workload refers to, each with the path of
            the field.
        shared_paths: directories that the workload shares with the daemon, besides the workspace.
        storage_class_name: StorageClass that the NestedDocker names; empty: none, or there is no data-root.
        resource_names: resources besides CPU and memory that the NestedDocker names, each with the path of its field.
        toleration_keys: taints that the NestedDocker tolerates; an empty key tolerates every taint.
        affinity: kinds of affinity that the NestedDocker sets.
        affinity_of_others: whether its affinity is about pods of other namespaces or tenants.
        pod_labels: keys of labels that it puts on the pod.
        pod_annotations: keys of annotations that it puts on the pod.
        clients_elsewhere: whether it admits clients by their namespaces.
        cpu: sum of the containers' limits, in cores; None: at least one has no limit.
        memory: the same for memory, in bytes.
        storage: size of the data-root in bytes; None: there is no limit, or no data-root.
        has_storage: whether there is a data-root.
        name: of the NestedDocker.
        lifetime_seconds: seconds after creation at which the daemon is stopped; None: never.
    """

    namespace: str
    namespace_labels: Mapping[str, str]
    class_name: str
    mode: Mode
    mode_settings: ModeSettings = field(default_factory=ModeSettings)
    image: str = ""
    image_is_own: bool = False
    workload_images: tuple[tuple[str, str], ...] | None = None
    workload_references: tuple[tuple[str, str], ...] = ()
    shared_paths: tuple[str, ...] = ()
    storage_class_name: str = ""
    resource_names: tuple[tuple[str, str], ...] = ()
    toleration_keys: tuple[str, ...] = ()
    priority_class_name: str = ""
    affinity: tuple[AffinityKind, ...] = ()
    affinity_of_others: bool = False
    pod_labels: tuple[str, ...] = ()
    pod_annotations: tuple[str, ...] = ()
    clients_elsewhere: bool = False
    cpu: Decimal | None = None
    memory: Decimal | None = None
    storage: Decimal | None = None
    has_storage: bool = True
    name: str = ""
    lifetime_seconds: int | None = None


def grant_request(
    effective: EffectiveSpec,
    *,
    name: str,
    namespace: str,
    namespace_labels: Mapping[str, str],
    class_name: str,
    own_daemon: bool,
    clients: Iterable[ClientPeer],
    lifetime_seconds: int | None,
) -> GrantRequest:
    """The request that an effective spec makes.

    Args:
        effective: the effective spec.
        name: name of the NestedDocker.
        namespace: namespace of the NestedDocker.
        namespace_labels: labels of that namespace.
        class_name: the class.
        own_daemon: whether the mode runs dockerd in the pod, with an image and a data-root.
        clients: who may connect.
        lifetime_seconds: the deadline; None: there is none.
    """
    scheduling, workload = effective.scheduling, effective.workload
    containers = workload.every_container if workload else []
    resources = [effective.resources, *(container.resources for _, container in containers)]
    return GrantRequest(
        name=name,
        namespace=namespace,
        namespace_labels=namespace_labels,
        class_name=class_name,
        mode=effective.mode,
        mode_settings=effective.mode_settings,
        image=(effective.engine.image or "") if own_daemon else "",
        image_is_own=effective.origins.get("engine.image") == Origin.SPEC,
        workload_images=tuple((f"{path}.image", each.image) for path, each in containers) if workload else None,
        workload_references=tuple(dict.fromkeys(each[:2] for each in workload.references)) if workload else (),
        shared_paths=tuple(path for _, path in workload.shared_volumes) if workload else (),
        storage_class_name=_storage_class(effective) if own_daemon else "",
        resource_names=tuple(_resource_names(effective)),
        toleration_keys=tuple(toleration.get("key") or "" for toleration in scheduling.tolerations),
        priority_class_name=scheduling.priority_class_name or "",
        affinity=_affinity_kinds(scheduling.affinity),
        affinity_of_others=_is_of_others(effective, namespace),
        pod_labels=tuple(scheduling.pod_labels),
        pod_annotations=tuple(scheduling.pod_annotations),
        clients_elsewhere=any(client.namespace_selector is not None for client in clients),
        cpu=_limit("cpu", resources),
        memory=_limit("memory", resources),
        storage=_size(effective.storage) if own_daemon else None,
        has_storage=own_daemon,
        lifetime_seconds=lifetime_seconds,
    )


def _resource_names(effective: EffectiveSpec) -> Iterator[tuple[str, str]]:
    """Each name once for each field; `max` governs CPU and memory."""
    given = [("spec.resources", effective.resources)] if effective.origins.get("resources") == Origin.SPEC else []
    containers = effective.workload.every_container if effective.workload else []
    given += [(f"{path}.resources", container.resources) for path, container in containers]
    found = dict.fromkeys(
        (f"{path}.{part}", name)
        for path, resources in given
        for part, amounts in (("requests", resources.requests), ("limits", resources.limits))
        for name in amounts
    )
    yield from ((field, name) for field, name in found if name not in GOVERNED_BY_MAXIMA)


def _storage_class(effective: EffectiveSpec) -> str:
    storage = effective.storage
    if effective.origins.get("storage") != Origin.SPEC:
        return ""
    volume = {StorageType.EPHEMERAL: storage.ephemeral, StorageType.CLAIM: storage.claim}.get(storage.type)
    return (volume.storage_class_name or "") if volume else ""


def _affinity_kinds(affinity: AffinitySpec | None) -> tuple[AffinityKind, ...]:
    kinds = affinity.kinds if affinity else {}
    return tuple(kind for kind in AffinityKind if kind.member in kinds)


def _is_of_others(effective: EffectiveSpec, namespace: str) -> bool:
    """With a pod namespace, the pods next to this one are other tenants'."""
    affinity = effective.scheduling.affinity
    if affinity is None:
        return False
    about_pods = affinity.pod_affinity is not None or affinity.pod_anti_affinity is not None
    return (about_pods and effective.pod_namespace is not None) or selects_other_namespaces(affinity, namespace)


def _limit(resource: str, resources: Iterable[ResourceRequirements]) -> Decimal | None:
    limits = [limit_in_force(resource, each.limits.get(resource)) for each in resources]
    known = [limit for limit in limits if limit is not None]
    return sum(known, Decimal(0)) if len(known) == len(limits) else None


def _size(storage: StorageSpec) -> Decimal | None:
    parts = (
        storage.empty_dir.size_limit if storage.empty_dir else None,
        storage.ephemeral.size if storage.ephemeral else None,
        storage.claim.size if storage.claim else None,
    )
    size = next((quantities.parse(part) for part in parts if part is not None), None)
    return size if size is not None and size >= quantities.parse(MINIMUM_SIZE) else None
