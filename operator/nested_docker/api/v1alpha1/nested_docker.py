"""NestedDocker: a request for a Docker daemon, and its status."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from nested_docker.api.meta import (
    GROUP,
    Annotations,
    Condition,
    DnsSubdomain,
    KubeModel,
    Labels,
    LabelSelector,
    LocalObjectReference,
    Mode,
    ResourceRequirements,
    Status,
    schema,
)
from nested_docker.api.metadata import require_toleration
from nested_docker.api.nesting import FreeObject
from nested_docker.api.tenancy import Permission, Plain, TenantUse, governed_by, harmless
from nested_docker.api.v1alpha1.engine import EngineSpec, StorageSpec
from nested_docker.api.v1alpha1.workload import WorkloadSpec

NAME_PATTERN = "^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$"

USE_CLASS = Permission("use", "nesteddockerclasses", GROUP)
USES_CLASS = TenantUse(permission=USE_CLASS, named=True, has_default=True, governed_by=("allowedClasses",))
RUNS_CODE = TenantUse(tenant_owned=True, permission=Permission("create", "pods"), governed_by=("workload.allowed",))
WRITES_SECRETS = TenantUse(permission=Permission("create", "secrets"))
READS_REGISTRY_CREDENTIALS = TenantUse(
    permission=Permission("get", "secrets"),
    named=True,
    used_with=("spec.connection.secretTemplate", "spec.workload"),
)
"""A workload has them, and labels and annotations of the copy can lead others to it."""
LABELS_POD = TenantUse(tenant_owned=True, governed_by=("scheduling.podLabels",))
"""Labels of the pod: Services, NetworkPolicies and other selectors include it by them."""
ANNOTATES_POD = TenantUse(tenant_owned=True, governed_by=("scheduling.podAnnotations",))
"""Annotations of the pod, which controllers and runtimes obey."""
SELECTS_PODS = governed_by("scheduling.affinity", "scheduling.affinityNamespaces")
SELECTS_CLIENTS = governed_by("connection.clientNamespaces")
NARROWS_CLIENTS = harmless("it only narrows the choice of clients")
NARROWS_NODES = harmless("it only narrows the choice of nodes")
ENDS_EARLIER = harmless("it only ends what the tenant has")


USER_LABELS = schema(
    rules=(
        (
            "!self.exists(key, key.startsWith('nesteddocker.dev/') || key.startsWith('app.kubernetes.io/'))",
            "the label prefixes nesteddocker.dev/ and app.kubernetes.io/ are reserved for the operator: "
            "choose another prefix",
        ),
    )
)
USER_ANNOTATIONS = schema(
    rules=(
        (
            "!self.exists(key, key.startsWith('nesteddocker.dev/'))",
            "the annotation prefix nesteddocker.dev/ is reserved for the operator: choose another prefix",
        ),
    )
)


class SecretTemplate(KubeModel):
    """Labels and annotations to add to the connection Secrets."""

    labels: Plain[Labels] = Field(default={}, description="Labels to add.", json_schema_extra=USER_LABELS)
    annotations: Plain[Annotations] = Field(
        default={}, description="Annotations to add.", json_schema_extra=USER_ANNOTATIONS
    )


class ClientPeer(KubeModel):
    """Pods that may connect, as in a NetworkPolicy."""

    pod_selector: Annotated[LabelSelector | None, NARROWS_CLIENTS] = Field(
        default=None, description="Pods by label; empty: all."
    )
    namespace_selector: Annotated[LabelSelector | None, SELECTS_CLIENTS] = Field(
        default=None, description="Namespaces by label; absent: the NestedDocker's own."
    )


class ConnectionSpec(KubeModel):
    """How clients find and reach the daemon, and what they need to work with it."""

    secret_template: Annotated[SecretTemplate, WRITES_SECRETS] = Field(
        default=SecretTemplate(), description="Metadata of the connection Secrets."
    )
    clients: Plain[Annotated[list[ClientPeer], Field(max_length=32)]] = Field(
        default=[], description="Who may connect; empty: every pod of the NestedDocker's namespace."
    )
    registry_credentials: Annotated[LocalObjectReference | None, READS_REGISTRY_CREDENTIALS] = Field(
        default=None,
        description="Secret of type `kubernetes.io/dockerconfigjson` for clients: its credentials are "
        "`DOCKER_AUTH_CONFIG` in the env Secret and in a workload's environment. A change reaches the Secret within "
        "minutes, and running containers not at all.",
    )


ANY_SHAPE: dict[str, Any] = {"x-kubernetes-preserve-unknown-fields": True}


class AffinitySpec(KubeModel):
    """Affinity, as in a pod."""

    node_affinity: Annotated[FreeObject | None, governed_by("scheduling.affinity")] = Field(
        default=None, description="Nodes that the pod needs or prefers.", json_schema_extra=ANY_SHAPE
    )
    pod_affinity: Annotated[FreeObject | None, SELECTS_PODS] = Field(
        default=None, description="Pods that the pod needs or prefers to be near to.", json_schema_extra=ANY_SHAPE
    )
    pod_anti_affinity: Annotated[FreeObject | None, SELECTS_PODS] = Field(
        default=None, description="Pods that the pod keeps or prefers to be away from.", json_schema_extra=ANY_SHAPE
    )

    @property
    def kinds(self) -> dict[str, dict[str, Any]]:
        """The kinds that are set, by their names in a pod."""
        fields = {info.alias or name: getattr(self, name) for name, info in type(self).model_fields.items()}
        return {kind: value for kind, value in fields.items() if value is not None}


class SchedulingSpec(KubeModel):
    """Where the daemon's pod may run, and its labels and annotations."""

    node_selector: Annotated[Labels, NARROWS_NODES] = Field(default={}, description="Labels that the node must have.")
    affinity: Plain[AffinitySpec | None] = Field(default=None, description="Affinity, as in a pod.")
    tolerations: Annotated[
        list[Annotated[FreeObject, AfterValidator(require_toleration)]],
        Field(max_length=32),
        governed_by("scheduling.tolerationKeys"),
    ] = Field(
        default=[],
        description="Tolerations, as in a pod.",
        json_schema_extra={"items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    )
    priority_class_name: Annotated[DnsSubdomain | None, governed_by("scheduling.priorityClassNames")] = Field(
        default=None, description="PriorityClass of the pod."
    )
    pod_labels: Annotated[Labels, LABELS_POD] = Field(
        default={}, description="Labels to add to the pod.", json_schema_extra=USER_LABELS
    )
    pod_annotations: Annotated[Annotations, ANNOTATES_POD] = Field(
        default={}, description="Annotations to add to the pod.", json_schema_extra=USER_ANNOTATIONS
    )


def _immutable(field: str, remedy: str) -> tuple[str, str]:
    rule = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    return rule, f"{field} cannot be changed: {remedy}"


_REMEDY = "delete the NestedDocker and create it again"


class NestedDockerSpec(KubeModel):
    """The Docker daemon that you want."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                _immutable("className", _REMEDY),
                _immutable("mode", _REMEDY),
                _immutable("storage", _REMEDY),
            )
        )
    }

    class_name: Annotated[DnsSubdomain | None, USES_CLASS] = Field(
        default=None, description="NestedDockerClass to use; empty: the default class."
    )
    mode: Annotated[Mode | None, governed_by("allowedModes")] = Field(
        default=None,
        description="How the daemon runs; empty: the least privileged of the class's modes that policy allows and "
        "nodes can run, unless the class's `modeSelection` says otherwise.",
    )
    engine: Plain[EngineSpec] = Field(default=EngineSpec(), description="Settings of the Docker daemon.")
    resources: Plain[ResourceRequirements | None] = Field(
        default=None, description="Resources of the daemon's container, inner containers included."
    )
    storage: Plain[StorageSpec | None] = Field(
        default=None, description="Where the daemon keeps its data; empty: the class's, else an emptyDir."
    )
    workload: Annotated[WorkloadSpec | None, RUNS_CODE] = Field(
        default=None, description="Containers that run in the daemon's pod."
    )
    suspend: Annotated[bool, ENDS_EARLIER] = Field(
        default=False, description="Delete the pod and the connection Secrets; a `Claim` keeps its data."
    )
    active_deadline_seconds: Annotated[int | None, governed_by("max.lifetimeSeconds")] = Field(
        default=None,
        description="Seconds after creation at which the daemon is stopped for good.",
        ge=1,
        le=31_536_000,
    )
    idle_timeout_seconds: Annotated[int | None, ENDS_EARLIER] = Field(
        default=None,
        description="Seconds without a running container or an open client connection after which the daemon "
        "is stopped for good.",
        ge=10,
        le=31_536_000,
    )
    ttl_seconds_after_finished: Annotated[int | None, ENDS_EARLIER] = Field(
        default=None,
        description="Seconds after which a NestedDocker that has finished is deleted; empty: it stays.",
        ge=0,
        le=31_536_000,
    )
    connection: Plain[ConnectionSpec] = Field(
        default=ConnectionSpec(), description="How clients find and reach the daemon."
    )
    scheduling: Plain[SchedulingSpec] = Field(default=SchedulingSpec(), description="Where the pod may run.")


class BindingReference(KubeModel):
    """The Secret of a Service Binding provisioned service."""

    name: str = Field(description="Name of the Secret.", max_length=253)


class ImageStore(StrEnum):
    """What keeps the images in a data-root: dockerd sees only those of the one that it uses."""

    CONTAINERD = "Containerd"
    GRAPH_DRIVER = "GraphDriver"


class EngineStatus(KubeModel):
    """The daemon, as it described itself after its latest start."""

    version: str = Field(default="", description="Version of dockerd.", max_length=64)
    api_version: str = Field(default="", description="Newest Docker API version that it serves.", max_length=16)
    image_store: ImageStore | None = Field(
        default=None,
        description="What keeps the images: `Containerd`, the default of Docker 29 on an empty data-root, or "
        "`GraphDriver`, that of older ones; absent: dockerd does not say.",
    )
    storage_driver: str = Field(
        default="",
        description="Storage driver that dockerd chose; in the image store `Containerd`, its snapshotter.",
        max_length=64,
    )
    backing_filesystem: str = Field(
        default="", description="Filesystem under the data-root, if dockerd knows it.", max_length=64
    )
    cgroup_version: str = Field(default="", description="cgroup version that dockerd sees.", max_length=8)
    security_options: Annotated[list[Annotated[str, StringConstraints(max_length=256)]], Field(max_length=16)] = Field(
        default=[], description="Security features in force for inner containers."
    )

    @property
    def storage(self) -> str:
        """What keeps the layers, in Docker's words, such as "snapshotter overlayfs"."""
        kind = "snapshotter" if self.image_store is ImageStore.CONTAINERD else "storage driver"
        return f"{kind} {self.storage_driver}"


class Isolation(StrEnum):
    """What isolates the daemon's users from the node."""

    NONE = "None"
    SHARED_DAEMON = "SharedDaemon"
    USER_NAMESPACE = "UserNamespace"


class Hazard(KubeModel):
    """A risk or cost of the mode in this cluster."""

    type: str = Field(description="CamelCase word for the hazard.", max_length=64)
    message: str = Field(description="What it costs.", max_length=1024)
    remedy: str = Field(description="What to do about it.", max_length=1024)


class ModeNotChosen(KubeModel):
    """A mode of the class that the NestedDocker could have had instead, and why it has not."""

    mode: Mode = Field(description="The mode.")
    reason: str = Field(description="CamelCase word for why not; most are reasons of `Accepted`.", max_length=64)
    message: str = Field(description="Why not, and what to do about it.", max_length=1024)


class ContainerResult(KubeModel):
    """How a container of a one-shot workload ended."""

    name: str = Field(description="Name of the container.", max_length=63)
    exit_code: int = Field(description="Exit code of its process.")


class AdmittedPod(KubeModel):
    """The pod as the API server stored it at creation, after every admission plugin."""

    uid: str = Field(description="UID of the pod.", max_length=64)
    images: dict[str, Annotated[str, StringConstraints(max_length=512)]] = Field(
        default={},
        description="Image of each container that the operator created; another one later is drift.",
        json_schema_extra=schema(maxProperties=64),
    )
    annotations: dict[str, Annotated[str, StringConstraints(max_length=4096)]] = Field(
        default={},
        description="The operator's annotations that an admission plugin changed, as the operator wrote them.",
        json_schema_extra=schema(maxProperties=8),
    )
    served: bool = Field(
        default=False,
        description="Whether clients could connect to it once; then a write that is rejected does not end it.",
    )


class Replacement(KubeModel):
    """The latest replacement of the pod, made or planned."""

    cause: str = Field(description="CamelCase word for why the pod is replaced.", max_length=64)
    pod_name: str = Field(
        default="", description="The pod that will be replaced; empty: it has been replaced.", max_length=253
    )
    time: str = Field(
        description="When the operator replaced the pod, or will do so.", json_schema_extra=schema(format="date-time")
    )
    previous_time: str | None = Field(
        default=None,
        description="When it made the replacement before that one.",
        json_schema_extra=schema(format="date-time"),
    )
    count: int = Field(default=1, description="Replacements in a row; each waits twice as long as the last.", ge=1)
    same_cause: int = Field(
        default=1, description="Those at the end of the row that have this cause; the third one is Stalled.", ge=1
    )
    inputs: str = Field(
        default="",
        description="Digest of the spec, class, policy and those annotations that ask for another pod; a change ends "
        "the row.",
        max_length=64,
    )


class LostPod(KubeModel):
    """A pod that ended or was deleted although the NestedDocker still needed it."""

    name: str = Field(description="Name of the pod.", max_length=253)
    node_name: str = Field(default="", description="Node that it ran on.", max_length=253)
    reason: str = Field(
        description="CamelCase word for why: the reason in the pod's status or in its condition `DisruptionTarget`; "
        "`Deleted` if somebody deleted it, and `NodeGone` if its node was removed.",
        max_length=64,
    )
    message: str = Field(description="Why, in the words of the kubelet or of who evicted it.", max_length=1024)
    time: str = Field(description="When the operator saw it.", json_schema_extra=schema(format="date-time"))


class Denial(KubeModel):
    """The latest denial of a daemon that runs, past or present."""

    since: str = Field(
        description="When the operator first saw it. After earlier denials, it is moved back by the time that they "
        "lasted, unless the request was granted for ten minutes in between.",
        json_schema_extra=schema(format="date-time"),
    )
    until: str | None = Field(
        default=None,
        description="When the request was granted again; empty: it is denied.",
        json_schema_extra=schema(format="date-time"),
    )


class NestedDockerStatus(KubeModel):
    """The observed state of the NestedDocker."""

    observed_generation: int = Field(
        default=0, description="Generation of the spec that this status is based on.", ge=0
    )
    observed_restart: str = Field(
        default="",
        description="Value of the annotation `nesteddocker.dev/restart` that this status is based on, at most 128 "
        "characters of it.",
        max_length=129,
    )
    conditions: Annotated[list[Condition], Field(max_length=16)] = Field(
        default=[],
        description="Aspects of the state; `Ready` summarizes them.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    binding: BindingReference | None = Field(default=None, description="Secret of the connection, for Service Binding.")
    endpoint: str = Field(default="", description="Address for `DOCKER_HOST`.", max_length=512)
    class_name: str = Field(default="", description="Class, chosen at acceptance.", max_length=253)
    mode: Mode | None = Field(default=None, description="Mode, chosen at acceptance.")
    modes_not_chosen: Annotated[list[ModeNotChosen], Field(max_length=len(Mode))] = Field(
        default=[],
        description="Modes of the class with less privilege, or with the class's preference, that were not possible "
        "when the mode was chosen. It stays as it was then. Empty: there were none, or `spec.mode` names the mode.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["mode"]},
    )
    policy_name: str = Field(default="", description="NestedDockerPolicy that grants the request.", max_length=253)
    pod_namespace: str = Field(
        default="", description="Namespace of pod and Service, where it is not the NestedDocker's own.", max_length=63
    )
    pod_name: str = Field(default="", description="Pod of the daemon.", max_length=253)
    node_name: str = Field(default="", description="Node that the pod runs on.", max_length=253)
    admitted_pod: AdmittedPod | None = Field(default=None, description="The pod as the API server stored it.")
    replacement: Replacement | None = Field(
        default=None, description="The latest replacement of the pod; empty: none since creation."
    )
    lost_pod: LostPod | None = Field(
        default=None, description="The pod that was lost last; stays when another one serves."
    )
    denial: Denial | None = Field(
        default=None,
        description="The latest denial of the running daemon; its grace time begins at `since`. Empty: none lately.",
    )
    engine: EngineStatus | None = Field(default=None, description="The daemon, as it described itself.")
    isolation: Isolation | None = Field(default=None, description="What isolates the daemon's users from the node.")
    hazards: Annotated[list[Hazard], Field(max_length=16)] = Field(
        default=[],
        description="Risks and costs of the mode in this cluster.",
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
        default=None, description="When the NestedDocker finished.", json_schema_extra=schema(format="date-time")
    )
    certificate_expiration_time: str | None = Field(
        default=None,
        description="When the client's certificate expires. The operator renews it 30 days before, while the pod runs.",
        json_schema_extra=schema(format="date-time"),
    )

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type, if it was ever set."""
        return next((condition for condition in self.conditions if condition.type == type_), None)

    def holds(self, type_: str) -> bool:
        """Whether the condition of that type was true when it was last observed."""
        condition = self.condition(type_)
        return condition is not None and condition.status == Status.TRUE


class NestedDocker(KubeModel):
    """A Docker daemon for one tenant, on request and within policy."""

    spec: NestedDockerSpec = Field(default=NestedDockerSpec(), description="The Docker daemon that you want.")
    status: NestedDockerStatus = Field(default=NestedDockerStatus(), description="The observed state.")
