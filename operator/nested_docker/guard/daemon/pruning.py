"""Prune of containers, by the guard."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from nested_docker.guard.daemon.client import escape_name, list_objects, query_daemon
from nested_docker.guard.daemon.owners import ContainerOwners
from nested_docker.guard.model import ContainerPrune, JsonObject
from nested_docker.relay.handler import OpenUpstream


async def prune_containers(open_upstream: OpenUpstream, owners: ContainerOwners, prune: ContainerPrune) -> JsonObject:
    """Remove the owner's containers that do not run; return the daemon's response to a prune.

    Args:
        open_upstream: connects to the daemon.
        owners: the owner's containers.
        prune: which containers.

    Raises:
        GuardDenied: the daemon does not list containers.
        OSError: the daemon cannot be reached, or did not respond.
    """
    path = f"/containers/json?all=1&size=1&filters={quote(prune.filters)}"
    listed = await list_objects(open_upstream, path)
    deleted, reclaimed = [], 0
    for each in await owners.only_owned(open_upstream, listed):
        if not _is_selected(each, prune):
            continue
        status, _ = await query_daemon(open_upstream, "DELETE", f"/containers/{escape_name(each['Id'])}")
        if status < HTTPStatus.BAD_REQUEST:  # otherwise it has started, or is gone
            deleted.append(each["Id"])
            reclaimed += int(each.get("SizeRw") or 0)
    return {"ContainersDeleted": deleted or None, "SpaceReclaimed": reclaimed}


def _is_selected(container: Mapping[str, Any], prune: ContainerPrune) -> bool:
    labels: Mapping[str, str] = container.get("Labels") or {}
    for each in prune.without_labels:
        key, equals, value = each.partition("=")
        if key in labels and (not equals or labels[key] == value):
            return False
    created = float(container.get("Created") or 0)
    return prune.created_before is None or created < prune.created_before.timestamp()
