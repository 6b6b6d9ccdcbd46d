"""What stays of a sidecar that is in a pod already: what plugins, autoscalers and other webhooks give every container.

Whoever writes the container by hand could give it other arguments, programs and resources than its class has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from nested_docker.api.amounts import value_of
from nested_docker.domain.injection.mount_paths import mount_path
from nested_docker.domain.injection.sidecar import mount_problem
from nested_docker.domain.manifests.pod_template import item_key, overlay
from nested_docker.domain.objects import Manifest

FOREIGN = ("envFrom", "lifecycle", "ports", "restartPolicyRules", "volumeDevices", "workingDir")
"""Fields of a container that change what runs in it, or where. A class may have them, nobody else."""

FOREIGN_VARIABLES = "NESTED_DOCKER_"
"""Prefix of the start script's variables."""

COMMON_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
"""Of which a LimitRange and autoscalers give every container some."""

DEFAULTED = frozenset({"apiVersion", "defaultMode", "divisor", "metadata", "protocol", "volumeMode"})
"""Fields of variables, ports and volumes to which the API server gives a value."""

OMITTED_IF_ZERO = frozenset({"readOnly", "stdin", "stdinOnce", "tty", "initialDelaySeconds"})
"""Fields that the API server leaves out if they are false or 0."""

AMOUNTS = frozenset({"sizeLimit", "storage"})
"""Fields of volumes with quantities, which the API server writes in another way."""


def kept_up(present: Manifest, wanted: Manifest) -> Manifest:
    """The container as it should be.

    Args:
        present: as it is in the pod.
        wanted: as the webhook adds it.
    """
    security = {key: value for key, value in _of(present, "securityContext").items() if key != "readOnlyRootFilesystem"}
    variables = [each for each in present.get("env") or [] if not each["name"].startswith(FOREIGN_VARIABLES)]
    mounts = [each for each in present.get("volumeMounts") or [] if not mount_problem(each, _path(each))]
    kept = {key: value for key, value in present.items() if key not in FOREIGN or key in wanted}
    kept |= {"securityContext": security, "env": variables, "volumeMounts": mounts}
    policy = present.get("imagePullPolicy")
    return (
        overlay(kept, wanted)
        | {"resources": _resources(_of(present, "resources"), _of(wanted, "resources"))}
        # The plugin AlwaysPullImages of the API server sets it.
        | ({"imagePullPolicy": policy} if policy == "Always" else {})
    )


def _path(mount: Mapping[str, Any]) -> str:
    return mount_path(str(mount["mountPath"]))


def _of(container: Manifest, key: str) -> Manifest:
    return container.get(key) or {}


def _resources(present: Manifest, wanted: Manifest) -> Manifest:
    """What a container has, within the class's limits and besides its requests."""
    most, least = _of(wanted, "limits"), _of(wanted, "requests")
    limits = most | _within(_of(present, "limits"), most, COMMON_RESOURCES | most.keys())
    requests = least | _within(_of(present, "requests"), limits, COMMON_RESOURCES | least.keys())
    claims = _of(wanted, "claims")
    kept = {"limits": limits, "requests": requests, "claims": claims}
    return {key: value for key, value in kept.items() if value}


def _within(amounts: Manifest, most: Manifest, named: Collection[str]) -> Manifest:
    return {
        name: most[name] if name in most and not _is_at_most(amount, most[name]) else amount
        for name, amount in amounts.items()
        if name in named
    }


def _is_at_most(amount: str, most: str) -> bool:
    try:
        return value_of(str(amount)) <= value_of(str(most))
    except ValueError:
        return False


def is_same(one: Any, other: Any, field: str = "") -> bool:
    """Whether two values are the same to the API server, whatever it adds to one of them.

    Args:
        one: a value of an object.
        other: that of another one at the same place.
        field: where both are; empty: the whole objects.
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = (one.keys() | other.keys()) - DEFAULTED
        return all(is_same(one.get(key), other.get(key), key) for key in keys)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        if any(not isinstance(item, Mapping) for item in (*one, *other)):
            return one == other
        there = _by_name(other)
        return all(is_same(item, there.get(name)) for name, item in _by_name(one).items())
    if field in AMOUNTS and one and other:
        return _is_at_most(one, other) and _is_at_most(other, one)
    return bool(one == other or (_is_absent(one, field) and _is_absent(other, field)))


def _by_name(items: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {item_key(item): item for item in items}


def _is_absent(value: Any, field: str) -> bool:
    return value is None or value in ("", [], {}) or (field in OMITTED_IF_ZERO and not value)
