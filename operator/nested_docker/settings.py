"""Settings of the operator: environment variables with the prefix `NESTED_DOCKER_`, read once."""

from __future__ import annotations

import os
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from nested_docker.api.meta import Enforcement, ResourceRequirements
from nested_docker.api.metadata import require_common_labels
from nested_docker.domain.effective import OperatorDefaults

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
RESOLV_CONF = Path("/etc/resolv.conf")


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    TEXT = "text"


def _own_namespace() -> str:
    default = OperatorDefaults.operator_namespace
    return NAMESPACE_FILE.read_text(encoding="utf-8") if NAMESPACE_FILE.exists() else default


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Settings(BaseSettings):
    """What an installation can set; the chart's `values.yaml` has the same names in camelCase."""

    model_config = SettingsConfigDict(env_prefix="NESTED_DOCKER_", frozen=True)

    engine_image: str = Field(
        default=OperatorDefaults.engine_image,
        description="Image of the daemon if neither the NestedDocker nor its class sets one.",
    )
    operator_image: str = Field(
        default=OperatorDefaults.operator_image, description="The operator's image, for relay and idle watch."
    )
    operator_namespace: str = Field(default_factory=_own_namespace, description="Namespace of the operator.")
    cleanup_namespace: str = Field(
        default=OperatorDefaults.cleanup_namespace,
        description="Namespace for pods that remove from nodes what clients have created there through the guard.",
    )
    image_pull_policy: str = Field(
        default=OperatorDefaults.image_pull_policy, description="Pull policy of the pods' containers."
    )
    common_labels: Annotated[dict[str, str], AfterValidator(require_common_labels)] = Field(
        default={}, description="Labels of everything that the operator creates, as JSON."
    )
    idle_watch_resources: ResourceRequirements = Field(
        default=OperatorDefaults.idle_watch_resources, description="Resources of the idle watch, as JSON."
    )
    cleanup_resources: ResourceRequirements = Field(
        default=OperatorDefaults.cleanup_resources,
        description="Resources of the pods that clean up nodes, as JSON.",
    )
    node_probe: bool = Field(
        default=False, description="Whether short pods find out what no API tells about each node."
    )
    cluster_domain: str = Field(default=OperatorDefaults.cluster_domain, description="DNS domain of the cluster.")
    namespaces: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(), description="Namespaces to serve, separated by commas; empty: the whole cluster."
    )
    workers: int = Field(default=8, ge=1, le=64, description="NestedDockers that are reconciled at the same time.")
    resync_seconds: float = Field(
        default=300, ge=10, description="Seconds between full comparisons with the API server's lists."
    )
    replace_seconds: float = Field(
        default=OperatorDefaults.replace_seconds,
        ge=1,
        description="Least seconds between two replacements of a NestedDocker's pod.",
    )
    denial_grace_seconds: float = Field(
        default=OperatorDefaults.denial_grace_seconds,
        ge=0,
        le=3600,
        description="Seconds between the denial of a running daemon and its end; 0: it is stopped at once.",
    )
    leader_election: bool = Field(default=True, description="Whether several replicas elect a leader.")
    root_key_secret: str = Field(
        default="nested-docker-operator-root-key",
        description="Secret in the operator's namespace with the key that all certificate authorities are derived "
        "from; the operator creates it if there is none.",
    )
    lease_name: str = Field(default="nested-docker-operator", description="Lease for the election.")
    lease_seconds: float = Field(
        default=15, ge=3, description="Seconds without renewal after which another replica becomes leader."
    )
    enforcement: Enforcement = Field(
        default=OperatorDefaults.enforcement,
        description="What happens to requests that no policy grants: Enforce, Warn or Audit; a namespace's label "
        "`nesteddocker.dev/enforcement` overrides it.",
    )
    webhook_port: int = Field(default=0, ge=0, le=65535, description="Port of the admission webhook; 0: none.")
    webhook_certificates: Path = Field(
        default=Path("/certs/webhook"), description="Directory with the webhook's tls.crt, tls.key and ca.crt."
    )
    injection: bool = Field(
        default=False,
        description="Whether pods with the label `nesteddocker.dev/inject` get daemons, in namespaces with the label "
        "`nesteddocker.dev/injection: enabled`; needs the webhook.",
    )
    health_port: int = Field(default=8080, ge=0, le=65535, description="Port of /healthz, /readyz and /metrics.")
    log_format: LogFormat = Field(default=LogFormat.JSON, description="How log lines look.")
    log_level: str = Field(default="INFO", description="Lowest severity that is logged.")

    @property
    def admission_webhook(self) -> bool:
        """Whether the webhook reviews requests."""
        return self.webhook_port != 0

    @property
    def cluster_addresses(self) -> tuple[str, ...]:
        """Addresses of the API server's Service and the name servers, as the operator's pod sees them."""
        lines = RESOLV_CONF.read_text(encoding="utf-8").splitlines() if RESOLV_CONF.exists() else []
        servers = (line.split()[1] for line in lines if line.startswith("nameserver ") and len(line.split()) > 1)
        service = os.environ.get("KUBERNETES_SERVICE_HOST", "")
        return (service, *servers) if service else ()

    def defaults(self) -> OperatorDefaults:
        """The part that the domain uses."""
        return OperatorDefaults(**{field.name: getattr(self, field.name) for field in fields(OperatorDefaults)})
