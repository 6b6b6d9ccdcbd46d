"""NestedDockerPolicy: which daemons an admin allows where."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from nested_docker.api.meta import (
    AbsolutePath,
    DnsSubdomain,
    ImagePattern,
    KubeModel,
    LabelSelector,
    Mode,
    Quantity,
    schema,
)
from nested_docker.api.v1alpha1.guard import GuardRules

KeyPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/*-]+$", max_length=317)]
"""A key of metadata, or the name of a resource or a StorageClass; `*` matches anything but `/`, `**` anything."""

_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}


class ImageRules(KubeModel):
    """Which images may be run."""

    patterns: Annotated[list[ImagePattern], Field(max_length=64)] = Field(
        default=[],
        description="Patterns, one of which must match: `repository[:tag]`, where `*` matches anything but `/` "
        "and `**` anything, and a repository without a registry is Docker Hub's. Empty: only images that the class "
        "or the operator chooses.",
        json_schema_extra=_SET,
    )
    require_digest: bool = Field(default=False, description="Whether an image must be named by its digest.")


class HostSocketPolicy(KubeModel):
    """Terms for mode `HostSocket`."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                (
                    "!has(self.guard) || !has(self.guard.enforcement) || self.guard.enforcement == 'Enforce' || "
                    "(has(self.allowRaw) && self.allowRaw)",
                    "guard.enforcement: Warn and Audit allow as much as the raw socket: also set allowRaw to true, or "
                    "use Enforce",
                ),
            )
        )
    }

    paths: Annotated[list[AbsolutePath], Field(min_length=1, max_length=16)] = Field(
        default=["/var/run/docker.sock", "/run/docker.sock"],
        description="Paths on the node that the socket may have.",
        json_schema_extra=_SET,
    )
    allow_raw: bool = Field(
        default=False,
        description="Whether clients may get the node's socket without the guard. "
        "Whoever has it can start anything as root on the node.",
    )
    guard: GuardRules | None = Field(
        default=None,
        description="Rules of the guard, for classes with `hostSocket.access: Guarded`; empty: the guarded socket is "
        "not granted.",
    )


class ReferenceKind(StrEnum):
    """Objects that a workload may refer to."""

    SECRETS = "Secrets"
    CONFIG_MAPS = "ConfigMaps"

    @property
    def resource(self) -> str:
        """Their name in RBAC."""
        return self.lower()


class WorkloadPolicy(KubeModel):
    """Terms for `spec.workload`."""

    allowed: bool = Field(default=False, description="Whether a NestedDocker may have a workload.")
    images: ImageRules = Field(default=ImageRules(patterns=["**"]), description="Images that it may run.")
    references: Annotated[list[ReferenceKind], Field(max_length=len(ReferenceKind))] = Field(
        default=[],
        description="Objects of its namespace whose content its containers may have as variables and files. Who sets "
        "such a field must also have the permission to `get` each of them.",
        json_schema_extra=_SET,
    )
    shared_paths: Annotated[list[KeyPattern], Field(max_length=64)] = Field(
        default=[],
        description="Directories that it may share with its daemon besides `/workspace`: `*` matches anything but "
        "`/`, `**` anything.",
        json_schema_extra=_SET,
    )


class AffinityKind(StrEnum):
    """A kind of affinity."""

    NODE = "NodeAffinity"
    POD = "PodAffinity"
    POD_ANTI = "PodAntiAffinity"

    @property
    def member(self) -> str:
        """Its name in the affinity of a pod."""
        return f"{self[0].lower()}{self[1:]}"


class NamespaceScope(StrEnum):
    """Which namespaces a request may be about."""

    OWN = "Own"
    ANY = "Any"


class ConnectionPolicy(KubeModel):
    """Terms for `spec.connection`."""

    client_namespaces: NamespaceScope = Field(
        default=NamespaceScope.OWN,
        description="Namespaces that `clients` may select, to which the NetworkPolicy then opens the daemon's port. "
        "`Own`: only the NestedDocker's, without a `namespaceSelector`; `Any`: every namespace.",
    )


class SchedulingPolicy(KubeModel):
    """Terms for `spec.scheduling`; what the class sets is not limited here."""

    toleration_keys: Annotated[list[KeyPattern], Field(max_length=64)] = Field(
        default=[],
        description="Taints that may be tolerated, by key; `**` allows a toleration of everything.",
        json_schema_extra=_SET,
    )
    priority_class_names: Annotated[list[DnsSubdomain], Field(max_length=64)] = Field(
        default=[], description="PriorityClasses that may be used.", json_schema_extra=_SET
    )
    pod_annotations: Annotated[list[KeyPattern], Field(max_length=64)] = Field(
        default=[],
        description="Annotations that may be set on the pod, by key: some control runtimes and network plugins.",
        json_schema_extra=_SET,
    )
    pod_labels: Annotated[list[KeyPattern], Field(max_length=64)] = Field(
        default=[],
        description="Labels that may be set on the pod, by key: Services, NetworkPolicies and other selectors include "
        "the pod by them.",
        json_schema_extra=_SET,
    )
    affinity: Annotated[list[AffinityKind], Field(max_length=len(AffinityKind))] = Field(
        default=[AffinityKind.NODE],
        description="Kinds of affinity that may be set, required and preferred. `NodeAffinity` only narrows the choice "
        "of nodes; `PodAntiAffinity` keeps other pods off a node.",
        json_schema_extra=_SET,
    )
    affinity_namespaces: NamespaceScope = Field(
        default=NamespaceScope.OWN,
        description="Whose pods `PodAffinity` and `PodAntiAffinity` may be about. `Own`: those in the NestedDocker's "
        "namespace; with a class's `podNamespace` none, since the pods of all tenants are in one namespace. `Any`: "
        "those in every namespace.",
    )


