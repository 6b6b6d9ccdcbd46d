"""The Docker daemon's settings and where it keeps its data; shared by NestedDocker and its class."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Network, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from nested_docker.api.addresses import (
    IP_ADDRESS,
    NOT_A_REGISTRY,
    NOT_AN_ADDRESS,
    REGISTRY,
    require_ip_address,
    require_registry,
)
from nested_docker.api.amounts import MINIMUM_SIZE, SIZE_TOO_SMALL
from nested_docker.api.daemon_config import owned_keys, remedy, wrong_values
from nested_docker.api.meta import (
    DnsSubdomain,
    ImageReference,
    KeyReference,
    KubeModel,
    LocalObjectReference,
    Size,
    at_least,
    rule_of_pattern,
    schema,
)
from nested_docker.api.nesting import FreeObject
from nested_docker.api.tenancy import Permission, Plain, T, TenantUse, governed_by, harmless

READS_CONFIG_MAP = TenantUse(tenant_owned=True, permission=Permission("get", "configmaps"), named=True)
READS_SECRETS = TenantUse(
    tenant_owned=True,
    permission=Permission("get", "secrets"),
    named=True,
    used_with=("spec.engine.image", "spec.workload"),
)
"""Credentials of a registry: with another image they give access to another repository."""
CREATES_CLAIM = TenantUse(
    tenant_owned=True,
    permission=Permission("create", "persistentvolumeclaims"),
    in_use=lambda storage: storage.type == StorageType.CLAIM,
)

DaemonSetting = Annotated[T, harmless("only dockerd in the tenant's own pod reads it")]
StorageClassName = Annotated[T, governed_by("allowedStorageClasses")]
VolumeSize = Annotated[T, governed_by("max.storage")]

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/$.?#][^\s]*$", max_length=2048)]
MirrorUrl = Annotated[
    str,
    StringConstraints(
        pattern=r"^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?$",
        max_length=512,
    ),
]
RegistryHost = Annotated[
    str,
    StringConstraints(max_length=255),
    AfterValidator(require_registry),
    Field(json_schema_extra=schema(rules=((rule_of_pattern(REGISTRY), NOT_A_REGISTRY),))),
]
Cidr = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$", max_length=43)]
IpAddress = Annotated[
    str,
    StringConstraints(max_length=39),
    AfterValidator(require_ip_address),
    Field(json_schema_extra=schema(rules=((rule_of_pattern(IP_ADDRESS), NOT_AN_ADDRESS),))),
]


REGISTRY_NAME = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$"
REGISTRY_NAME_MESSAGE = (
    "a key of mirrors is a registry as image references name it: docker.io, or a host in small letters with or without "
    "a port, such as ghcr.io or registry.example.com:5000"
)


def require_registry_names(mirrors: dict[str, list[str]]) -> dict[str, list[str]]:
    """Mirrors whose keys are registries.

    Raises:
        ValueError: a key is not.
    """
    if not all(len(name) <= MAX_REGISTRY_NAME and re.fullmatch(REGISTRY_NAME, name) for name in mirrors):
        raise ValueError(REGISTRY_NAME_MESSAGE)
    return mirrors


MAX_REGISTRY_NAME = 255

Mirrors = Annotated[
    dict[str, Annotated[list[MirrorUrl], Field(min_length=1, max_length=8)]],
    Field(max_length=16),
    AfterValidator(require_registry_names),
]

LONGEST_PREFIX = 30
"""The longest prefix of an IPv4 network that has addresses for a gateway and a container."""

MOST_BITS = 16
"""Docker before 27 lists every network of a range at its start, and crashes or takes minutes for millions of them."""

POOL_TOO_SMALL = "size is the prefix length of each network in base, so it may not be less than that of base: raise it"
TOO_MANY = "a range may have at most 65536 networks: lower size, or choose a smaller base"
FIRST_IPV4 = "the first range of addressPools must be IPv4, since the default network needs one: move one to the front"
NO_ROOM = "an IPv4 network with a size above 30 has no address for a container: lower size"


class IptablesBackend(StrEnum):
    """Which iptables implementation dockerd programs."""

    AUTO = "Auto"
    LEGACY = "Legacy"
    NFT = "Nft"


class AddressPool(KubeModel):
    """A range from which dockerd allocates networks."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                ("int(self.base.split('/')[1]) <= self.size", POOL_TOO_SMALL),
                ("self.base.contains(':') || self.size <= 30", NO_ROOM),
                ("self.size - int(self.base.split('/')[1]) <= 16", TOO_MANY),
            )
        )
    }

    base: Plain[Cidr] = Field(description="The whole range, in CIDR form.")
    size: Plain[int] = Field(
        description="Prefix length of each network in `base`: at least that of `base`, and at most 30 for IPv4.",
        ge=8,
        le=128,
    )

    @model_validator(mode="after")
    def _refuse_what_dockerd_refuses(self) -> AddressPool:
        """With an invalid pool dockerd ends; CEL has no parser for ranges before Kubernetes 1.31."""
        try:
            network = ip_network(self.base, strict=False)
        except ValueError:
            raise ValueError(f"base {self.base} is not a range in CIDR form, such as 10.200.0.0/16") from None
        if self.size < network.prefixlen:
            raise ValueError(POOL_TOO_SMALL)
        if isinstance(network, IPv4Network) and self.size > LONGEST_PREFIX:
            raise ValueError(NO_ROOM)
        if self.size - network.prefixlen > MOST_BITS:
            raise ValueError(TOO_MANY)
        return self


