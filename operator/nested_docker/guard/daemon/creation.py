"""The check of a new container, before clients can use it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from nested_docker.guard.daemon.client import escape_name, query_daemon
from nested_docker.guard.daemon.owners import Creation
from nested_docker.guard.daemon.preconditions import Forwarding
from nested_docker.guard.daemon.references import changed
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.ownership import CREATION_ANNOTATION, annotations_of
from nested_docker.relay.handler import OpenUpstream


async def verify_container(open_upstream: OpenUpstream, forwarding: Forwarding, creation: Creation) -> None:
    """Check that a new container has the image and the volumes that were looked up, and remove it otherwise.

    Args:
        open_upstream: connects to the daemon.
        forwarding: the request.
        creation: the creation, which has the container's ID and gets the result.

    Raises:
        GuardDenied: the container was removed.
        OSError: the daemon cannot be reached, or did not respond; the container is nobody's.
    """
    path = f"/containers/{escape_name(creation.container)}"
    try:
        _, inspected = await query_daemon(open_upstream, "GET", f"{path}/json")
        _check(inspected or {}, forwarding, creation)
        await forwarding.verify()
    except GuardDenied:
        status, _ = await query_daemon(open_upstream, "DELETE", f"{path}?force=1&v=1")
        creation.absent = status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.NOT_FOUND
        raise
    creation.verified = True


def _check(inspected: Mapping[str, Any], forwarding: Forwarding, creation: Creation) -> None:
    if annotations_of(inspected).get(CREATION_ANNOTATION) != creation.annotation:
        raise GuardDenied(
            "owner",
            "the node's Docker daemon does not store annotations, which say who owns a container: it must be Docker "
            "24 or newer",
            status=HTTPStatus.BAD_GATEWAY,
        )
    image = forwarding.plan.references[0]
    if inspected.get("Image") != forwarding.resolved.found[image].id:
        raise changed(image)
