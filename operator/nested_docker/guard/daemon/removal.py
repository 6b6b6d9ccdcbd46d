"""Removal of every object of one owner, through the node's own socket."""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from nested_docker.guard.ownership import IMAGE_LABEL, UID_LABEL, is_build_step, is_owned_container, is_owned_image

logger = logging.getLogger(__package__)

MAX_PASSES = 60
PAUSE_SECONDS = 1.0
SETTLE_SECONDS = 2.0
"""Time after which the daemon has completed the requests of a guard that has stopped."""

MAX_FAILED_PASSES = 10
"""After that many the process exits, so that the kubelet restarts it: a restarted daemon has another socket file."""

REQUEST_SECONDS = 60

NO_TAG = "<none>:<none>"
"""The tag of an untagged image in daemons up to version 24."""

Removed = Counter[str]
"""Number of removed objects by kind."""


class NotCleanError(Exception):
    """An object could not be removed; the message has its name and the daemon's error."""


def remove_all(path: str, uid: str, *, sleep: Callable[[float], None] = time.sleep) -> Removed:
    """Remove an owner's containers with their anonymous volumes, then networks, volumes and images.

    It returns when two passes, SETTLE_SECONDS apart, find nothing. Images that another owner's container uses stay.

    Args:
        path: path of the daemon's socket.
        uid: the owner's UID.
        sleep: waits for that many seconds.

    Raises:
        NotCleanError: an object could not be removed within MAX_PASSES, or the daemon did not respond in
            MAX_FAILED_PASSES passes.
    """
    removed: Removed = Counter()
    quiet, failed_passes = False, 0
    failure = ""
    for _ in range(MAX_PASSES):
        try:
            found, failure = _one_pass(path, uid, removed)
            failed_passes = 0
        except (DockerException, RequestException, OSError) as error:
            found, failed_passes = True, failed_passes + 1
            failure = f"the node's Docker daemon does not answer: {error}"
            if failed_passes == MAX_FAILED_PASSES:
                break
        if not found and quiet:
            return removed
        quiet = not found
        sleep(SETTLE_SECONDS if quiet else PAUSE_SECONDS)
    raise NotCleanError(failure or "new objects appear during removal: a client still uses the socket for this owner")


def _one_pass(path: str, uid: str, removed: Removed) -> tuple[bool, str]:
    """Whether the pass found any object, and the first error of a removal; empty: none."""
    with socket.socket(socket.AF_UNIX) as probe:  # the SDK leaks a socket if nothing listens
        probe.connect(path)
    client = docker.APIClient(base_url=f"unix://{path}", version="auto", timeout=REQUEST_SECONDS)
    try:
        found, failure = False, ""
        for kind, name, remove in _owned(client, uid):
            found = True
            try:
                remove()
            except APIError as error:
                if error.status_code != 404:
                    failure = failure or f"{kind} {name}: {error.explanation}"
                    logger.warning("cannot remove %s %s yet: %s", kind, name, error.explanation)
                continue
            removed[kind] += 1
            logger.info("removed %s %s", kind, name)
        _remove_images(client, uid, removed)
        return found, failure
    finally:
        client.close()


def _owned(client: Any, uid: str) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """Kind, name and removal of each object, in an order in which the daemon removes them."""
    label = {"label": f"{UID_LABEL}={uid}"}
    for each in client.containers(all=True):
        if _is_container_of(client, each["Id"], uid):
            yield "container", each["Id"], partial(client.remove_container, each["Id"], v=True, force=True)
    for each in client.networks(filters=label):
        yield "network", each["Name"], partial(client.remove_network, each["Id"])
    for each in client.volumes(filters=label)["Volumes"] or ():
        yield "volume", each["Name"], partial(client.remove_volume, each["Name"], force=True)


def _is_container_of(client: Any, container: str, uid: str) -> bool:
    """Whether a container is the owner's, or a step of the owner's build. Its labels may be those of its image."""
    try:
        inspected = client.inspect_container(container)
    except NotFound:  # it has ended
        return False
    return is_owned_container(inspected, uid) or is_build_step(inspected, uid)


def _remove_images(client: Any, uid: str, removed: Removed) -> None:
    """Untag images, and remove untagged ones; those in use stay, since another owner's container uses them."""
    images = client.images(filters={"label": f"{IMAGE_LABEL}={uid}"}, all=True)
    for image in (each for each in images if is_owned_image(each, uid)):
        for name in [tag for tag in image["RepoTags"] or () if tag != NO_TAG] or [image["Id"]]:
            try:
                client.remove_image(name)
            except APIError as error:
                logger.info("cannot remove image %s: %s", name, error.explanation)
            else:
                removed["image"] += 1
