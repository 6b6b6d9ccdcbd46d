"""NestedDockerClass: a kind of daemon that an admin offers, similar to a StorageClass."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from nested_docker.api.meta import (
    AbsolutePath,
    Annotations,
    DnsLabel,
    DnsSubdomain,
    KubeModel,
    Labels,
    Mode,
    ResourceRequirements,
    schema,
)
from nested_docker.api.metadata import require_template_metadata
from nested_docker.api.nesting import FreeObject
from nested_docker.api.v1alpha1.engine import EngineSpec, StorageSpec
from nested_docker.api.v1alpha1.nested_docker import USER_ANNOTATIONS, USER_LABELS

DEFAULT_CLASS_ANNOTATION = "nesteddocker.dev/is-default-class"


class SocketAccess(StrEnum):
    """How the node's socket is handed out."""

    GUARDED = "Guarded"
    """Through the guard, by the rules of the policy that grants the request."""
    RAW = "Raw"
    """Unrestricted: whoever has it is root on the node."""


class HostSocketSpec(KubeModel):
    """The node's Docker socket."""

    access: SocketAccess = Field(
        default=SocketAccess.GUARDED,
        description="`Guarded`: clients can see and create only their own containers, by the rules in "
        "`hostSocket.guard` of the policy that grants the request. `Raw`: clients get the unrestricted socket, which "
        "makes them root on the node; a policy must set `hostSocket.allowRaw`.",
    )
    path: AbsolutePath = Field(default="/var/run/docker.sock", description="Path of the socket on the node.")
    gid: int | None = Field(
        default=None,
        description="ID of the group that may use the socket (`stat -c %g` on the node), which becomes the relay's "
        "supplemental group; empty: none, which is enough only if every user may use the socket.",
        ge=1,
        le=4_294_967_294,
    )


