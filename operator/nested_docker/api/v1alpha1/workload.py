"""The workload of a NestedDocker: containers in the daemon's pod, and what they have of Secrets and ConfigMaps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from nested_docker.api.amounts import MINIMUM_SIZE, SIZE_TOO_SMALL
from nested_docker.api.meta import (
    AbsolutePath,
    DnsLabel,
    DnsSubdomain,
    ImageReference,
    KubeModel,
    ResourceRequirements,
    Size,
    at_least,
    schema,
)
from nested_docker.api.tenancy import Permission, Plain, TenantUse, fields_in_use, governed_by
from nested_docker.api.v1alpha1.engine import StorageMedium

WORKSPACE = "/workspace"
"""The directory that a workload shares with its daemon, at the same path in both."""

SOCKET_DIRECTORY = "/run/nested-docker"
"""The directory with the daemon's unix socket, in the daemon's container and in those of a workload."""

MOST_REFERENCES = 32
"""Secrets and ConfigMaps of one workload: the webhook asks for the permission to each."""

_REFERENCES = ("workload.references",)
_USED_WITH = ("spec.workload", "spec.engine.image")
GETS_SECRET = TenantUse(
    tenant_owned=True,
    permission=Permission("get", "secrets"),
    named=True,
    used_with=_USED_WITH,
    governed_by=_REFERENCES,
)
"""Any other change of the workload, or another daemon beside it, can lead its content elsewhere."""
GETS_CONFIG_MAP = TenantUse(
    tenant_owned=True,
    permission=Permission("get", "configmaps"),
    named=True,
    used_with=_USED_WITH,
    governed_by=_REFERENCES,
)


# --- names and paths --------------------------------------------------------------------------------

KEYS_OF_DAEMONS = "-[0-9a-f]{5}-tls$"
KEYS_MESSAGE = (
    "a Secret whose name ends like -0a1b2-tls has the keys of a daemon, which no workload gets: a workload has "
    "DOCKER_HOST; for another daemon name its connection Secret, <name>-docker"
)


def _require_no_daemons_keys(name: str) -> str:
    if re.search(KEYS_OF_DAEMONS, name):
        raise ValueError(KEYS_MESSAGE)
    return name


_NO_KEYS_OF_DAEMONS = schema(rules=((f"!self.matches('{KEYS_OF_DAEMONS}')", KEYS_MESSAGE),))
SecretName = Annotated[
    DnsSubdomain, AfterValidator(_require_no_daemons_keys), Field(json_schema_extra=_NO_KEYS_OF_DAEMONS)
]
"""A Secret that is not one of the operator's own with a daemon's keys."""

_SEGMENT = r"\.?[A-Za-z0-9_@+=~-][A-Za-z0-9._@+=~-]*"
RelativePath = Annotated[str, StringConstraints(pattern=rf"^{_SEGMENT}(/{_SEGMENT})*$", max_length=255)]
"""A path without `..`, in a volume."""

MountPath = Annotated[str, StringConstraints(pattern=rf"^(/{_SEGMENT})+$", max_length=255)]
"""An absolute path without `..` and other than `/`."""

RESERVED_DIRECTORIES = (
    *("bin", "boot", "certs", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "root", "run", "sbin"),
    *("sys", "tmp", "usr", "var", WORKSPACE[1:]),
)
"""Directories of the root in which a daemon has its programs, its data, its certificates or its socket."""

_RESERVED = rf"^/({'|'.join(RESERVED_DIRECTORIES)})(/|$)"
RESERVED_MESSAGE = (
    f"a daemon has its files in {', '.join(f'/{each}' for each in RESERVED_DIRECTORIES[:-1])}, and "
    f"{WORKSPACE} is shared anyway: choose another directory, such as /builds"
)


def _require_free_path(path: str) -> str:
    if re.match(_RESERVED, path):
        raise ValueError(RESERVED_MESSAGE)
    return path


SharedPath = Annotated[
    MountPath,
    AfterValidator(_require_free_path),
    Field(json_schema_extra=schema(rules=((f"!self.matches('{_RESERVED}')", RESERVED_MESSAGE),))),
]
"""A directory in which no daemon has anything."""

_SOCKET = f"^{SOCKET_DIRECTORY}(/|$)|^{WORKSPACE}$"
SOCKET_MESSAGE = f"{WORKSPACE} and {SOCKET_DIRECTORY}, with the daemon's socket, are mounted anyway: use another path"


def _require_other_than_ours(path: str) -> str:
    if re.match(_SOCKET, path):
        raise ValueError(SOCKET_MESSAGE)
    return path


OwnMountPath = Annotated[
    MountPath,
    AfterValidator(_require_other_than_ours),
    Field(json_schema_extra=schema(rules=((f"!self.matches('{_SOCKET}')", SOCKET_MESSAGE),))),
]

DataKey = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
"""A key of a Secret or a ConfigMap."""

FileMode = Annotated[int, Field(ge=0, le=0o777)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$", max_length=253)]


def _exactly_one(*members: str) -> tuple[str, str]:
    found = ", ".join(f"has(self.{member})" for member in members)
    return f"[{found}].filter(set, set).size() == 1", f"set exactly one of {', '.join(members)}"


# --- environment ------------------------------------------------------------------------------------


class SecretKeySelector(KubeModel):
    """One key of a Secret in the same namespace."""

    name: Plain[SecretName] = Field(description="Name of the Secret.")
    key: Plain[DataKey] = Field(description="Key of the Secret.")
    optional: Plain[bool | None] = Field(default=None, description="Whether Secret and key may be missing.")


class ConfigMapKeySelector(KubeModel):
    """One key of a ConfigMap in the same namespace."""

    name: Plain[DnsSubdomain] = Field(description="Name of the ConfigMap.")
    key: Plain[DataKey] = Field(description="Key of the ConfigMap.")
    optional: Plain[bool | None] = Field(default=None, description="Whether ConfigMap and key may be missing.")


class PodFieldSelector(KubeModel):
    """A field of the pod."""

    field_path: Plain[
        Annotated[
            str,
            StringConstraints(
                pattern=r"^(metadata\.(name|namespace|uid)|metadata\.(labels|annotations)\['[A-Za-z0-9._/-]+'\]"
                r"|spec\.nodeName|status\.(hostIP|hostIPs|podIP|podIPs))$",
                max_length=330,
            ),
        ]
    ] = Field(
        description="`metadata.name`, `metadata.namespace`, `metadata.uid`, `metadata.labels['<key>']`, "
        "`metadata.annotations['<key>']`, `spec.nodeName`, `status.hostIP`, `status.hostIPs`, `status.podIP` or "
        "`status.podIPs`."
    )


class ContainerResource(StrEnum):
    """A resource of a container."""

    CPU_LIMIT = "limits.cpu"
    MEMORY_LIMIT = "limits.memory"
    STORAGE_LIMIT = "limits.ephemeral-storage"
    CPU_REQUEST = "requests.cpu"
    MEMORY_REQUEST = "requests.memory"
    STORAGE_REQUEST = "requests.ephemeral-storage"


class ContainerResourceSelector(KubeModel):
    """A resource of the container that has the variable."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                (
                    "!has(self.divisor) || (self.resource.endsWith('cpu') ? self.divisor in ['1', '1m'] : "
                    "self.divisor != '1m')",
                    "divisor of cpu is 1 or 1m, and 1m is for cpu only: choose another one",
                ),
            )
        )
    }

    resource: Plain[ContainerResource] = Field(description="The resource.")
    divisor: Plain[Annotated[str, StringConstraints(pattern=r"^1(m|[kMGTPE]|[KMGTPE]i)?$", max_length=3)] | None] = (
        Field(default=None, description="Unit of the value, such as `1m`, `1` or `1Mi`; empty: `1`.")
    )


