"""What is really asked for: NestedDocker over class over operator defaults, each value with its origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from nested_docker.api.meta import Enforcement, Mode, ResourceRequirements
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerSpec
from nested_docker.api.v1alpha1.engine import EngineSpec, StorageSpec, StorageType
from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.api.v1alpha1.nested_docker import SchedulingSpec, WorkloadSpec
from nested_docker.api.v1alpha1.nested_docker_class import SocketAccess
from nested_docker.domain import guard_limits as guarding
from nested_docker.domain import names


@dataclass(frozen=True)
class OperatorDefaults:
    """What the operator's settings give where neither NestedDocker nor class speak.

    Attributes:
        engine_image: image with dockerd and the docker client.
        operator_image: the operator's own image, which the relay runs from.
        operator_namespace: where the operator runs, for the NetworkPolicy that admits it.
        cleanup_namespace: where pods run that clean nodes up.
        cluster_domain: DNS domain of the cluster.
        image_pull_policy: pull policy of the pod's own images.
        enforcement: what a denial by policy comes to, where a namespace's label does not say otherwise.
    """

    engine_image: str = "docker:28-dind"
    operator_image: str = "nested-docker-operator:latest"
    operator_namespace: str = "nested-docker-system"
    cleanup_namespace: str = "nested-docker-cleanup"
    cluster_domain: str = "cluster.local"
    image_pull_policy: str = "IfNotPresent"
    enforcement: Enforcement = Enforcement.ENFORCE


class Origin(StrEnum):
    """Who decided a value."""

    SPEC = "spec"
    CLASS = "class"
    POLICY = "policy"
    OPERATOR = "operator"


@dataclass(frozen=True)
class EffectiveSpec:
    """Everything that shapes the pod, resolved; nothing that does not.

    Attributes:
        guard: the guard's rules; None: there is no guard, or no policy has granted anything yet.
        origins: the path of each value that was set to who set it.
    """

    mode: Mode
    engine: EngineSpec
    resources: ResourceRequirements
    storage: StorageSpec
    scheduling: SchedulingSpec
    workload: WorkloadSpec | None
    pod_template: Mapping[str, Any]
    runtime_class_name: str | None
    host_socket_access: SocketAccess
    host_socket_path: str
    host_socket_gid: int | None
    idle_timeout_seconds: int | None
    pod_namespace: str | None
    origins: Mapping[str, Origin]
    guard: GuardRules | None = None

    def guarded(self, rules: GuardRules) -> EffectiveSpec:
        """The same by the rules of a policy, which only the mode `HostSocket` with a guard has a use for."""
        if self.mode != Mode.HOST_SOCKET or self.host_socket_access != SocketAccess.GUARDED:
            return self
        origins = {**self.origins, "hostSocket.guard": Origin.POLICY}
        return replace(self, guard=guarding.narrowed(rules, self.resources), origins=origins)

    @cached_property
    def fingerprint(self) -> str:
        """One short hash per value, with its origin, as compact JSON for an annotation.

        From two fingerprints `first_change` tells what differs and who wanted it, without keeping
        the values themselves.
        """
        prints = {
            path: f"{self.origins[path][0]}:{names.digest(value, 8)}" for path, value in sorted(self._values().items())
        }
        return json.dumps(prints, separators=(",", ":"))

    def _values(self) -> dict[str, Any]:
        whole: dict[str, Any] = {
            "mode": self.mode.value,
            "resources": self.resources.dump(),
            "storage": self.storage.dump(),
            "scheduling": self.scheduling.dump(),
            "workload": self.workload.dump() if self.workload else None,
            "podTemplate": dict(self.pod_template) or None,
            "runtimeClassName": self.runtime_class_name,
            "hostSocket.access": self.host_socket_access.value if self.mode == Mode.HOST_SOCKET else None,
            "hostSocket.path": self.host_socket_path if self.mode == Mode.HOST_SOCKET else None,
            "hostSocket.gid": self.host_socket_gid,
            "hostSocket.guard": self.guard.dump() if self.guard else None,
            "idleTimeoutSeconds": self.idle_timeout_seconds,
            "podNamespace": self.pod_namespace,
        }
        whole |= {f"engine.{key}": value for key, value in self.engine.dump().items()}
        return {path: value for path, value in whole.items() if path in self.origins and value is not None}


@dataclass(frozen=True)
class Change:
    """The first difference between a pod and what is asked for now.

    Attributes:
        path: the value that differs.
        origin: who decides it now, or did before.
    """

    path: str
    origin: Origin


def first_change(fingerprint: str, effective: EffectiveSpec) -> Change | None:
    """What differs between a pod's fingerprint and the effective spec; the user's own changes first, then policy's."""
    if fingerprint == effective.fingerprint:
        return None
    now: dict[str, str] = json.loads(effective.fingerprint)
    try:
        before: dict[str, str] = json.loads(fingerprint)
    except ValueError:
        return Change("the pod's annotations", Origin.SPEC)
    changed = [path for path in sorted(before.keys() | now.keys()) if before.get(path) != now.get(path)]
    for origin in (Origin.SPEC, Origin.POLICY, Origin.CLASS, Origin.OPERATOR):
        for path in changed:
            if origin.value[0] in (before.get(path, " ")[0], now.get(path, " ")[0]):
                return Change(path, origin)
    return None