class Maxima(KubeModel):
    """Maxima of one NestedDocker; where there is a maximum, the matching limit is required."""

    cpu: Quantity | None = Field(default=None, description="Sum of the containers' CPU limits, in cores.")
    memory: Quantity | None = Field(default=None, description="Sum of the containers' memory limits, in bytes.")
    storage: Quantity | None = Field(default=None, description="Size of the data-root, in bytes.")
    lifetime_seconds: int | None = Field(
        default=None, description="Largest `activeDeadlineSeconds`.", ge=1, le=31_536_000
    )


class PublishedPorts(StrEnum):
    """Whether clients reach the ports that containers publish in the daemon's pod."""

    ALLOWED = "Allowed"
    DENIED = "Denied"


class ViolationAction(StrEnum):
    """What happens to a daemon whose grant is revoked."""

    STOP = "Stop"
    REPORT = "Report"


class NestedDockerPolicySpec(KubeModel):
    """A grant: a request is accepted if and only if one single policy grants all of it."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                (
                    "!has(self.hostSocket) || self.allowedModes.exists(mode, mode == 'HostSocket')",
                    "hostSocket has no effect without mode HostSocket: add HostSocket to allowedModes or leave "
                    "hostSocket out",
                ),
            )
        )
    }

    namespace_selector: LabelSelector = Field(
        description="Namespaces that the grant applies to; an empty selector: all."
    )
    allowed_classes: Annotated[list[DnsSubdomain], Field(min_length=1, max_length=64)] = Field(
        description="Classes that may be used.", json_schema_extra=_SET
    )
    allowed_modes: Annotated[list[Mode], Field(min_length=1, max_length=len(Mode))] = Field(
        description="Modes that may be used.", json_schema_extra=_SET
    )
    allowed_names: Annotated[list[KeyPattern], Field(min_length=1, max_length=64)] = Field(
        default=["**"],
        description="Names that NestedDockers may have. The Service and the NetworkPolicy in the namespace get this "
        "name, and the Secrets and the claim begin with it.",
        json_schema_extra=_SET,
    )
    allowed_images: ImageRules = Field(default=ImageRules(), description="Images that the daemon may have.")
    allowed_resources: Annotated[list[KeyPattern], Field(max_length=64)] = Field(
        default=[],
        description="Resources that requests and limits may name besides `cpu` and `memory`, such as "
        "`ephemeral-storage`, `hugepages-*` or `example.com/gpu`; what the class sets is not limited here.",
        json_schema_extra=_SET,
    )
    allowed_storage_classes: Annotated[list[KeyPattern], Field(max_length=64)] = Field(
        default=[],
        description="StorageClasses that may be named, for types `Ephemeral` and `Claim`. Empty: only the cluster's "
        "default, or the class's.",
        json_schema_extra=_SET,
    )
    host_socket: HostSocketPolicy = Field(default=HostSocketPolicy(), description="Terms for mode `HostSocket`.")
    workload: WorkloadPolicy = Field(
        default=WorkloadPolicy(), description="Terms for `spec.workload`; by default it is not allowed."
    )
    scheduling: SchedulingPolicy = Field(
        default=SchedulingPolicy(),
        description="Terms for the pod's tolerations, priority, affinity, labels and annotations.",
    )
    published_ports: PublishedPorts = Field(
        default=PublishedPorts.ALLOWED,
        description="Whether clients reach the ports that containers publish (`docker run -p`) in the daemon's pod. "
        "`Denied`: the NetworkPolicy admits them to the Docker port only. For mode `HostSocket`, where ports are the "
        "node's, `hostSocket.guard.containers.publish` decides.",
    )
    connection: ConnectionPolicy = Field(default=ConnectionPolicy(), description="Terms for `spec.connection`.")
    max: Maxima = Field(default=Maxima(), description="Maxima of one NestedDocker; empty: no limit.")
    on_violation: ViolationAction = Field(
        default=ViolationAction.STOP,
        description="What happens to a daemon that this policy has granted when no policy grants it any longer: "
        "`Stop` deletes its pod, `Report` keeps the running pod and reports it in the conditions.",
    )


class NestedDockerPolicy(KubeModel):
    """A grant by an admin; without a policy no NestedDocker is accepted."""

    spec: NestedDockerPolicySpec = Field(description="The grant.")
