"""The effective spec: NestedDocker over class over operator defaults, each value with its origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

from nested_docker.api.meta import Enforcement, LocalObjectReference, Mode, ResourceRequirements
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerSpec
from nested_docker.api.v1alpha1.engine import EngineSpec, StorageSpec, StorageType
from nested_docker.api.v1alpha1.nested_docker import SchedulingSpec
from nested_docker.api.v1alpha1.nested_docker_class import ChildTemplate, SecurityModules
from nested_docker.api.v1alpha1.workload import WorkloadSpec
from nested_docker.domain import names

IDLE_WATCH_RESOURCES = ResourceRequirements(requests={"cpu": "10m", "memory": "32Mi"}, limits={"memory": "128Mi"})
CLEANUP_RESOURCES = ResourceRequirements(requests={"cpu": "10m", "memory": "48Mi"}, limits={"memory": "128Mi"})


@dataclass(frozen=True)
class OperatorDefaults:
    """Values that apply where neither the NestedDocker nor its class sets them.

    Attributes:
        engine_image: image with dockerd and the docker client.
        operator_image: the operator's own image, which the relay runs from.
        operator_namespace: namespace of the operator, which NetworkPolicies admit.
        cleanup_namespace: namespace of the pods that clean up nodes.
        cluster_domain: DNS domain of the cluster.
        image_pull_policy: pull policy of the pods' containers.
        idle_watch_resources: resources of the idle watch.
        cleanup_resources: resources of the pods that clean up nodes.
        common_labels: labels of all children, under those of their class.
        enforcement: what happens to requests that no policy grants; a namespace's label overrides it.
        admission_webhook: whether the webhook reviews every request and names its class.
        replace_seconds: least seconds between two replacements of a pod.
        denial_grace_seconds: seconds for which a daemon may run after its request has been denied.
        cluster_addresses: IP addresses of the API server's Service and then the cluster's name servers, if known.
    """

    engine_image: str = "docker:29-dind"
    operator_image: str = "nested-docker-operator:latest"
    operator_namespace: str = "nested-docker-system"
    cleanup_namespace: str = "nested-docker-cleanup"
    cluster_domain: str = "cluster.local"
    image_pull_policy: str = "IfNotPresent"
    idle_watch_resources: ResourceRequirements = IDLE_WATCH_RESOURCES
    cleanup_resources: ResourceRequirements = CLEANUP_RESOURCES
    common_labels: Mapping[str, str] = field(default_factory=dict)
    enforcement: Enforcement = Enforcement.ENFORCE
    admission_webhook: bool = False
    replace_seconds: float = 20
    denial_grace_seconds: float = 30
    cluster_addresses: tuple[str, ...] = ()


class Origin(StrEnum):
    """Who set a value."""

    SPEC = "spec"
    CLASS = "class"
    POLICY = "policy"
    OPERATOR = "operator"


@dataclass(frozen=True)
class ModeSettings:
    """Settings that only one mode has; a mode with settings has a subclass."""

    def values(self) -> dict[str, Any]:
        """JSON values by the paths under which messages name them; None where nothing is set."""
        return {}

    def with_policy_of(self, other: ModeSettings) -> ModeSettings:
        """These settings, with what a policy decides taken from other settings of the same mode."""
        del other
        return self


@dataclass(frozen=True)
class EffectiveSpec:
    """Everything that shapes the pod, resolved; nothing that does not.

    Attributes:
        mode_settings: what only the mode itself reads.
        security_modules: how AppArmor, SELinux and seccomp confine the daemon's container; None: by default.
        idle_watch_resources: of the idle watch; None: there is none.
        child_template: the class's metadata of all children.
        workload_credentials: Secret with registry credentials; None: there is none, or no workload that has them.
        common_labels: the chart's labels of all children.
        origins: who set a value, by the value's path.
    """

    mode: Mode
    engine: EngineSpec
    resources: ResourceRequirements
    storage: StorageSpec
    scheduling: SchedulingSpec
    workload: WorkloadSpec | None
    workload_credentials: LocalObjectReference | None
    pod_template: Mapping[str, Any]
    child_template: ChildTemplate
    common_labels: Mapping[str, str]
    runtime_class_name: str | None
    security_modules: SecurityModules | None
    mode_settings: ModeSettings
    idle_timeout_seconds: int | None
    idle_watch_resources: ResourceRequirements | None
    pod_namespace: str | None
    origins: Mapping[str, Origin]

    @cached_property
    def fingerprint(self) -> str:
        """One short hash per value, with its origin, as compact JSON for an annotation.

        From two fingerprints `first_change` finds what differs and who changed it, without the values themselves.
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
            "connection.registryCredentials": self.workload_credentials.dump() if self.workload_credentials else None,
            "podTemplate": dict(self.pod_template) or None,
            "childTemplate": self.child_template.dump(),
            "commonLabels": dict(self.common_labels) or None,
            "runtimeClassName": self.runtime_class_name,
            "securityModules": self.security_modules.dump() if self.security_modules else None,
            "idleTimeoutSeconds": self.idle_timeout_seconds,
            "idleWatch.resources": self.idle_watch_resources.dump() if self.idle_watch_resources else None,
            "podNamespace": self.pod_namespace,
        }
        whole |= {f"engine.{key}": value for key, value in self.engine.dump().items()}
        whole |= self.mode_settings.values()
        return {path: value for path, value in whole.items() if path in self.origins and value is not None}