class EnvVarSource(KubeModel):
    """Where the value of a variable is, as in a pod."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(_exactly_one("secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef"),)
        )
    }

    secret_key_ref: Annotated[SecretKeySelector | None, GETS_SECRET] = Field(
        default=None, description="A key of a Secret."
    )
    config_map_key_ref: Annotated[ConfigMapKeySelector | None, GETS_CONFIG_MAP] = Field(
        default=None, description="A key of a ConfigMap."
    )
    field_ref: Plain[PodFieldSelector | None] = Field(default=None, description="A field of the pod.")
    resource_field_ref: Plain[ContainerResourceSelector | None] = Field(
        default=None, description="A resource of the container."
    )


class EnvVar(KubeModel):
    """An environment variable."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                (
                    "!has(self.valueFrom) || !has(self.value) || self.value == ''",
                    "value and valueFrom exclude each other: leave one of them out",
                ),
            )
        )
    }

    name: Plain[VariableName] = Field(description="Name of the variable.")
    value: Plain[Annotated[str, StringConstraints(max_length=32768)]] = Field(default="", description="Its value.")
    value_from: Plain[EnvVarSource | None] = Field(default=None, description="Where its value is, instead of `value`.")


class SecretEnvSource(KubeModel):
    """A Secret in the same namespace."""

    name: Plain[SecretName] = Field(description="Name of the Secret.")
    optional: Plain[bool | None] = Field(default=None, description="Whether the Secret may be missing.")