def resolve(
    spec: NestedDockerSpec, class_spec: NestedDockerClassSpec, mode: Mode, defaults: OperatorDefaults
) -> EffectiveSpec:
    """Lay the NestedDocker over its class, and both over the operator's defaults."""
    layers = _Layers()
    engine = layers.merge("engine.", spec.engine, class_spec.engine, EngineSpec(image=defaults.engine_image))
    layers.origins["mode"] = Origin.SPEC
    return EffectiveSpec(
        mode=mode,
        engine=engine,
        resources=layers.pick("resources", spec.resources, class_spec.resources, ResourceRequirements()),
        storage=layers.pick("storage", spec.storage, class_spec.storage, StorageSpec(type=StorageType.EMPTY_DIR)),
        scheduling=layers.pick("scheduling", spec.scheduling, None, SchedulingSpec()),
        workload=layers.pick("workload", spec.workload, None, None),
        pod_template=layers.pick("podTemplate", None, class_spec.pod_template, {}),
        runtime_class_name=layers.pick("runtimeClassName", None, class_spec.runtime_class_name, None),
        host_socket_access=layers.pick("hostSocket.access", None, class_spec.host_socket.access, None),
        host_socket_path=layers.pick("hostSocket.path", None, class_spec.host_socket.path, ""),
        host_socket_gid=layers.pick("hostSocket.gid", None, class_spec.host_socket.gid, None),
        idle_timeout_seconds=layers.pick(
            "idleTimeoutSeconds", spec.idle_timeout_seconds, class_spec.lifetime.idle_timeout_seconds, None
        ),
        pod_namespace=layers.pick("podNamespace", None, class_spec.pod_namespace, None),
        origins=layers.origins,
    )


class _Layers:
    def __init__(self) -> None:
        self.origins: dict[str, Origin] = {}

    def pick(self, path: str, spec: Any, class_spec: Any, default: Any) -> Any:
        for origin, value in ((Origin.SPEC, spec), (Origin.CLASS, class_spec), (Origin.OPERATOR, default)):
            if value is not None:
                self.origins[path] = origin
                return value
        return None

    def merge(self, prefix: str, spec: EngineSpec, class_spec: EngineSpec, default: EngineSpec) -> EngineSpec:
        """Field by field, the first layer that speaks."""
        chosen = {
            field: self.pick(prefix + alias, getattr(spec, field), getattr(class_spec, field), getattr(default, field))
            for field, alias in ((name, info.alias or name) for name, info in type(spec).model_fields.items())
        }
        return spec.model_copy(update=chosen)
