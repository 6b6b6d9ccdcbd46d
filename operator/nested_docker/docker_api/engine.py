"""What is read of a daemon once, and again when another one may answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nested_docker.docker_api import answer
from nested_docker.docker_api.client import DockerApi
from nested_docker.docker_api.errors import DockerApiError

MAX_OPTIONS = 16
"""Security options of a daemon that its status shows."""

EngineFacts = Mapping[str, Any]
"""The fields of a NestedDocker's `status.engine`, by their names in Python."""


async def read_engine(docker: DockerApi, *, last: bool = False) -> EngineFacts:
    """Ask a daemon for its version and its storage.

    Args:
        docker: a session.
        last: asks the daemon to close the connection afterwards.

    Raises:
        DockerApiError: a field has another type than in Docker's API.
        OSError, h11.RemoteProtocolError: as for `DockerApi.request`.
    """
    version = await docker.request("GET", "/version")
    info = await docker.request("GET", "/info", last=last)
    return engine_facts(version.as_object(), info.as_object())


def engine_facts(version: Mapping[str, Any], info: Mapping[str, Any]) -> EngineFacts:
    """The facts in the answers to `GET /version` and `GET /info`.

    Raises:
        DockerApiError: a field has another type than in Docker's API.
    """
    storage, driver = _driver_status(info), answer.string(info, "Driver", 64)
    options = [_text(option, "SecurityOptions", 256) for option in answer.array(info, "SecurityOptions")[:MAX_OPTIONS]]
    return {
        "version": answer.string(version, "Version", 64),
        "api_version": answer.string(version, "ApiVersion", 16),
        "image_store": _image_store(storage, driver),
        "storage_driver": driver,
        "backing_filesystem": storage.get("Backing Filesystem", ""),
        "cgroup_version": answer.string(info, "CgroupVersion", 8),
        "security_options": options,
    }


def _image_store(storage: Mapping[str, str], driver: str) -> str | None:
    """A value of the status field; None: the daemon's facts, which a guard leaves out, do not say.

    The graph driver vfs says nothing of itself, and no snapshotter has that name.
    """
    if storage.get("driver-type", "").startswith("io.containerd."):
        return "Containerd"
    return "GraphDriver" if storage or driver == "vfs" else None


def _driver_status(info: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for pair in answer.array(info, "DriverStatus"):
        if not isinstance(pair, list) or len(pair) != 2:
            raise DockerApiError("the daemon's answer has a DriverStatus that is not a list of pairs")
        found[_text(pair[0], "DriverStatus", 64)] = _text(pair[1], "DriverStatus", 64)
    return found


def _text(value: Any, field: str, limit: int) -> str:
    return answer.string({field: value}, field, limit)
