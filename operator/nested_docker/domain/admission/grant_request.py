"""What a NestedDocker requests, in the terms of a policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from nested_docker.api.amounts import MINIMUM_SIZE, limit_in_force
from nested_docker.api.meta import Mode, ResourceRequirements
from nested_docker.api.v1alpha1.engine import StorageSpec
from nested_docker.domain import quantities
from nested_docker.domain.effective import EffectiveSpec, ModeSettings, Origin


@dataclass(frozen=True)
class GrantRequest:
    """The requested daemon, including what the class and the operator's defaults add.

    Attributes:
        mode_settings: settings of the mode, which the mode checks against the policy.
        image: the daemon's image; empty: the operator's relay serves.
        image_is_own: whether the NestedDocker has set the image.
        workload_images: images of the workload; None: there is no workload.
        toleration_keys: taints that the NestedDocker tolerates; an empty key tolerates every taint.
        cpu: sum of the containers' limits, in cores; None: at least one has no limit.
        memory: the same for memory, in bytes.
        storage: size of the data-root in bytes; None: there is no limit, or no data-root.
        has_storage: whether there is a data-root.
        lifetime_seconds: seconds after creation at which the daemon is stopped; None: never.
    """

    namespace: str
    namespace_labels: Mapping[str, str]
    class_name: str
    mode: Mode
    mode_settings: ModeSettings = field(default_factory=ModeSettings)
    image: str = ""
    image_is_own: bool = False
    workload_images: tuple[str, ...] | None = None
    toleration_keys: tuple[str, ...] = ()
    priority_class_name: str = ""
    pod_annotations: tuple[str, ...] = ()
    cpu: Decimal | None = None
    memory: Decimal | None = None
    storage: Decimal | None = None
    has_storage: bool = True
    lifetime_seconds: int | None = None


def grant_request(
    effective: EffectiveSpec,
    *,
    namespace: str,
    namespace_labels: Mapping[str, str],
    class_name: str,
    own_daemon: bool,
    lifetime_seconds: int | None,
) -> GrantRequest:
    """The request that an effective spec makes.

    Args:
        effective: the effective spec.
        namespace: namespace of the NestedDocker.
        namespace_labels: labels of that namespace.
        class_name: the class.
        own_daemon: whether the mode runs dockerd in the pod, with an image and a data-root.
        lifetime_seconds: the deadline; None: there is none.
    """
    scheduling, workload = effective.scheduling, effective.workload
    containers = workload.containers if workload else []
    resources = [effective.resources, *(container.resources for container in containers)]
    return GrantRequest(
        namespace=namespace,
        namespace_labels=namespace_labels,
        class_name=class_name,
        mode=effective.mode,
        mode_settings=effective.mode_settings,
        image=(effective.engine.image or "") if own_daemon else "",
        image_is_own=effective.origins.get("engine.image") == Origin.SPEC,
        workload_images=tuple(container.image for container in containers) if workload else None,
        toleration_keys=tuple(toleration.get("key") or "" for toleration in scheduling.tolerations),
        priority_class_name=scheduling.priority_class_name or "",
        pod_annotations=tuple(scheduling.pod_annotations),
        cpu=_limit("cpu", resources),
        memory=_limit("memory", resources),
        storage=_size(effective.storage) if own_daemon else None,
        has_storage=own_daemon,
        lifetime_seconds=lifetime_seconds,
    )


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
