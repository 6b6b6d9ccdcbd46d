"""NestedDocker: a request for a Docker daemon, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from nested_docker.api.meta import (
    AbsolutePath,
    Annotations,
    Condition,
    DnsLabel,
    DnsSubdomain,
    ImageReference,
    KubeModel,
    Labels,
    LabelSelector,
    Mode,
    ResourceRequirements,
    Status,
    schema,
)
from nested_docker.api.nesting import FreeObject
from nested_docker.api.v1alpha1.engine import EngineSpec, StorageSpec

NAME_PATTERN = "^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$"
WORKSPACE = "/workspace"
"""The directory that a workload shares with its daemon, at the same path in both."""


class RestartPolicy(StrEnum):
    """Whether a workload is a service or a one-shot build."""

    ALWAYS = "Always"
    NEVER = "Never"


class EnvVar(KubeModel):
    """An environment variable with a literal value."""

    name: Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$", max_length=253)] = Field(
        description="Name of the variable."
    )
    value: Annotated[str, StringConstraints(max_length=32768)] = Field(default="", description="Its value.")


class WorkloadContainer(KubeModel):
    """A container beside the daemon, in the same pod; it finds the daemon in `DOCKER_HOST`."""

    name: DnsLabel = Field(description="Name of the container.")
    image: ImageReference = Field(description="Image of the container.")
    command: Annotated[list[Annotated[str, StringConstraints(max_length=65536)]], Field(max_length=256)] = Field(
        default=[], description="Entrypoint; empty: the image's."
    )
    args: Annotated[list[Annotated[str, StringConstraints(max_length=65536)]], Field(max_length=256)] = Field(
        default=[], description="Arguments of the entrypoint."
    )
    env: Annotated[list[EnvVar], Field(max_length=256)] = Field(
        default=[], description="Environment, literal values only."
    )
    working_dir: AbsolutePath | None = Field(default=None, description=f"Directory to start in; empty: `{WORKSPACE}`.")
    resources: ResourceRequirements = Field(
        default=ResourceRequirements(), description="CPU, memory and other resources of the container."
    )


class WorkloadSpec(KubeModel):
    """Containers that run beside the daemon and share its pod."""

    containers: Annotated[list[WorkloadContainer], Field(min_length=1, max_length=8)] = Field(
        description=f"The containers. Each has `{WORKSPACE}`, which the daemon has at the same path.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    restart_policy: RestartPolicy = Field(
        default=RestartPolicy.ALWAYS,
        description="`Never`: a one-shot build that ends as Complete or Failed once its containers have ended.",
    )


OWN_LABELS = schema(
    rules=(
        (
            "!self.exists(key, key.startsWith('nesteddocker.dev/') || key.startsWith('app.kubernetes.io/'))",
            "labels of nesteddocker.dev/ and app.kubernetes.io/ are the operator's own: choose another prefix",
        ),
    )
)
OWN_ANNOTATIONS = schema(
    rules=(
        (
            "!self.exists(key, key.startsWith('nesteddocker.dev/'))",
            "annotations of nesteddocker.dev/ are the operator's own: choose another prefix",
        ),
    )
)


class SecretTemplate(KubeModel):
    """Metadata that the connection Secrets carry besides the operator's own."""

    labels: Labels = Field(default={}, description="Labels to add.", json_schema_extra=OWN_LABELS)
    annotations: Annotations = Field(default={}, description="Annotations to add.", json_schema_extra=OWN_ANNOTATIONS)


class ClientPeer(KubeModel):
    """Pods that may connect, as in a NetworkPolicy."""

    pod_selector: LabelSelector | None = Field(default=None, description="Pods by label; empty: all.")
    namespace_selector: LabelSelector | None = Field(
        default=None, description="Namespaces by label; absent: the NestedDocker's own."
    )


class ConnectionSpec(KubeModel):
    """How clients find and reach the daemon."""

    secret_template: SecretTemplate = Field(default=SecretTemplate(), description="Metadata of the connection Secrets.")
    clients: Annotated[list[ClientPeer], Field(max_length=32)] = Field(
        default=[], description="Who may connect; empty: every pod of the NestedDocker's namespace."
    )


