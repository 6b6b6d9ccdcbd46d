"""NestedDockerNode: what the operator has found out about a Node that no other API tells."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from nested_docker.api.meta import Condition, KubeModel, schema

PROBED = "Probed"
"""Type of the condition that says whether the latest probe of the node succeeded, and why not."""


class CgroupVersion(StrEnum):
    """Which cgroups a node has."""

    V1 = "v1"
    """Version 1, or both versions beside each other."""
    V2 = "v2"


class SecurityModule(StrEnum):
    """A security module of the kernel that confines containers."""

    APP_ARMOR = "AppArmor"
    SE_LINUX = "SELinux"


class UnprivilegedUserNamespaces(StrEnum):
    """Whether processes without privilege get user namespaces with capabilities."""

    ALLOWED = "Allowed"
    RESTRICTED = "Restricted"
    """AppArmor denies them, as Ubuntu does from 24.04 on."""


class ProbedFacts(KubeModel):
    """What a probe has seen on a node; what is missing is not known."""

    boot_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{1,64}$")] = Field(
        description="Boot in which the probe ran, as in `status.nodeInfo.bootID` of the Node. After another boot "
        "nothing here counts."
    )
    cgroup: CgroupVersion | None = Field(default=None, description="Version of the node's cgroups.")
    security_modules: Annotated[list[SecurityModule], Field(max_length=len(SecurityModule))] | None = Field(
        default=None, description="Security modules that the node's kernel has enabled."
    )
    max_user_namespaces: int | None = Field(
        default=None,
        description="The sysctl `user.max_user_namespaces`; 0: the kernel makes none.",
        ge=0,
        le=2**31 - 1,
    )
    unprivileged_user_namespaces: UnprivilegedUserNamespaces | None = Field(
        default=None, description="Whether processes without privilege get user namespaces with capabilities."
    )
    filesystem: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,32}$")] | None = Field(
        default=None, description="Type of the filesystem of `emptyDir` volumes, such as `ext4` or `xfs`."
    )


class NestedDockerNodeStatus(KubeModel):
    """What is known of the node."""

    observed_generation: int = Field(default=0, description="Generation that this status is based on.", ge=0)
    conditions: Annotated[list[Condition], Field(max_length=4)] = Field(
        default=[],
        description="`Probed`: whether the latest probe succeeded, and if not, why.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    facts: ProbedFacts | None = Field(
        default=None, description="What the latest probe that succeeded has seen in this boot; empty: none did."
    )
    kubelet_version: str = Field(default="", description="The kubelet's version when it ran.", max_length=129)
    container_runtime_version: str = Field(
        default="", description="The container runtime's version when it ran.", max_length=129
    )
    probe_time: str | None = Field(
        default=None, description="When it ended.", json_schema_extra=schema(format="date-time")
    )
    failures: int = Field(
        default=0, description="Probes in a row that have failed; each doubles the time until the next.", ge=0, le=1000
    )


class NestedDockerNode(KubeModel):
    """Facts about a Node that decide which modes can run there. The operator writes it, and it goes with its Node."""

    status: NestedDockerNodeStatus = Field(default=NestedDockerNodeStatus(), description="What is known of the node.")
