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
"""A label or annotation key; `*` stands for anything but `/`, `**` for anything."""

_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}


class ImageRules(KubeModel):
    """Which images may be run."""

    patterns: Annotated[list[ImagePattern], Field(max_length=64)] = Field(
        default=[],
        description="Patterns, one of which must match: `repository[:tag]`, where `*` stands for anything but `/` "
        "and `**` for anything, and a repository without a registry is Docker Hub's. Empty: only images that class "
        "or operator chose.",
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
                    "guard.enforcement: a guard that only warns or records gives as much as the raw socket: set "
                    "allowRaw to true as well, or choose Enforce",
                ),
            )
        )
    }

    paths: Annotated[list[AbsolutePath], Field(min_length=1, max_length=16)] = Field(
        default=["/var/run/docker.sock", "/run/docker.sock"],
        description="Paths on the node at which the socket may lie.",
        json_schema_extra=_SET,
    )
    allow_raw: bool = Field(
        default=False,
        description="Whether the node's socket may be handed out without the guard. "
        "Whoever has it can start anything as root on the node.",
    )
    guard: GuardRules | None = Field(
        default=None,
        description="What the guard lets through, for classes with `hostSocket.access: Guarded`; empty: the guarded "
        "socket is not granted.",
    )


class WorkloadPolicy(KubeModel):
    """Terms for containers beside the daemon."""

    allowed: bool = Field(default=False, description="Whether a NestedDocker may bring a workload.")
    images: ImageRules = Field(default=ImageRules(patterns=["**"]), description="Images that it may run.")


class SchedulingPolicy(KubeModel):
    """Terms for what a NestedDocker may say of its pod; what its class says is not limited here."""

    toleration_keys: Annotated[list[KeyPattern], Field(max_length=64)] = Field(
        default=[],
        description="Taints that may be tolerated, by key; `**` allows a toleration of everything.",
        json_schema_extra=_SET,
    )
    priority_class_names: Annotated[list[DnsSubdomain], Field(max_length=64)] = Field(
        default=[], description="PriorityClasses that may be asked for.", json_schema_extra=_SET
    )
    pod_annotations: Annotated[list[KeyPattern], Field(max_length=64)] = Field(
        default=[],
        description="Annotations that may be set on the pod, by key: runtimes and network plugins obey some.",
        json_schema_extra=_SET,
    )


class Maxima(KubeModel):
    """What one NestedDocker may have at most; a maximum makes the matching limit obligatory."""

    cpu: Quantity | None = Field(default=None, description="Sum of the containers' CPU limits, in cores.")
    memory: Quantity | None = Field(default=None, description="Sum of the containers' memory limits, in bytes.")
    storage: Quantity | None = Field(default=None, description="Size of the data-root, in bytes.")
    lifetime_seconds: int | None = Field(
        default=None, description="Largest `activeDeadlineSeconds`.", ge=1, le=31_536_000
    )


class ViolationAction(StrEnum):
    """What becomes of a daemon whose grant is gone."""

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

    namespace_selector: LabelSelector = Field(description="Namespaces that the grant is for; an empty selector: all.")
    allowed_classes: Annotated[list[DnsSubdomain], Field(min_length=1, max_length=64)] = Field(
        description="Classes that may be used.", json_schema_extra=_SET
    )
    allowed_modes: Annotated[list[Mode], Field(min_length=1, max_length=len(Mode))] = Field(
        description="Modes that may be used.", json_schema_extra=_SET
    )
    allowed_images: ImageRules = Field(default=ImageRules(), description="Images that may be the daemon's.")
    host_socket: HostSocketPolicy = Field(default=HostSocketPolicy(), description="Terms for mode `HostSocket`.")
    workload: WorkloadPolicy = Field(
        default=WorkloadPolicy(), description="Terms for containers beside the daemon; by default there may be none."
    )
    scheduling: SchedulingPolicy = Field(
        default=SchedulingPolicy(), description="Terms for the pod's tolerations, priority and annotations."
    )
    max: Maxima = Field(default=Maxima(), description="What one NestedDocker may have at most; empty: no limit.")
    on_violation: ViolationAction = Field(
        default=ViolationAction.STOP,
        description="What becomes of a daemon that this policy has granted when no policy grants it any longer: "
        "`Stop` ends it, `Report` lets its present pod go on and says so in its conditions.",
    )


class NestedDockerPolicy(KubeModel):
    """What an admin allows; without a policy nobody gets a daemon."""

    spec: NestedDockerPolicySpec = Field(description="The grant.")
