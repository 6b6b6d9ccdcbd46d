"""NestedDockerClass: what an admin offers, as with StorageClass."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from nested_docker.api.meta import AbsolutePath, DnsLabel, DnsSubdomain, KubeModel, Mode, ResourceRequirements, schema
from nested_docker.api.nesting import FreeObject
from nested_docker.api.v1alpha1.engine import EngineSpec, StorageSpec

DEFAULT_CLASS_ANNOTATION = "nesteddocker.dev/is-default-class"


class SocketAccess(StrEnum):
    """How the node's socket is handed out."""

    GUARDED = "Guarded"
    """Through the guard, by the rules of the policy that grants it."""
    RAW = "Raw"
    """As it is: whoever has it is root on the node."""


class HostSocketSpec(KubeModel):
    """The node's Docker socket."""

    access: SocketAccess = Field(
        default=SocketAccess.GUARDED,
        description="`Guarded`: clients see and make their own containers only, by the rules in `hostSocket.guard` of "
        "the policy that grants it. `Raw`: they get the socket as it is, and with it the node; a policy must say "
        "`hostSocket.allowRaw`.",
    )
    path: AbsolutePath = Field(default="/var/run/docker.sock", description="Path of the socket on the node.")
    gid: int | None = Field(
        default=None,
        description="Number of the group that may use the socket (`stat -c %g` on the node), which the relay "
        "gets as its supplemental group; empty: none, which is enough only for a socket open to all.",
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
"""As much of a pod template's shape as the operator relies on; the rest is judged when the pod is made."""


class LifetimeSpec(KubeModel):
    """How long a NestedDocker lives when it does not say so itself."""

    active_deadline_seconds: int | None = Field(
        default=None, description="Default of `spec.activeDeadlineSeconds`.", ge=1, le=31_536_000
    )
    idle_timeout_seconds: int | None = Field(
        default=None, description="Default of `spec.idleTimeoutSeconds`.", ge=10, le=31_536_000
    )
    ttl_seconds_after_finished: int | None = Field(
        default=None, description="Default of `spec.ttlSecondsAfterFinished`.", ge=0, le=31_536_000
    )


class NetworkPolicyManagement(StrEnum):
    """Who writes the NetworkPolicy of a daemon."""

    MANAGED = "Managed"
    UNMANAGED = "Unmanaged"


class NestedDockerClassSpec(KubeModel):
    """A kind of Docker daemon that the cluster offers."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                (
                    "!has(self.podNamespace) || !has(self.storage) || self.storage.type != 'Claim'",
                    "a claim stays with its NestedDocker, and podNamespace has the pods elsewhere: use storage type "
                    "Ephemeral or EmptyDir, or leave podNamespace out",
                ),
            )
        )
    }

    modes: Annotated[list[Mode], Field(min_length=1, max_length=3)] = Field(
        description="Modes on offer, the preferred one first.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    engine: EngineSpec = Field(
        default=EngineSpec(), description="Daemon settings for those who do not choose their own."
    )
    resources: ResourceRequirements | None = Field(
        default=None, description="Resources for those who do not choose their own."
    )
    storage: StorageSpec | None = Field(
        default=None, description="Storage for those who do not choose their own; empty: an emptyDir."
    )
    pod_template: FreeObject | None = Field(
        default=None,
        description="A pod template (`metadata`, `spec`) that the daemon's pod is laid over: what the operator "
        "sets itself wins, what it does not set is taken from here.",
        json_schema_extra=POD_TEMPLATE,
    )
    runtime_class_name: DnsSubdomain | None = Field(
        default=None, description="RuntimeClass of the pod; empty: what the mode needs."
    )
    pod_namespace: DnsLabel | None = Field(
        default=None,
        description="Namespace of the daemons' pods, for users' namespaces that must not have such pods; what a "
        "NestedDocker would bring into it of its own is refused. Empty: each NestedDocker's own.",
    )
    host_socket: HostSocketSpec = Field(
        default=HostSocketSpec(), description="The node's Docker socket, for mode `HostSocket`."
    )
    lifetime: LifetimeSpec = Field(
        default=LifetimeSpec(), description="Lifetime for those who do not choose their own."
    )
    network_policy: NetworkPolicyManagement = Field(
        default=NetworkPolicyManagement.MANAGED,
        description="Whether the operator writes a NetworkPolicy that lets only the clients in.",
    )


class NestedDockerClass(KubeModel):
    """What an admin offers to those who need a Docker daemon."""

    spec: NestedDockerClassSpec = Field(description="What is on offer.")
