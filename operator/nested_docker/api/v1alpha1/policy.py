"""NestedDockerPolicy: which daemons an admin allows where."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nested_docker.api.meta import DnsSubdomain, KubeModel, LabelSelector, Mode


class HostSocketPolicy(KubeModel):
    """Terms for mode `HostSocket`."""

    allow_raw: bool = Field(
        default=False,
        description="Whether the node's socket may be handed out without the guard. "
        "Whoever has it can start anything as root on the node.",
    )


class NestedDockerPolicySpec(KubeModel):
    """A grant: a request is accepted if and only if one single policy grants all of it."""

    namespace_selector: LabelSelector = Field(description="Namespaces that the grant is for; an empty selector: all.")
    allowed_classes: Annotated[list[DnsSubdomain], Field(min_length=1, max_length=64)] = Field(
        description="Classes that may be used.", json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    allowed_modes: Annotated[list[Mode], Field(min_length=1, max_length=3)] = Field(
        description="Modes that may be used.", json_schema_extra={"x-kubernetes-list-type": "set"}
    )
    host_socket: HostSocketPolicy = Field(default=HostSocketPolicy(), description="Terms for mode `HostSocket`.")


class NestedDockerPolicy(KubeModel):
    """What an admin allows; without a policy nobody gets a daemon."""

    spec: NestedDockerPolicySpec = Field(description="The grant.")
