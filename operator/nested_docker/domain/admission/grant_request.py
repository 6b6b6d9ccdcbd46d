"""What would result from a NestedDocker, as far as policy speaks of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from nested_docker.api.meta import Mode, ResourceRequirements
from nested_docker.api.v1alpha1.engine import StorageSpec
from nested_docker.domain import quantities
from nested_docker.domain.effective import EffectiveSpec, ModeSettings, Origin


@dataclass(frozen=True)
class GrantRequest:
    """The resulting daemon: class and operator defaults included, whoever decided them.

    Attributes:
        mode_settings: settings of the mode, for the mode's own terms.
        image: the daemon's image; empty: the operator's own relay serves.
        image_is_own: whether the NestedDocker itself has chosen the image.
        workload_images: images beside the daemon; None: there is no workload.
        toleration_keys: taints that the NestedDocker tolerates; an empty key tolerates every taint.
        cpu: cores, summed up over the containers; None: at least one has no limit.
        memory: the same in bytes.
        storage: size of the data-root in bytes; None: it has no limit, or there is none to limit.
        has_storage: whether there is a data-root.
        lifetime_seconds: None: it has no end.
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
    """The request that an effective spec comes to.

    Args:
        effective: what would be made.
        namespace: of the NestedDocker.
        namespace_labels: its labels.
        class_name: class in use.
        own_daemon: whether the mode runs a daemon of its own, with an image and a data-root.
        lifetime_seconds: the deadline in force; None: there is none.
    """
    scheduling, workload = effective.scheduling, effective.workload
    beside = workload.containers if workload else []
    resources = [effective.resources, *(container.resources for container in beside)]
    return GrantRequest(
        namespace=namespace,
        namespace_labels=namespace_labels,
        class_name=class_name,
        mode=effective.mode,
        mode_settings=effective.mode_settings,
        image=(effective.engine.image or "") if own_daemon else "",
        image_is_own=effective.origins.get("engine.image") == Origin.SPEC,
        workload_images=tuple(container.image for container in beside) if workload else None,
        toleration_keys=tuple(str(toleration.get("key", "")) for toleration in scheduling.tolerations),
        priority_class_name=scheduling.priority_class_name or "",
        pod_annotations=tuple(scheduling.pod_annotations),
        cpu=_limit("cpu", resources),
        memory=_limit("memory", resources),
        storage=_size(effective.storage) if own_daemon else None,
        has_storage=own_daemon,
        lifetime_seconds=lifetime_seconds,
    )


def _limit(resource: str, resources: Iterable[ResourceRequirements]) -> Decimal | None:
    limits = [each.limits.get(resource) for each in resources]
    known = [quantities.parse(limit) for limit in limits if limit is not None]
    return sum(known, Decimal(0)) if len(known) == len(limits) else None


def _size(storage: StorageSpec) -> Decimal | None:
    parts = (
        storage.empty_dir.size_limit if storage.empty_dir else None,
        storage.ephemeral.size if storage.ephemeral else None,
        storage.claim.size if storage.claim else None,
    )
    return next((quantities.parse(part) for part in parts if part is not None), None)
