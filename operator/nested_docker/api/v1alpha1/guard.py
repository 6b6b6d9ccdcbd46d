"""The guard's rules. What no rule allows is denied: an empty document allows next to nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from nested_docker.api.meta import (
    CPU_AND_MEMORY,
    AbsolutePath,
    CpuLimit,
    Enforcement,
    ImagePattern,
    KubeModel,
    MemoryLimit,
    Quantity,
    schema,
)

POD_UID = "{podUID}"
"""In `limits.cgroupParent`: the guarded pod's UID."""

Patterns = Annotated[list[ImagePattern], Field(max_length=64)]


class Publish(StrEnum):
    """Which ports of the node containers may be published on."""

    NOTHING = "Nothing"
    EPHEMERAL = "Ephemeral"


class Sharing(StrEnum):
    """Whose images clients can see and use."""

    OWNED = "Owned"
    SHARED = "Shared"


class BindRule(KubeModel):
    """A directory or file of the node that containers may mount."""

    path: AbsolutePath = Field(
        description="Path on the node, which a mount must have exactly: in a directory that containers may write to, "
        "they could create links to any other path."
    )
    read_only: bool = Field(default=True, description="Whether it may be mounted only read-only.")


class ContainerRules(KubeModel):
    """What containers may have and what clients may do with them."""

    exec: bool = Field(default=True, description="Whether clients may run programs in their containers.")
    attach: bool = Field(default=True, description="Whether clients may attach to their containers.")
    copy_files: bool = Field(
        default=True, description="Whether clients may copy files from and to their containers, and export these."
    )
    commit: bool = Field(default=False, description="Whether clients may create images from their containers.")
    binds: Annotated[list[BindRule], Field(max_length=32)] = Field(
        default=[], description="Files and directories of the node that may be mounted."
    )
    capabilities: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[A-Z_]+$", max_length=32)]], Field(max_length=64)
    ] = Field(default=[], description="Capabilities that may be added to Docker's default ones, without `CAP_`.")
    devices: Annotated[list[AbsolutePath], Field(max_length=32)] = Field(
        default=[], description="Devices of the node that containers may have, by their paths."
    )
    sysctls: Annotated[list[Annotated[str, StringConstraints(max_length=128)]], Field(max_length=32)] = Field(
        default=[], description="Kernel parameters of a container's own namespaces that may be set."
    )
    runtimes: Annotated[list[Annotated[str, StringConstraints(max_length=128)]], Field(max_length=8)] = Field(
        default=[], description="Runtimes that may be used instead of the node's default runtime."
    )
    publish: Publish = Field(
        default=Publish.NOTHING,
        description="`Ephemeral`: ports may be published on the node's addresses, with port numbers that the "
        "daemon chooses.",
    )


class NetworkRules(KubeModel):
    """Which networks containers may join."""

    bridge: bool = Field(
        default=False,
        description="Whether containers may join the default network, where they reach containers of all owners.",
    )
    create: bool = Field(default=False, description="Whether clients may create bridge networks.")
    subnets: Annotated[list[Annotated[str, StringConstraints(max_length=43)]], Field(max_length=16)] = Field(
        default=[], description="Ranges, such as `10.200.0.0/16`, that subnets of clients' networks may be in."
    )


class GuardImageRules(KubeModel):
    """Which images clients may see, use, and add to the node."""

    sharing: Sharing = Field(
        default=Sharing.OWNED,
        description="`Owned`: the client's own images and those that `use` and `pull` match; `Shared`: all images of "
        "the node.",
    )
    use: Patterns = Field(default=[], description="Images that clients may use although they do not own them.")
    pull: Patterns = Field(default=[], description="Images that may be pulled, and used.")
    push: Patterns = Field(default=[], description="Names under which images may be pushed.")
    tags: Patterns = Field(
        default=[],
        description="Names that builds, commits and tags may use, unless another owner's image has them. All users of "
        "the node share its images: do not allow names that others pull.",
    )
    save: bool = Field(default=False, description="Whether images may be exported.")
    load: bool = Field(
        default=False,
        description="Whether archives may be loaded. The names in an archive can replace those of other "
        "owners' images.",
    )


class BuildRules(KubeModel):
    """Whether and how images are built."""

    allowed: bool = Field(
        default=False,
        description="Whether the classic builder may be used. Its FROM uses any image of the node and pulls from any "
        "registry, and its ADD fetches from any address that the node reaches.",
    )


class Resources(KubeModel):
    """Maxima of containers' resources."""

    model_config = KubeModel.model_config | {"json_schema_extra": schema(rules=CPU_AND_MEMORY)}

    cpu: CpuLimit | None = Field(default=None, description="Processors; at least 10m.")
    memory: MemoryLimit | None = Field(default=None, description="Bytes; at least 6Mi.")
    pids: int | None = Field(default=None, ge=1, description="Processes and threads.")


class LimitRules(KubeModel):
    """How many objects a client may have, and how much they may use."""

    containers: int = Field(default=20, ge=0, description="Containers at a time, stopped ones included.")
    networks: int = Field(default=5, ge=0, description="Networks at a time.")
    volumes: int = Field(default=20, ge=0, description="Named volumes at a time.")
    per_container: Resources = Field(
        default=Resources(), description="Maxima of each container, and the limits of a container that sets none."
    )
    total: Resources = Field(
        default=Resources(),
        description="Maxima of the sum of all containers' limits; each container must then have a limit.",
    )
    upload: Quantity | None = Field(
        default=None, description="Maximum size in bytes of an archive that a client sends, such as a build context."
    )
    cgroup_parent: str = Field(
        default="",
        max_length=255,
        description="Parent cgroup of every container, such as `/kubepods/burstable/pod{podUID}`, or "
        "`kubepods-burstable-pod{podUID}.slice` where the daemon's cgroup driver is systemd; `{podUID}` is "
        "replaced by the UID of the guarded pod, whose "
        "limits then apply to the containers, which end with it. Empty: the daemon's default.",
    )


class GuardRules(KubeModel):
    """Rules of the guard."""

    enforcement: Enforcement = Field(
        default=Enforcement.ENFORCE,
        description="`Warn` and `Audit` forward requests that the rules forbid: `Warn` warns the client and writes the "
        "audit log, `Audit` only writes the audit log. Requests for other owners' objects, malformed requests and "
        "tunnels are always denied.",
    )
    containers: ContainerRules = Field(default=ContainerRules(), description="Containers.")
    networks: NetworkRules = Field(default=NetworkRules(), description="Networks.")
    images: GuardImageRules = Field(default=GuardImageRules(), description="Images.")
    build: BuildRules = Field(default=BuildRules(), description="Builds.")
    limits: LimitRules = Field(default=LimitRules(), description="Maxima.")