class ConfigMapEnvSource(KubeModel):
    """A ConfigMap in the same namespace."""

    name: Plain[DnsSubdomain] = Field(description="Name of the ConfigMap.")
    optional: Plain[bool | None] = Field(default=None, description="Whether the ConfigMap may be missing.")


class EnvFromSource(KubeModel):
    """Variables from all keys of a Secret or a ConfigMap, as in a pod."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(rules=(_exactly_one("secretRef", "configMapRef"),))
    }

    prefix: Plain[VariableName | None] = Field(default=None, description="Text before each key.")
    secret_ref: Annotated[SecretEnvSource | None, GETS_SECRET] = Field(default=None, description="A Secret.")
    config_map_ref: Annotated[ConfigMapEnvSource | None, GETS_CONFIG_MAP] = Field(
        default=None, description="A ConfigMap."
    )


# --- volumes ----------------------------------------------------------------------------------------


class KeyToPath(KubeModel):
    """A key and its file."""

    key: Plain[DataKey] = Field(description="Key of the Secret or the ConfigMap.")
    path: Plain[RelativePath] = Field(description="Path of the file in the volume.")
    mode: Plain[FileMode | None] = Field(default=None, description="Permissions of the file; empty: those of all.")


Items = Annotated[list[KeyToPath], Field(max_length=64)]
_ITEMS = "Keys and their files; empty: each key is a file."
_DEFAULT_MODE = "Permissions of the files; empty: 0644."


class SecretVolume(KubeModel):
    """A Secret in the same namespace."""

    secret_name: Plain[SecretName] = Field(description="Name of the Secret.")
    items: Plain[Items | None] = Field(default=None, description=_ITEMS)
    default_mode: Plain[FileMode | None] = Field(default=None, description=_DEFAULT_MODE)
    optional: Plain[bool | None] = Field(default=None, description="Whether Secret and keys may be missing.")

    @property
    def name(self) -> str:
        """Name of the Secret."""
        return self.secret_name


class SecretProjection(KubeModel):
    """A Secret in the same namespace."""

    name: Plain[SecretName] = Field(description="Name of the Secret.")
    items: Plain[Items | None] = Field(default=None, description=_ITEMS)
    optional: Plain[bool | None] = Field(default=None, description="Whether Secret and keys may be missing.")


class ConfigMapProjection(KubeModel):
    """A ConfigMap in the same namespace."""

    name: Plain[DnsSubdomain] = Field(description="Name of the ConfigMap.")
    items: Plain[Items | None] = Field(default=None, description=_ITEMS)
    optional: Plain[bool | None] = Field(default=None, description="Whether ConfigMap and keys may be missing.")


class ConfigMapVolume(ConfigMapProjection):
    """A ConfigMap in the same namespace."""

    default_mode: Plain[FileMode | None] = Field(default=None, description=_DEFAULT_MODE)


class VolumeProjection(KubeModel):
    """A part of a projected volume."""

    model_config = KubeModel.model_config | {"json_schema_extra": schema(rules=(_exactly_one("secret", "configMap"),))}

    secret: Annotated[SecretProjection | None, GETS_SECRET] = Field(default=None, description="A Secret.")
    config_map: Annotated[ConfigMapProjection | None, GETS_CONFIG_MAP] = Field(default=None, description="A ConfigMap.")


class ProjectedVolume(KubeModel):
    """Several Secrets and ConfigMaps in one directory."""

    sources: Plain[Annotated[list[VolumeProjection], Field(min_length=1, max_length=8)]] = Field(
        description="The Secrets and ConfigMaps."
    )
    default_mode: Plain[FileMode | None] = Field(default=None, description=_DEFAULT_MODE)


class EmptyDirVolume(KubeModel):
    """A directory on the node that is deleted with the pod."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(rules=(at_least("sizeLimit", MINIMUM_SIZE, SIZE_TOO_SMALL),))
    }

    size_limit: Plain[Size | None] = Field(default=None, description="Bytes after which the kubelet evicts the pod.")
    medium: Plain[StorageMedium | None] = Field(
        default=None, description="`Memory` keeps the data in RAM, which counts against the containers' memory limits."
    )