@dataclass(frozen=True)
class Change:
    """The first difference between a pod and the effective spec.

    Attributes:
        path: the value that differs.
        origin: who sets it now, or did before.
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


class SettingsResolver(Protocol):
    """A mode, as far as it resolves its own settings.

    Attributes:
        mode: its name in the API.
    """

    mode: Mode

    def engine_image(self, default: str) -> str:
        """The image if neither NestedDocker nor class names one, from the operator's."""

    def resolve(self, layers: Layers, spec: NestedDockerSpec, class_spec: NestedDockerClassSpec) -> ModeSettings:
        """The mode's settings, picked from the layers so that each has its origin."""


def resolve(
    spec: NestedDockerSpec, class_spec: NestedDockerClassSpec, mode: SettingsResolver, defaults: OperatorDefaults
) -> EffectiveSpec:
    """Overlay the class with the NestedDocker, and the operator's defaults with both."""
    layers = Layers()
    default = EngineSpec(image=mode.engine_image(defaults.engine_image))
    engine = layers.merge("engine.", spec.engine, class_spec.engine, default)
    layers.origins["mode"] = Origin.SPEC
    idle_timeout = layers.pick(
        "idleTimeoutSeconds", spec.idle_timeout_seconds, class_spec.lifetime.idle_timeout_seconds, None
    )
    return EffectiveSpec(
        mode=mode.mode,
        engine=engine,
        resources=layers.pick("resources", spec.resources, class_spec.resources, ResourceRequirements()),
        storage=layers.pick("storage", spec.storage, class_spec.storage, StorageSpec(type=StorageType.EMPTY_DIR)),
        scheduling=layers.pick("scheduling", spec.scheduling, None, SchedulingSpec()),
        workload=layers.pick("workload", spec.workload, None, None),
        workload_credentials=None
        if spec.workload is None
        else layers.pick("connection.registryCredentials", spec.connection.registry_credentials, None, None),
        pod_template=layers.pick("podTemplate", None, class_spec.pod_template, {}),
        child_template=layers.pick("childTemplate", None, class_spec.child_template, None) or ChildTemplate(),
        common_labels=layers.pick("commonLabels", None, None, defaults.common_labels or None) or {},
        runtime_class_name=layers.pick("runtimeClassName", None, class_spec.runtime_class_name, None),
        security_modules=layers.pick("securityModules", None, _security_modules(class_spec, mode.mode), None),
        mode_settings=mode.resolve(layers, spec, class_spec),
        idle_timeout_seconds=idle_timeout,
        idle_watch_resources=None
        if idle_timeout is None
        else layers.pick("idleWatch.resources", None, class_spec.idle_watch.resources, defaults.idle_watch_resources),
        pod_namespace=layers.pick("podNamespace", None, class_spec.pod_namespace, None),
        origins=layers.origins,
    )


def _security_modules(class_spec: NestedDockerClassSpec, mode: Mode) -> SecurityModules | None:
    return next((each for each in class_spec.security_modules if each.mode == mode), None)


class Layers:
    """Picks each value from the first layer that has it, and notes which one that was.

    Attributes:
        origins: who set a value, by the value's path.
    """

    def __init__(self) -> None:
        self.origins: dict[str, Origin] = {}

    def pick(self, path: str, spec: Any, class_spec: Any, default: Any) -> Any:
        """The value of the first layer that has one; None: no layer has.

        Args:
            path: what messages call the value.
            spec: the NestedDocker's value; None: unset, as with the other layers.
            class_spec: the class's.
            default: the operator's.
        """
        for origin, value in ((Origin.SPEC, spec), (Origin.CLASS, class_spec), (Origin.OPERATOR, default)):
            if value is not None:
                self.origins[path] = origin
                return value
        return None

    def merge(self, prefix: str, spec: EngineSpec, class_spec: EngineSpec, default: EngineSpec) -> EngineSpec:
        """Settings of the daemon, each field picked by itself."""
        chosen = {
            field: self.pick(prefix + alias, getattr(spec, field), getattr(class_spec, field), getattr(default, field))
            for field, alias in ((name, info.alias or name) for name, info in type(spec).model_fields.items())
        }
        return spec.model_copy(update=chosen)