class Proxy(KubeModel):
    """How the daemon reaches registries."""

    http_proxy: Plain[Url | None] = Field(default=None, description="Proxy for `http://` addresses.")
    https_proxy: Plain[Url | None] = Field(default=None, description="Proxy for `https://` addresses.")
    no_proxy: Plain[Annotated[str, StringConstraints(max_length=2048)] | None] = Field(
        default=None, description="Hosts and ranges reached directly, separated by commas."
    )


class EngineSpec(KubeModel):
    """Settings of the Docker daemon."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                (
                    "!has(self.addressPools) || self.addressPools.size() == 0 || "
                    "!self.addressPools[0].base.contains(':')",
                    FIRST_IPV4,
                ),
            )
        )
    }

    image: Annotated[ImageReference | None, governed_by("allowedImages.patterns", "allowedImages.requireDigest")] = (
        Field(
            default=None,
            description="Image with `dockerd` and the `docker` client; its entrypoint is never used. "
            "Empty: the class's, else the operator's default.",
        )
    )
    storage_driver: DaemonSetting[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", max_length=32)] | None] = (
        Field(
            default=None,
            description="Storage driver; empty: dockerd chooses, and `status.engine.storageDriver` has its choice.",
        )
    )
    mirrors: DaemonSetting[Mirrors | None] = Field(
        default=None,
        description="Mirrors of registries, by the registry as image references name it, such as `docker.io`; they are "
        "tried in order, then the registry itself. Those of other registries than `docker.io`, and those with a path, "
        "need Docker 28 or newer with the containerd image store.",
        json_schema_extra=schema(
            rules=(
                (
                    f"self.all(name, name.size() <= {MAX_REGISTRY_NAME} && name.matches('{REGISTRY_NAME}'))",
                    REGISTRY_NAME_MESSAGE,
                ),
            )
        ),
    )
    insecure_registries: DaemonSetting[Annotated[list[RegistryHost], Field(max_length=16)] | None] = Field(
        default=None, description="Registries (host:port or CIDR) that the daemon uses without verified TLS."
    )
    ca_bundle_ref: Annotated[KeyReference | None, READS_CONFIG_MAP] = Field(
        default=None,
        description="ConfigMap key with PEM certificates of authorities that the daemon trusts for registries, "
        "in addition to its image's own.",
    )
    image_pull_secrets: Annotated[Annotated[list[LocalObjectReference], Field(max_length=16)] | None, READS_SECRETS] = (
        Field(default=None, description="Secrets with which the kubelet pulls the pod's own images.")
    )
    mtu: DaemonSetting[int | None] = Field(
        default=None,
        description="MTU in bytes of the daemon's networks, the default one and user-defined ones (those need Docker "
        "24 or newer); empty: that of the pod's own interface.",
        ge=576,
        le=65535,
    )
    iptables: DaemonSetting[IptablesBackend | None] = Field(
        default=None,
        description="iptables implementation; `Auto` or empty: the image's own, or the other one where that does not "
        "work.",
    )
    address_pools: DaemonSetting[Annotated[list[AddressPool], Field(max_length=16)] | None] = Field(
        default=None,
        description="Ranges for the daemon's networks; empty: Docker's own, except those in which the pod sees "
        "addresses of the cluster.",
    )
    dns: DaemonSetting[Annotated[list[IpAddress], Field(max_length=8)] | None] = Field(
        default=None, description="Name servers of inner containers; empty: the pod's own."
    )
    proxy: DaemonSetting[Proxy | None] = Field(
        default=None, description="Proxies that the daemon itself uses to pull and push."
    )
    config: DaemonSetting[FreeObject | None] = Field(
        default=None,
        description="Further keys of daemon.json. Keys that the operator owns are rejected by name.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )

    @field_validator("address_pools")
    @classmethod
    def _begin_with_ipv4(cls, pools: list[AddressPool] | None) -> list[AddressPool] | None:
        if pools and ":" in pools[0].base:
            raise ValueError(FIRST_IPV4)
        return pools

    @field_validator("config")
    @classmethod
    def _refuse_what_breaks_dockerd(cls, config: dict[str, Any] | None) -> dict[str, Any] | None:
        """CEL cannot read a value without a schema, so only the models have this rule."""
        refused = owned_keys(config or {})
        if refused:
            raise ValueError(
                "; ".join(f"{key}: a key of daemon.json that may not be here: {remedy(key)}" for key in refused)
            )
        wrong = wrong_values(config or {})
        if wrong:
            raise ValueError("; ".join(wrong))
        return config


class StorageType(StrEnum):
    """Where the daemon's data-root is."""

    EMPTY_DIR = "EmptyDir"
    EPHEMERAL = "Ephemeral"
    CLAIM = "Claim"