_STRINGS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
_NAMED: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}},
        "x-kubernetes-preserve-unknown-fields": True,
    },
}
_SPEC_OF_PODS: dict[str, Any] = {
    "containers": _NAMED,
    "initContainers": _NAMED,
    "volumes": _NAMED,
    "imagePullSecrets": _NAMED,
    "nodeSelector": _STRINGS,
    "tolerations": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    "affinity": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "securityContext": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
POD_TEMPLATE: dict[str, Any] = {
    "x-kubernetes-preserve-unknown-fields": True,
    "properties": {
        "metadata": {
            "type": "object",
            "description": "Labels and annotations of the pod.",
            "properties": {"labels": _STRINGS, "annotations": _STRINGS},
        },
        "spec": {
            "type": "object",
            "description": "Specification of the pod.",
            "properties": _SPEC_OF_PODS,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    },
}
"""The part of a pod template's schema that the operator relies on; the API server validates the rest with the pod."""


class LifetimeSpec(KubeModel):
    """Lifetime of NestedDockers that do not set their own."""

    active_deadline_seconds: int | None = Field(
        default=None, description="Default of `spec.activeDeadlineSeconds`.", ge=1, le=31_536_000
    )
    idle_timeout_seconds: int | None = Field(
        default=None, description="Default of `spec.idleTimeoutSeconds`.", ge=10, le=31_536_000
    )
    ttl_seconds_after_finished: int | None = Field(
        default=None, description="Default of `spec.ttlSecondsAfterFinished`.", ge=0, le=31_536_000
    )


class ChildMetadata(KubeModel):
    """Labels and annotations that the operator adds to every object that it creates for a NestedDocker."""

    labels: Labels = Field(default={}, description="Labels to add.", json_schema_extra=USER_LABELS)
    annotations: Annotations = Field(default={}, description="Annotations to add.", json_schema_extra=USER_ANNOTATIONS)


class ChildTemplate(KubeModel):
    """What all objects of a NestedDocker have in common: pod, Service, Secrets, NetworkPolicy and claim."""

    metadata: ChildMetadata = Field(
        default=ChildMetadata(),
        description="Metadata of these objects. `podTemplate` and `connection.secretTemplate` override it by key. A "
        "change reaches Services, Secrets, NetworkPolicies and claims at once, and pods when they are replaced; a key "
        "that you remove stays on existing objects. Guardrails allow keys on objects other than pods and connection "
        "Secrets only if the chart's `commonLabels` or `guardrails.metadataKeys` has them.",
    )


class IdleWatchSpec(KubeModel):
    """The container that notices that nothing uses the daemon any more; a daemon with `idleTimeoutSeconds` has it."""

    resources: ResourceRequirements | None = Field(
        default=None,
        description="Resources of the container. They are the class's alone: they do not count towards a policy's "
        "`max`, but towards quotas and limit ranges of the pod's namespace. Empty: the chart's `idleWatch.resources`.",
    )


class AppArmorProfileType(StrEnum):
    """Which AppArmor profile a container has, as in a pod."""

    RUNTIME_DEFAULT = "RuntimeDefault"
    LOCALHOST = "Localhost"
    UNCONFINED = "Unconfined"


LOCALHOST_HAS_PROFILE = schema(
    rules=(
        (
            "(self.type == 'Localhost') == has(self.localhostProfile)",
            "localhostProfile belongs to type Localhost, which needs it: set both, or neither",
        ),
    )
)
LocalhostProfile = Annotated[str, StringConstraints(min_length=1, max_length=4095)]


class AppArmorProfile(KubeModel):
    """An AppArmor profile, as in a pod's `securityContext`."""

    model_config = KubeModel.model_config | {"json_schema_extra": LOCALHOST_HAS_PROFILE}

    type: AppArmorProfileType = Field(description="Where the profile is from.")
    localhost_profile: LocalhostProfile | None = Field(
        default=None, description="Name of a profile that the nodes have loaded, for type `Localhost`."
    )


SELinuxPart = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class SELinuxOptions(KubeModel):
    """Parts of an SELinux label, as in a pod's `securityContext`; empty: the container runtime's own."""

    user: SELinuxPart | None = Field(default=None, description="User of the label.")
    role: SELinuxPart | None = Field(default=None, description="Role of the label.")
    type: SELinuxPart | None = Field(default=None, description="Type of the label, such as `container_engine_t`.")
    level: SELinuxPart | None = Field(default=None, description="Level of the label.")


class SeccompProfileType(StrEnum):
    """Which seccomp profile a daemon has. Where it is a setting, the container runtime's default does not work."""

    LOCALHOST = "Localhost"
    UNCONFINED = "Unconfined"


class SeccompProfile(KubeModel):
    """A seccomp profile, as in a pod's `securityContext`."""

    model_config = KubeModel.model_config | {"json_schema_extra": LOCALHOST_HAS_PROFILE}

    type: SeccompProfileType = Field(description="Where the profile is from.")
    localhost_profile: LocalhostProfile | None = Field(
        default=None,
        description="Path of a profile on the nodes, relative to the kubelet's folder `seccomp`, for type `Localhost`.",
    )


class SecurityModules(KubeModel):
    """How AppArmor, SELinux and seccomp confine the daemon's container in one mode."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                (
                    "!has(self.seccompProfile) || self.mode in ['UserNamespace', 'Rootless']",
                    "seccompProfile is a setting of modes UserNamespace and Rootless: Dind has none, as it is "
                    "privileged, and the other modes always have RuntimeDefault",
                ),
            )
        )
    }

    mode: Mode = Field(description="The mode.")
    app_armor_profile: AppArmorProfile | None = Field(
        default=None,
        description="AppArmor profile; empty: the container runtime's default, which is none in mode `Dind`, and "
        "`Unconfined` in mode `UserNamespace`. A node without AppArmor rejects pods with another type than "
        "`Unconfined`.",
    )
    se_linux_options: SELinuxOptions | None = Field(
        default=None, description="SELinux label; empty: the container runtime's choice."
    )
    seccomp_profile: SeccompProfile | None = Field(
        default=None,
        description="seccomp profile, in modes `UserNamespace` and `Rootless` only; empty: `Localhost` with "
        "`nested-docker/dockerd.json`, which the chart's `seccompProfiles.install` puts onto the nodes.",
    )


class NetworkPolicyManagement(StrEnum):
    """Who writes the NetworkPolicy of a daemon."""

    MANAGED = "Managed"
    UNMANAGED = "Unmanaged"


class Evictions(StrEnum):
    """Whether drains and autoscalers may evict the pod of a daemon."""

    ALLOWED = "Allowed"
    DENIED = "Denied"


class InjectionForm(StrEnum):
    """Where the daemon of a pod runs that asks for one by a label."""

    REMOTE = "Remote"
    """In a separate pod, by a NestedDocker."""
    SIDECAR = "Sidecar"
    """In the labelled pod, as its first native sidecar."""


class InjectionSpec(KubeModel):
    """Daemons of pods that ask for one by a label."""

    forms: Annotated[list[InjectionForm], Field(min_length=1, max_length=len(InjectionForm))] = Field(
        default=[InjectionForm.REMOTE],
        description="Forms that the class offers; a pod that names none gets the first one. `Remote`: a NestedDocker "
        "for each pod. `Sidecar`: a container in the labelled pod, with the volumes of the job, in mode `Dind` only. "
        "It is judged when the pod is created, and not again, and whoever may change the pod may enter it.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class ModeSelection(StrEnum):
    """Which of a class's modes a NestedDocker without `spec.mode` gets."""

    LEAST_PRIVILEGED = "LeastPrivileged"
    AS_LISTED = "AsListed"


class NestedDockerClassSpec(KubeModel):
    """A kind of Docker daemon that the cluster offers."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                (
                    "!has(self.podNamespace) || !has(self.storage) || self.storage.type != 'Claim'",
                    "a claim is in the NestedDocker's namespace, and podNamespace puts the pods into another one: use "
                    "storage type Ephemeral or EmptyDir, or leave podNamespace out",
                ),
                (
                    "!has(self.podNamespace) || !has(self.injection) || !('Sidecar' in self.injection.forms)",
                    "a sidecar is in the labelled pod, and podNamespace puts daemons into another namespace: remove "
                    "Sidecar from injection.forms, or leave podNamespace out",
                ),
                (
                    "!has(self.securityModules) || self.securityModules.all(each, each.mode in self.modes)",
                    "securityModules has a mode that modes does not have: add it there, or remove it here",
                ),
            )
        )
    }

    modes: Annotated[list[Mode], Field(min_length=1, max_length=len(Mode))] = Field(
        description="Modes that the class offers, in order of preference where `modeSelection` leaves a choice.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    mode_selection: ModeSelection = Field(
        default=ModeSelection.LEAST_PRIVILEGED,
        description="Which of `modes` a NestedDocker without `spec.mode` gets, among those that policy grants and the "
        "cluster can run: the one with the least privilege on the node, and of several the one that `modes` has first; "
        "or `AsListed`, always the one that `modes` has first. The choice stays for the life of the NestedDocker.",
    )
    engine: EngineSpec = Field(
        default=EngineSpec(), description="Daemon settings that apply where the NestedDocker has none."
    )
    resources: ResourceRequirements | None = Field(
        default=None, description="Resources that apply if the NestedDocker has none."
    )
    storage: StorageSpec | None = Field(
        default=None, description="Storage that applies if the NestedDocker has none; empty: an emptyDir."
    )
    pod_template: Annotated[FreeObject, AfterValidator(require_template_metadata)] | None = Field(
        default=None,
        description="A pod template (`metadata`, `spec`) for the daemon's pod. Its container `daemon` is merged with "
        "the operator's; a field that the operator sets itself is rejected by name.",
        json_schema_extra=POD_TEMPLATE,
    )
    child_template: ChildTemplate | None = Field(
        default=None, description="Labels and annotations of every object that the operator creates for a NestedDocker."
    )
    runtime_class_name: DnsSubdomain | None = Field(
        default=None, description="RuntimeClass of the pod; empty: what the mode needs."
    )
    pod_namespace: DnsLabel | None = Field(
        default=None,
        description="Namespace of the daemons' pods, if users' namespaces must not have such pods; fields by which "
        "a tenant could get into it are rejected. Empty: the namespace of each NestedDocker.",
    )
    host_socket: HostSocketSpec = Field(
        default=HostSocketSpec(), description="The node's Docker socket, for mode `HostSocket`."
    )
    lifetime: LifetimeSpec = Field(
        default=LifetimeSpec(), description="Lifetime that applies where the NestedDocker has none."
    )
    idle_watch: IdleWatchSpec = Field(default=IdleWatchSpec(), description="The container that ends an idle daemon.")
    injection: InjectionSpec = Field(
        default=InjectionSpec(), description="Daemons of pods that ask for one by a label."
    )
    security_modules: Annotated[list[SecurityModules], Field(max_length=len(Mode))] = Field(
        default=[],
        description="How AppArmor, SELinux and seccomp confine the container `daemon`, for each mode.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["mode"]},
    )
    network_policy: NetworkPolicyManagement = Field(
        default=NetworkPolicyManagement.MANAGED,
        description="Whether the operator writes a NetworkPolicy that admits only the clients.",
    )
    evictions: Evictions = Field(
        default=Evictions.ALLOWED,
        description="Whether drains and autoscalers may evict a daemon's pod. `Denied`: a PodDisruptionBudget keeps a "
        "ready pod on its node until the daemon ends. The operator does not know whether something runs in the daemon, "
        "so set `lifetime.idleTimeoutSeconds` too: a drain then waits until the daemon was idle for so long.",
    )


class NestedDockerClass(KubeModel):
    """A kind of Docker daemon that an admin offers."""

    spec: NestedDockerClassSpec = Field(description="The daemon that the class offers.")
