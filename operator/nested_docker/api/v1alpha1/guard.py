"""The guard's rules: what it lets through. What is not said is refused: an empty document allows next to nothing."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from nested_docker.api.meta import AbsolutePath, Enforcement, ImagePattern, KubeModel, Quantity

POD_UID = "{podUID}"
"""In `limits.cgroupParent`: the guarded pod's UID."""

Patterns = Annotated[list[ImagePattern], Field(max_length=64)]


class Publish(StrEnum):
    """Which ports of the node containers may be published on."""

    NOTHING = "Nothing"
    EPHEMERAL = "Ephemeral"


class Sharing(StrEnum):
    """Whose images are there to be seen and used."""

    OWNED = "Owned"
    SHARED = "Shared"


class BindRule(KubeModel):
    """A directory or file of the node that containers may have."""

    path: AbsolutePath = Field(
        description="Path on the node, to be given exactly so: below a path that containers may write to they "
        "could lay links to anywhere."
    )
    read_only: bool = Field(default=True, description="Whether it may be mounted read-only at most.")


class ContainerRules(KubeModel):
    """What containers may have and what may be done with them."""

    exec: bool = Field(default=True, description="Whether programs may be run in one's own containers.")
    attach: bool = Field(default=True, description="Whether one's own containers may be attached to.")
    copy_files: bool = Field(
        default=True, description="Whether files may be copied from and to one's own containers, and these exported."
    )
    commit: bool = Field(default=False, description="Whether images may be made from one's own containers.")
    binds: Annotated[list[BindRule], Field(max_length=32)] = Field(
        default=[], description="What of the node's files may be bound."
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
        default=[], description="Runtimes that may be asked for instead of the node's default one."
    )
    publish: Publish = Field(
        default=Publish.NOTHING,
        description="`Ephemeral`: ports may be published on the node's addresses, at numbers of the daemon's choice.",
    )


class NetworkRules(KubeModel):
    """Which networks containers may be in."""

    bridge: bool = Field(
        default=False,
        description="Whether containers may be in the default network, where they reach each other whoever owns them.",
    )
    create: bool = Field(default=False, description="Whether bridge networks of one's own may be made.")
    subnets: Annotated[list[Annotated[str, StringConstraints(max_length=43)]], Field(max_length=16)] = Field(
        default=[], description="Ranges, such as `10.200.0.0/16`, that one's own networks may take their subnets from."
    )


class ImageRules(KubeModel):
    """Which images may be seen, used, and brought to the node."""

    sharing: Sharing = Field(
        default=Sharing.OWNED,
        description="`Owned`: one's own images and those that `use` and `pull` name; `Shared`: all that the node has.",
    )
    use: Patterns = Field(default=[], description="Images that may be used without being one's own.")
    pull: Patterns = Field(default=[], description="Images that may be pulled, and used.")
    push: Patterns = Field(default=[], description="Names under which images may be pushed.")
    tags: Patterns = Field(
        default=[],
        description="Names that builds, commits and tags may give, unless somebody else's image has them. Images are "
        "the node's: a name that others pull by must not be among them.",
    )
    save: bool = Field(default=False, description="Whether images may be exported.")
    load: bool = Field(
        default=False,
        description="Whether archives may be loaded. They bring names of their own and may take others' names away.",
    )


class BuildRules(KubeModel):
    """Whether and how images are built."""

    allowed: bool = Field(
        default=False,
        description="Whether the classic builder may be used. Its FROM takes any image that the node has and pulls "
        "from any registry, and its ADD fetches from any address that the node reaches.",
    )


class Resources(KubeModel):
    """Maxima of what containers use."""

    cpu: Quantity | None = Field(default=None, description="Processors.")
    memory: Quantity | None = Field(default=None, description="Bytes.")
    pids: int | None = Field(default=None, ge=1, description="Processes and threads.")


class LimitRules(KubeModel):
    """How many objects there may be, and what they may use."""

    containers: int = Field(default=20, ge=0, description="Containers at a time, stopped ones included.")
    networks: int = Field(default=5, ge=0, description="Networks at a time.")
    volumes: int = Field(default=20, ge=0, description="Named volumes at a time.")
    per_container: Resources = Field(
        default=Resources(), description="Maxima of each container, which are also what one gets that names none."
    )
    total: Resources = Field(
        default=Resources(), description="Maxima of all containers' limits together; each must then have a limit."
    )
    upload: Quantity | None = Field(
        default=None, description="Bytes of an archive that is sent to the daemon, such as the context of a build."
    )
    cgroup_parent: str = Field(
        default="",
        max_length=255,
        description="Cgroup that every container is put into, such as `/kubepods/burstable/pod{podUID}`, or "
        "`kubepods-burstable-pod{podUID}.slice` where the daemon's cgroup driver is systemd; `{podUID}` stands for "
        "the guarded pod's UID, so that containers are within its limits and end with it. Empty: the daemon's choice.",
    )


class GuardRules(KubeModel):
    """All that the guard goes by."""

    enforcement: Enforcement = Field(
        default=Enforcement.ENFORCE,
        description="`Warn` and `Audit` pass on what rules forbid and tell of it, `Warn` the client too. Ownership, "
        "malformed requests and tunnels are refused all the same.",
    )
    containers: ContainerRules = Field(default=ContainerRules(), description="Containers.")
    networks: NetworkRules = Field(default=NetworkRules(), description="Networks.")
    images: ImageRules = Field(default=ImageRules(), description="Images.")
    build: BuildRules = Field(default=BuildRules(), description="Builds.")
    limits: LimitRules = Field(default=LimitRules(), description="Maxima.")
