"""Volumes for the data-root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nested_docker.api.v1alpha1.engine import (
    EmptyDirStorage,
    RetentionPolicy,
    StorageMedium,
    StorageSpec,
    StorageType,
)
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Manifest, child


def data_volume(object_names: ObjectNames, storage: StorageSpec) -> dict[str, Any]:
    """The pod's volume for the data-root: always one, because overlay2 does not work on a container's filesystem."""
    match storage.type:
        case StorageType.EPHEMERAL if storage.ephemeral:
            claim = _claim_spec(storage.ephemeral.size, storage.ephemeral.storage_class_name)
            return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
        case StorageType.CLAIM:
            return {"persistentVolumeClaim": {"claimName": object_names.data_claim.name}}
        case _:
            options = storage.empty_dir or EmptyDirStorage()
            return {"emptyDir": empty_dir(options.size_limit, options.medium)}


def empty_dir(size_limit: str | None, medium: StorageMedium | None) -> dict[str, Any]:
    """An emptyDir of a pod."""
    volume: dict[str, Any] = {}
    if size_limit is not None:
        volume["sizeLimit"] = size_limit
    if medium == StorageMedium.MEMORY:
        volume["medium"] = "Memory"
    return volume


def data_claim(object_names: ObjectNames, storage: StorageSpec) -> Manifest | None:
    """The claim of storage type `Claim`; None: the storage has another type."""
    if storage.type != StorageType.CLAIM or storage.claim is None:
        return None
    deleted_with_owner = storage.claim.when_deleted == RetentionPolicy.DELETE
    manifest = child("v1", object_names.data_claim, object_names.owner, owned=deleted_with_owner)
    manifest["spec"] = _claim_spec(storage.claim.size, storage.claim.storage_class_name)
    return manifest


def claim_users(pods: Iterable[Mapping[str, Any]], claim: str) -> tuple[str, ...]:
    """Names of the pods of a namespace that mount a claim and have not ended, whoever created them."""
    return tuple(
        pod["metadata"]["name"]
        for pod in pods
        if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}
        and any(
            (volume.get("persistentVolumeClaim") or {}).get("claimName") == claim
            for volume in pod.get("spec", {}).get("volumes") or []
        )
    )


def _claim_spec(size: str, storage_class_name: str | None) -> dict[str, Any]:
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if storage_class_name is not None:
        spec["storageClassName"] = storage_class_name
    return spec