class StorageMedium(StrEnum):
    """What backs an emptyDir."""

    DISK = "Disk"
    MEMORY = "Memory"


class EmptyDirStorage(KubeModel):
    """A directory on the node that is deleted with the pod."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(rules=(at_least("sizeLimit", MINIMUM_SIZE, SIZE_TOO_SMALL),))
    }

    size_limit: VolumeSize[Size | None] = Field(
        default=None, description="Bytes after which the kubelet evicts the pod."
    )
    medium: Annotated[
        StorageMedium | None, harmless("what is in RAM counts against the limit of memory, which max.memory governs")
    ] = Field(default=None, description="`Memory` keeps the data in RAM, which counts against the pod's memory limit.")


class EphemeralStorage(KubeModel):
    """A PersistentVolumeClaim that is created and deleted with the pod."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(rules=(at_least("size", MINIMUM_SIZE, SIZE_TOO_SMALL),))
    }

    size: VolumeSize[Size] = Field(description="Bytes to request.")
    storage_class_name: StorageClassName[DnsSubdomain | None] = Field(
        default=None, description="StorageClass; empty: the cluster's default."
    )


class RetentionPolicy(StrEnum):
    """What happens to a claim when its NestedDocker is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class ClaimStorage(KubeModel):
    """A PersistentVolumeClaim `<name>-data` that outlives pods: images and build cache stay warm."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(rules=(at_least("size", MINIMUM_SIZE, SIZE_TOO_SMALL),))
    }

    size: VolumeSize[Size] = Field(description="Bytes to request.")
    storage_class_name: StorageClassName[DnsSubdomain | None] = Field(
        default=None, description="StorageClass; empty: the cluster's default."
    )
    when_deleted: Plain[RetentionPolicy | None] = Field(
        default=None,
        description="Whether the claim stays when the NestedDocker is deleted; empty: `Retain`, and a new "
        "NestedDocker of the same name finds its cache again.",
    )


class StorageSpec(KubeModel):
    """Where the daemon keeps images, containers and build cache."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=tuple(
                (
                    f"!has(self.{member}) || self.type == '{type_}'",
                    f"{member} belongs to type {type_}: set type to {type_} or leave {member} out",
                )
                for member, type_ in (
                    ("emptyDir", "EmptyDir"),
                    ("ephemeral", "Ephemeral"),
                    ("claim", "Claim"),
                )
            )
            + tuple(
                (f"self.type != '{type_}' || has(self.{member})", f"type {type_} needs {member}.size")
                for member, type_ in (("ephemeral", "Ephemeral"), ("claim", "Claim"))
            )
        )
    }

    type: Annotated[StorageType, harmless("it selects a member, and each has a declaration")] = Field(
        description="Which of the members below applies."
    )
    empty_dir: Plain[EmptyDirStorage | None] = Field(default=None, description="For type `EmptyDir`.")
    ephemeral: Plain[EphemeralStorage | None] = Field(default=None, description="For type `Ephemeral`.")
    claim: Annotated[ClaimStorage | None, CREATES_CLAIM] = Field(
        default=None, description="For type `Claim`; only one daemon can use it at a time."
    )
