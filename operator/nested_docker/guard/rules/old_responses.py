"""Responses as older API versions have them: fields are restored from what newer versions say elsewhere.

A field that a newer version adds is left in: clients ignore what they do not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nested_docker.guard.model import JsonObject
from nested_docker.guard.wire.api_version import ApiVersion

_BRIDGE_FIELDS: JsonObject = {
    "EndpointID": "",
    "Gateway": "",
    "GlobalIPv6Address": "",
    "GlobalIPv6PrefixLen": 0,
    "IPAddress": "",
    "IPPrefixLen": 0,
    "IPv6Gateway": "",
    "MacAddress": "",
}
"""Fields of the default network that were fields of NetworkSettings too."""

_IMAGE_FIELDS: JsonObject = {"Parent": "", "Comment": "", "DockerVersion": "", "Author": ""}
_IMAGE_CONFIG: JsonObject = {
    **dict.fromkeys(("Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "Volumes")),
    "User": "",
    "WorkingDir": "",
}
_CONTAINER_FIELDS_IN_IMAGES: JsonObject = {
    **dict.fromkeys(("AttachStderr", "AttachStdin", "AttachStdout", "OpenStdin", "StdinOnce", "Tty"), False),
    **dict.fromkeys(("Domainname", "Hostname", "Image"), ""),
}
_NO_TIME = "0001-01-01T00:00:00Z"


def event(event: JsonObject) -> JsonObject:
    """An event of a container before 1.52. Clients end with an error without these fields."""
    actor = json_object(event.get("Actor"))
    image = json_object(actor.get("Attributes")).get("image", "")
    return {"status": event.get("Action", ""), "id": actor.get("ID", ""), "from": image, **event}


def json_object(value: Any) -> JsonObject:
    """An object of a response; empty for any other value."""
    return value if isinstance(value, dict) else {}


def _container_before_1_45(response: Any) -> Any:
    container = json_object(response)
    settings = json_object(container.get("NetworkSettings"))
    networks = {
        name: _with_aliases(name, endpoint, container)
        for name, endpoint in json_object(settings.get("Networks")).items()
    }
    return {**container, "NetworkSettings": {**settings, "Networks": networks}}


def _with_aliases(network: str, endpoint: Any, container: Mapping[str, Any]) -> Any:
    if network in {"bridge", "default", "none", "host"} or not isinstance(endpoint, dict):
        return endpoint
    hostname = json_object(container.get("Config")).get("Hostname", "")
    aliases = [*(endpoint.get("Aliases") or ()), str(container.get("Id", ""))[:12], hostname]
    return {**endpoint, "Aliases": list(dict.fromkeys(aliases))}


def _container_before_1_52(response: Any) -> Any:
    container = json_object(response)
    settings = json_object(container.get("NetworkSettings"))
    bridge = json_object(json_object(settings.get("Networks")).get("bridge"))
    legacy = {key: bridge.get(key, absent) for key, absent in _BRIDGE_FIELDS.items()}
    snapshot = json_object(json_object(json_object(container.get("Storage")).get("RootFS")).get("Snapshot"))
    driver = container.get("GraphDriver") or {"Data": None, "Name": snapshot.get("Name", "")}
    return {**container, "NetworkSettings": {**legacy, **settings}, "GraphDriver": driver}


def _image_before_1_44(response: Any) -> Any:
    image = json_object(response)
    return {"VirtualSize": image.get("Size", 0), **image, "Created": image.get("Created") or _NO_TIME}


def _image_before_1_45(response: Any) -> Any:
    return {"Container": "", "ContainerConfig": None, **json_object(response)}


def _image_before_1_50(response: Any) -> Any:
    image = json_object(response)
    return {**image, "Config": {**_CONTAINER_FIELDS_IN_IMAGES, **json_object(image.get("Config"))}}


def _image_before_1_52(response: Any) -> Any:
    image = json_object(response)
    config = {**_IMAGE_CONFIG, **json_object(image.get("Config"))}
    return {**_IMAGE_FIELDS, "GraphDriver": {"Data": None, "Name": ""}, **image, "Config": config}


def _images_before_1_43(response: Any) -> Any:
    none = {"RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}
    return [
        each if each.get("RepoTags") or each.get("RepoDigests") else {**each, **none}
        for each in map(json_object, response or ())
    ]


def _images_before_1_44(response: Any) -> Any:
    return [{"VirtualSize": each.get("Size", 0), **each} for each in map(json_object, response or ())]


def _disk_usage_before_1_44(response: Any) -> Any:
    usage = json_object(response)
    return {**usage, "Images": _images_before_1_44(usage.get("Images"))}


CHANGES: Mapping[str, tuple[tuple[ApiVersion, Callable[[Any], Any]], ...]] = {
    "GET /containers/{id}/json": (((1, 45), _container_before_1_45), ((1, 52), _container_before_1_52)),
    "GET /images/json": (((1, 43), _images_before_1_43), ((1, 44), _images_before_1_44)),
    "GET /images/{name}/json": (
        ((1, 44), _image_before_1_44),
        ((1, 45), _image_before_1_45),
        ((1, 50), _image_before_1_50),
        ((1, 52), _image_before_1_52),
    ),
    "GET /system/df": (((1, 44), _disk_usage_before_1_44),),
}
"""By route, the versions that removed fields, and what restores them in the JSON of a response."""