class SchedulingSpec(KubeModel):
    """Where the daemon's pod may run, and what else it carries."""

    node_selector: Labels = Field(default={}, description="Labels that the node must have.")
    affinity: FreeObject | None = Field(
        default=None,
        description="Affinity, as in a pod.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    tolerations: Annotated[list[FreeObject], Field(max_length=32)] = Field(
        default=[],
        description="Tolerations, as in a pod.",
        json_schema_extra={"items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    )
    priority_class_name: DnsSubdomain | None = Field(default=None, description="PriorityClass of the pod.")
    pod_labels: Labels = Field(default={}, description="Labels to add to the pod.", json_schema_extra=OWN_LABELS)
    pod_annotations: Annotations = Field(
        default={}, description="Annotations to add to the pod.", json_schema_extra=OWN_ANNOTATIONS
    )


def _immutable(field: str, remedy: str) -> tuple[str, str]:
    rule = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    return rule, f"{field} cannot be changed: {remedy}"


_REMEDY = "delete the NestedDocker and create it anew"


class NestedDockerSpec(KubeModel):
    """What kind of Docker daemon is wanted."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                _immutable("className", _REMEDY),
                _immutable("mode", _REMEDY),
                _immutable("storage", _REMEDY),
            )
        )
    }

    class_name: DnsSubdomain | None = Field(
        default=None, description="NestedDockerClass to use; empty: the default class."
    )
    mode: Mode | None = Field(
        default=None,
        description="How the daemon is run; empty: the first of the class's modes that policy allows "
        "and the cluster can do.",
    )
    engine: EngineSpec = Field(default=EngineSpec(), description="Settings of the Docker daemon.")
    resources: ResourceRequirements | None = Field(
        default=None, description="Resources of the daemon's container, inner containers included."
    )
    storage: StorageSpec | None = Field(
        default=None, description="Where the daemon keeps its data; empty: the class's, else an emptyDir."
    )
    workload: WorkloadSpec | None = Field(default=None, description="Containers that run beside the daemon.")
    suspend: bool = Field(
        default=False, description="Take the pod and the connection Secrets away; a `Claim` keeps its data."
    )
    active_deadline_seconds: int | None = Field(
        default=None,
        description="Seconds after creation at which the daemon is stopped for good.",
        ge=1,
        le=31_536_000,
    )
    idle_timeout_seconds: int | None = Field(
        default=None,
        description="Seconds without a running container or an open client connection after which the daemon "
        "is stopped for good.",
        ge=10,
        le=31_536_000,
    )
    ttl_seconds_after_finished: int | None = Field(
        default=None,
        description="Seconds after which a NestedDocker that has finished is deleted; empty: it stays.",
        ge=0,
        le=31_536_000,
    )
    connection: ConnectionSpec = Field(default=ConnectionSpec(), description="How clients find and reach the daemon.")
    scheduling: SchedulingSpec = Field(default=SchedulingSpec(), description="Where the pod may run.")


class BindingReference(KubeModel):
    """The Secret of a Service Binding provisioned service."""

    name: str = Field(description="Name of the Secret.", max_length=253)


class EngineStatus(KubeModel):
    """The daemon as it told of itself at first contact."""

    version: str = Field(default="", description="Version of dockerd.", max_length=64)
    api_version: str = Field(default="", description="Newest Docker API version that it serves.", max_length=16)
    storage_driver: str = Field(default="", description="Storage driver that dockerd chose.", max_length=64)
    backing_filesystem: str = Field(
        default="", description="Filesystem beneath the data-root, where dockerd knows it.", max_length=64
    )
    cgroup_version: str = Field(default="", description="cgroup version that dockerd sees.", max_length=8)
    security_options: Annotated[list[Annotated[str, StringConstraints(max_length=256)]], Field(max_length=16)] = Field(
        default=[], description="Security features in force for inner containers."
    )


class Isolation(StrEnum):
    """What separates the daemon's users from the node."""

    NONE = "None"
    SHARED_DAEMON = "SharedDaemon"
    USER_NAMESPACE = "UserNamespace"


class Hazard(KubeModel):
    """A price of the mode, here and now."""

    type: str = Field(description="One CamelCase word for the hazard.", max_length=64)
    message: str = Field(description="What it costs.", max_length=1024)
    remedy: str = Field(description="What to do about it.", max_length=1024)


class ContainerResult(KubeModel):
    """How a container of a one-shot workload ended."""

    name: str = Field(description="Name of the container.", max_length=63)
    exit_code: int = Field(description="Exit code of its process.")


class NestedDockerStatus(KubeModel):
    """What became of the request."""

    observed_generation: int = Field(default=0, description="Generation of the spec that this speaks of.", ge=0)
    conditions: Annotated[list[Condition], Field(max_length=16)] = Field(
        default=[],
        description="Aspects of the state; `Ready` sums them up.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    binding: BindingReference | None = Field(default=None, description="Secret of the connection, for Service Binding.")
    endpoint: str = Field(default="", description="Address for `DOCKER_HOST`.", max_length=512)
    class_name: str = Field(default="", description="Class in force since acceptance.", max_length=253)
    mode: Mode | None = Field(default=None, description="Mode in force since acceptance.")
    policy_name: str = Field(default="", description="NestedDockerPolicy that grants it.", max_length=253)
    pod_namespace: str = Field(
        default="", description="Namespace of pod and Service, where it is not the NestedDocker's own.", max_length=63
    )
    pod_name: str = Field(default="", description="Pod that holds the daemon.", max_length=253)
    node_name: str = Field(default="", description="Node that the pod runs on.", max_length=253)
    engine: EngineStatus | None = Field(default=None, description="The daemon, as it told of itself.")
    isolation: Isolation | None = Field(default=None, description="What separates the daemon's users from the node.")
    hazards: Annotated[list[Hazard], Field(max_length=16)] = Field(
        default=[],
        description="Prices of the mode, here and now.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    results: Annotated[list[ContainerResult], Field(max_length=8)] = Field(
        default=[],
        description="How the containers of a one-shot workload ended.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    expiration_time: str | None = Field(
        default=None,
        description="When the daemon is stopped at the latest.",
        json_schema_extra=schema(format="date-time"),
    )
    completion_time: str | None = Field(
        default=None, description="When it finished.", json_schema_extra=schema(format="date-time")
    )
    certificate_expiration_time: str | None = Field(
        default=None,
        description="When the connection's certificates end.",
        json_schema_extra=schema(format="date-time"),
    )

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type, if it was ever set."""
        return next((condition for condition in self.conditions if condition.type == type_), None)

    def holds(self, type_: str) -> bool:
        """Whether the condition of that type was last found true."""
        condition = self.condition(type_)
        return condition is not None and condition.status == Status.TRUE


class NestedDocker(KubeModel):
    """A Docker daemon of one's own, on request and within policy."""

    spec: NestedDockerSpec = Field(default=NestedDockerSpec(), description="What is wanted.")
    status: NestedDockerStatus = Field(default=NestedDockerStatus(), description="What became of it.")