class WorkloadVolume(KubeModel):
    """A volume of the workload."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                _exactly_one("secret", "configMap", "projected", "emptyDir"),
                (
                    "!has(self.sharedPath) || has(self.emptyDir)",
                    "sharedPath is for an emptyDir only, since the daemon gets no Secret and no ConfigMap: copy what "
                    "its containers need into such a volume",
                ),
            )
        )
    }

    name: Plain[Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=53)]] = Field(
        description="Name of the volume; in the pod it is `workload-<name>`."
    )
    secret: Annotated[SecretVolume | None, GETS_SECRET] = Field(default=None, description="A Secret.")
    config_map: Annotated[ConfigMapVolume | None, GETS_CONFIG_MAP] = Field(default=None, description="A ConfigMap.")
    projected: Plain[ProjectedVolume | None] = Field(
        default=None, description="Several Secrets and ConfigMaps in one directory."
    )
    empty_dir: Plain[EmptyDirVolume | None] = Field(default=None, description="A directory that is empty at first.")
    shared_path: Annotated[SharedPath | None, governed_by("workload.sharedPaths")] = Field(
        default=None,
        description="Directory at which the daemon and every container of the workload have this emptyDir, so that "
        "`docker run -v` finds the same files there; in mode `HostSocket` the daemon does not have it.",
    )


class VolumeMount(KubeModel):
    """Where a container has a volume of the workload."""

    name: Plain[DnsLabel] = Field(description="Name of the volume.")
    mount_path: Plain[OwnMountPath] = Field(description="Directory in the container; with `subPath` also a file.")
    sub_path: Plain[RelativePath | None] = Field(
        default=None,
        description="Part of the volume to mount, such as a single file; not of an emptyDir. It stays as it is when "
        "the Secret or the ConfigMap changes.",
    )
    read_only: Plain[bool | None] = Field(default=None, description="Whether the container may only read.")


# --- containers -------------------------------------------------------------------------------------


class RestartPolicy(StrEnum):
    """Whether a workload is a service or a one-shot build."""

    ALWAYS = "Always"
    NEVER = "Never"


class WorkloadContainer(KubeModel):
    """A container in the daemon's pod; `DOCKER_HOST` in its environment is the daemon's address."""

    name: Plain[DnsLabel] = Field(description="Name of the container.")
    image: Annotated[ImageReference, governed_by("workload.images.patterns", "workload.images.requireDigest")] = Field(
        description="Image of the container."
    )
    command: Plain[Annotated[list[Annotated[str, StringConstraints(max_length=65536)]], Field(max_length=256)]] = Field(
        default=[], description="Entrypoint; empty: the image's."
    )
    args: Plain[Annotated[list[Annotated[str, StringConstraints(max_length=65536)]], Field(max_length=256)]] = Field(
        default=[], description="Arguments of the entrypoint."
    )
    env: Plain[Annotated[list[EnvVar], Field(max_length=256)]] = Field(default=[], description="Environment variables.")
    env_from: Plain[Annotated[list[EnvFromSource], Field(max_length=16)] | None] = Field(
        default=None, description="Environment variables from all keys of Secrets and ConfigMaps; `env` overrides them."
    )
    working_dir: Plain[AbsolutePath | None] = Field(
        default=None, description=f"Directory to start in; empty: `{WORKSPACE}`."
    )
    volume_mounts: Plain[Annotated[list[VolumeMount], Field(max_length=16)] | None] = Field(
        default=None, description="Volumes of the workload that this container has, besides those with a `sharedPath`."
    )
    resources: Plain[ResourceRequirements] = Field(
        default=ResourceRequirements(), description="CPU, memory and other resources of the container."
    )


class WorkloadSpec(KubeModel):
    """Containers that run in the daemon's pod."""

    model_config = KubeModel.model_config | {
        "json_schema_extra": schema(
            rules=(
                (
                    "!has(self.initContainers) || !self.initContainers.exists(first, "
                    "self.containers.exists(other, other.name == first.name))",
                    "containers and initContainers must have different names: rename one of them",
                ),
            )
        )
    }

    containers: Plain[Annotated[list[WorkloadContainer], Field(min_length=1, max_length=8)]] = Field(
        description=f"The containers. `{WORKSPACE}` is a directory that they and the daemon share.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    init_containers: Plain[Annotated[list[WorkloadContainer], Field(max_length=8)] | None] = Field(
        default=None,
        description="Containers that run one after the other before those, when the daemon already answers.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    volumes: Plain[Annotated[list[WorkloadVolume], Field(max_length=12)] | None] = Field(
        default=None,
        description="Volumes for the containers.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    restart_policy: Plain[RestartPolicy] = Field(
        default=RestartPolicy.ALWAYS,
        description="`Never`: a one-shot build that ends as Complete or Failed once its containers have ended.",
    )

    @property
    def every_container(self) -> list[tuple[str, WorkloadContainer]]:
        """Each container, with the path of its list in the spec."""
        lists = {
            "spec.workload.initContainers": self.init_containers or [],
            "spec.workload.containers": self.containers,
        }
        return [(path, container) for path, containers in lists.items() for container in containers]

    @property
    def shared_volumes(self) -> list[tuple[str, str]]:
        """Name and path of each volume that the daemon has too, besides the workspace."""
        return [(each.name, each.shared_path) for each in self.volumes or [] if each.shared_path and each.empty_dir]

    @property
    def references(self) -> list[tuple[str, str, str]]:
        """Path in the spec, resource and name of each Secret and ConfigMap; of one path and object only once."""
        return [*dict.fromkeys(self._references())]

    def _references(self) -> Iterator[tuple[str, str, str]]:
        for field in fields_in_use(self, "spec.workload"):
            if field.use in {GETS_SECRET, GETS_CONFIG_MAP} and field.use.permission:
                yield field.path, field.use.permission.resource, field.value.name

    @model_validator(mode="after")
    def _refuse_too_many_references(self) -> Self:
        objects = {(resource, name) for _, resource, name in self.references}
        if len(objects) > MOST_REFERENCES:
            raise ValueError(
                f"the workload refers to {len(objects)} Secrets and ConfigMaps, and may to {MOST_REFERENCES}: put "
                "what belongs together into one"
            )
        return self

    @model_validator(mode="after")
    def _refuse_paths_in_each_other(self) -> Self:
        """Of two shared volumes one would hide a part of the other, for the daemon or for the workload."""
        paths = [path for _, path in self.shared_volumes]
        for number, path in enumerate(paths):
            for other in paths[:number]:
                if f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/"):
                    raise ValueError(f"volumes: the sharedPath {path} overlaps with {other}: choose another directory")
        return self

    @model_validator(mode="after")
    def _refuse_mounts_that_cannot_be(self) -> Self:
        volumes = {volume.name: volume for volume in self.volumes or []}
        for path, container in self.every_container:
            taken = {shared for _, shared in self.shared_volumes}
            for mount in container.volume_mounts or []:
                where = f"{path.removeprefix('spec.workload.')}[{container.name}].volumeMounts[{mount.name}]"
                if mount.name not in volumes:
                    raise ValueError(f"{where}: volumes has no {mount.name}: add it, or correct the name")
                if mount.mount_path in taken:
                    raise ValueError(f"{where}: {mount.mount_path} is taken by another volume: use another path")
                if mount.sub_path is not None and volumes[mount.name].empty_dir is not None:
                    raise ValueError(f"{where}: subPath is not for an emptyDir: mount all of it, and use workingDir")
                taken.add(mount.mount_path)
        return self
