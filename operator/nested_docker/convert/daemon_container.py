"""A container with a daemon, as fields of a NestedDocker: each of its fields is carried over or named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nested_docker.convert.dockerd_settings import (
    ADDRESS_IS_FIXED,
    FIELD_OF_PROXY,
    KEYS_ARE_MADE,
    read_command_line,
    read_daemon_json,
    text_of_daemon_json,
)
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, mapping_below, objects_at, text_at
from nested_docker.convert.recognition import SOCKET_DIRECTORIES, SOCKETS, Replaced

_RESOURCES, _RESOURCES_OF_TEKTON = "resources", "computeResources"
DATA_ROOTS = frozenset({"/var/lib/docker", "/home/rootless/.local/share/docker"})
CERTIFICATES = frozenset({"/certs", "/certs/client", "/certs/server", "/certs/ca"})
DAEMON_JSON = "/etc/docker/daemon.json"
OF_THE_NODE = frozenset({"/lib/modules", "/sys/fs/cgroup", "/dev", "/sys", "/proc"})

WHAT_OF_FIELD = {
    "name": "the container is gone; `nested-docker logs` and `nested-docker shell` replace `kubectl logs -c` and "
    "`kubectl exec -c`",
    "ports": "containers of the pod no longer find them at localhost, but at the host of DOCKER_HOST",
    "securityContext": "the mode decides what the daemon may do, and status.isolation says what isolates it; choose it "
    "by --mode",
    "livenessProbe": "the operator has its own probe",
    "readinessProbe": "the operator has its own probe; clients start when the daemon answers",
    "startupProbe": "the operator has its own probe; clients start when the daemon answers",
    "lifecycle": "hooks are not run: put what they do into the client or an image",
    "restartPolicy": "the operator restarts the daemon",
    "imagePullPolicy": "it is not carried over: pin the image by a digest",
    "envFrom": "the daemon gets no variables of others: set what they configure in spec.engine",
    "volumeDevices": "the daemon gets no block devices: use spec.storage",
}
NOT_SHARED = (
    "the daemon runs in another pod without this volume, so a bind mount of it is empty there: use `docker cp`, COPY, "
    "spec.workload, or form Sidecar of injection (--as sidecar)"
)
STAYS_SHARED = "form Sidecar gives it to the daemon where the pod's other containers have it"
NOT_CARRIED = "it is not carried over, since the operator makes the daemon's container"


@dataclass(frozen=True)
class Surroundings:
    """What the container refers to.

    Attributes:
        volumes: of the pod, by name.
        volume_paths: where they are, by name.
        shared: names of volumes that containers which stay mount too.
        claims: specs of PersistentVolumeClaims of the input, by name.
        claim_paths: where these specs are, by name.
        config_maps: of the input, by name.
        daemon_stays: whether the daemon stays in the pod, with the volumes of its clients.
    """

    volumes: Mapping[str, dict[str, Any]]
    volume_paths: Mapping[str, str] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()
    claims: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    claim_paths: Mapping[str, str] = field(default_factory=dict)
    config_maps: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    daemon_stays: bool = False


def read_daemon_container(
    container: Mapping[str, Any], kind: Replaced, path: str, around: Surroundings, draft: SpecDraft
) -> None:
    """Carry over what a container that is removed says, and name the rest.

    Raises:
        UnconvertibleError: a field has a type that no container can have.
    """
    readers = {
        _RESOURCES: _read_resources,
        _RESOURCES_OF_TEKTON: _read_resources,
        "env": _read_env,
        "image": _read_image,
    }
    if kind is Replaced.DIND:
        read_command_line(container, path, draft)
    for name, value in container.items():
        where = joined(path, name)
        if name == "volumeMounts":
            _read_mounts(value, where, around, draft)
        elif name in readers and (kind is Replaced.DIND or name in {_RESOURCES, _RESOURCES_OF_TEKTON}):
            readers[name](value, where, draft)
        elif name not in {"command", "args"} or kind is not Replaced.DIND:
            what = ADDRESS_IS_FIXED if name == "ports" and around.daemon_stays else WHAT_OF_FIELD.get(name, NOT_CARRIED)
            draft.differs(where, value, what)


def _read_image(value: Any, path: str, draft: SpecDraft) -> None:
    image = text_at(value, path)
    if "rootless" in image:
        draft.differs(path, image, "mode Rootless has its own image: choose it by --mode Rootless")
        return
    draft.carry(("engine", "image"), image, path, image)


def _read_resources(value: Any, path: str, draft: SpecDraft) -> None:
    for name, amounts in mapping_at(value, path).items():
        where = joined(path, name)
        if name not in {"limits", "requests"}:
            draft.differs(where, amounts, NOT_CARRIED)
            continue
        for resource, amount in mapping_at(amounts, where).items():
            # YAML reads 2 as a number, and the API server takes it as a quantity.
            text = str(amount) if isinstance(amount, int | float) and not isinstance(amount, bool) else amount
            draft.carry(("resources", name), {resource: text}, joined(where, resource), amount)


def _read_env(value: Any, path: str, draft: SpecDraft) -> None:
    for number, variable in enumerate(objects_at(value, path)):
        where, text = joined(path, number), variable.get("value")
        name = text_at(variable.get("name"), joined(where, "name"))
        proxy = FIELD_OF_PROXY.get(name.lower().replace("_", "-"))
        extras = {key: each for key, each in variable.items() if key not in {"name", "value"}}
        if extras and isinstance(text, str):
            draft.differs(where, extras, NOT_CARRIED)
        if proxy and isinstance(text, str) and text:
            draft.carry(("engine", "proxy", proxy), text, where, variable)
        elif name == "DOCKER_DRIVER" and isinstance(text, str) and text:
            draft.carry(("engine", "storageDriver"), text, where, variable)
        elif name.startswith(("DOCKER_TLS", "DOCKER_CERT")):
            draft.differs(where, variable, KEYS_ARE_MADE)
        elif name == "DOCKER_HOST":
            draft.differs(where, variable, ADDRESS_IS_FIXED)
        else:
            draft.differs(where, variable, "the daemon gets no variables: set what it configures in spec.engine")


def _read_mounts(value: Any, path: str, around: Surroundings, draft: SpecDraft) -> None:
    for number, mount in enumerate(objects_at(value, path)):
        where = joined(path, number)
        target = text_at(mount.get("mountPath"), joined(where, "mountPath")).rstrip("/") or "/"
        name = text_at(mount.get("name"), joined(where, "name"))
        volume = around.volumes.get(name, {})
        if target in DATA_ROOTS:
            _read_storage(volume, mount, where, around, draft)
        elif target in CERTIFICATES:
            draft.differs(where, mount, KEYS_ARE_MADE)
        elif target in SOCKETS | SOCKET_DIRECTORIES:
            draft.differs(where, mount, ADDRESS_IS_FIXED)
        elif target in {DAEMON_JSON, "/etc/docker"} and "configMap" in volume:
            _read_config_map(volume, mount, where, around, draft)
        elif target in OF_THE_NODE:
            draft.differs(where, mount, "the operator gives the daemon what its mode needs")
        elif name in around.shared:
            draft.differs(where, {**mount, "volume": volume}, STAYS_SHARED if around.daemon_stays else NOT_SHARED)
        else:
            draft.differs(where, {**mount, "volume": volume}, "the daemon gets no such volume: build it into an image")


def _read_storage(
    volume: Mapping[str, Any], mount: Mapping[str, Any], path: str, around: Surroundings, draft: SpecDraft
) -> None:
    extras = sorted(mount.keys() - {"name", "mountPath"})
    if extras:
        draft.differs(path, {key: mount[key] for key in extras}, "the data-root has a whole volume")
    original, at = {**volume}, around.volume_paths.get(str(mount.get("name")), path)
    if "emptyDir" in volume:
        _read_empty_dir(mapping_at(volume["emptyDir"], joined(at, "emptyDir")), path, original, draft)
    elif "ephemeral" in volume:
        template, where = mapping_below(volume, ("ephemeral", "volumeClaimTemplate"), at)
        claim, at = mapping_below(template, ("spec",), where)
        if template.keys() - {"spec"}:
            others = {key: value for key, value in template.items() if key != "spec"}
            draft.differs(path, others, "spec.storage has only the size and the StorageClass of a claim")
        _carry_claim("Ephemeral", (claim, at), path, original, draft)
    elif "persistentVolumeClaim" in volume:
        name = mapping_at(volume["persistentVolumeClaim"], joined(at, "persistentVolumeClaim")).get("claimName")
        known = around.claims.get(name) if isinstance(name, str) else None
        if known is None:
            what = "its size is not in the input: set spec.storage, type Claim, or give the claim's manifest as well"
            draft.differs(path, original, what)
        else:
            _carry_claim("Claim", (known, around.claim_paths.get(str(name), path)), path, original, draft)
            draft.differs(
                path, original, "a new claim <name>-data is made, so the cache begins empty: delete the old one"
            )
    else:
        draft.differs(path, original, "the data-root cannot be there: set spec.storage")


def _read_empty_dir(source: Mapping[str, Any], path: str, original: Any, draft: SpecDraft) -> None:
    mediums = {"": "Disk", "Memory": "Memory"}
    directory: dict[str, Any] = {"sizeLimit": source["sizeLimit"]} if source.get("sizeLimit") is not None else {}
    medium = source.get("medium") or ""
    if not isinstance(medium, str) or medium not in mediums:
        draft.differs(path, original, "the daemon's emptyDir is on the node's disk or in memory: set spec.storage")
    elif medium:
        directory["medium"] = mediums[medium]
    # A storage has its type, so both are set at once.
    draft.carry(("storage",), {"type": "EmptyDir"} | ({"emptyDir": directory} if directory else {}), path, original)


def _carry_claim(type_: str, placed: tuple[Mapping[str, Any], str], path: str, original: Any, draft: SpecDraft) -> None:
    """Carry over the spec of a claim, which is given with its path."""
    claim, claim_path = placed
    resources, _ = mapping_below(claim, ("resources",), claim_path)
    requests, _ = mapping_below(claim, ("resources", "requests"), claim_path)
    size = requests.get("storage")
    member = {"size": size}
    if claim.get("storageClassName"):
        member["storageClassName"] = claim["storageClassName"]
    draft.carry(("storage",), {"type": type_, type_.lower(): member}, path, original)
    others = {
        key: value
        for key, value in claim.items()
        if key not in {"resources", "storageClassName"} and (key, value) != ("accessModes", ["ReadWriteOnce"])
    }
    unused = {key: value for key, value in resources.items() if key != "requests"}
    unused |= {key: value for key, value in requests.items() if key != "storage"}
    if unused:
        others["resources"] = unused
    if others:
        draft.differs(path, others, "spec.storage has only the size and the StorageClass of a claim")


def _read_config_map(
    volume: Mapping[str, Any], mount: Mapping[str, Any], path: str, around: Surroundings, draft: SpecDraft
) -> None:
    at = joined(around.volume_paths.get(str(mount.get("name")), path), "configMap")
    source = mapping_at(volume["configMap"], at)
    extras = {key: each for key, each in mount.items() if key not in {"name", "mountPath", "subPath", "readOnly"}}
    if extras:
        draft.differs(path, extras, NOT_CARRIED)
    name, config_map = source.get("name"), None
    if isinstance(name, str):
        config_map = around.config_maps.get(name)
    if config_map is None:
        what = "the ConfigMap is not in the input: give its manifest as well, or set spec.engine"
        draft.differs(path, {**mount, "volume": dict(volume)}, what)
        return
    items = {
        str(each.get("path")): str(each.get("key")) for each in objects_at(source.get("items"), joined(at, "items"))
    }
    file = text_at(mount.get("subPath"), joined(path, "subPath")) or "daemon.json"
    key = items.get(file, file)
    where = f"ConfigMap/{name}: "
    try:
        config = json.loads(text_of_daemon_json(config_map, key, where))
    except (ValueError, RecursionError):
        config = None
    if isinstance(config, dict):
        read_daemon_json(config, joined(where, "data", key), draft)
    else:
        draft.differs(joined(where, "data", key), config, "it is no daemon.json: set spec.engine")
    others = sorted(set(mapping_at(config_map.get("data"), joined(where, "data"))) - {key})
    if others:
        draft.differs(
            joined(where, "data"), others, "these files are not carried over: spec.engine.caBundleRef takes CAs"
        )
