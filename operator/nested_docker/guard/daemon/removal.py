"""Removal of everything that the guard has labelled as one owner's, by the node's own socket."""

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

from nested_docker.guard.ownership import IMAGE_LABEL, UID_LABEL, build_mark, is_own

logger = logging.getLogger(__package__)

PASSES = 60
PAUSE_SECONDS = 1.0
SETTLE_SECONDS = 2.0
"""Time after which nothing is on its way any more that a guard had asked the daemon for before it ended."""

PASSES_WITHOUT_ANSWER = 10
"""After which to give up, and be started again by the kubelet: a daemon that was restarted has another socket file."""

REQUEST_SECONDS = 60

NO_TAG = "<none>:<none>"
"""What daemons up to 24 call an image without a tag."""

Removed = Counter[str]
"""How many of each kind of object are gone."""


class NotCleanError(Exception):
    """Something is still there; the message says what, and what the daemon says of it."""


def remove_all(path: str, uid: str, *, sleep: Callable[[float], None] = time.sleep) -> Removed:
    """Remove an owner's containers with their nameless volumes, then networks, volumes and images.

    Done means that nothing is found twice, some time apart. Images that somebody else's container uses are left.

    Args:
        path: of the daemon's socket.
        uid: the owner's.
        sleep: waits that many seconds.

    Raises:
        NotCleanError: something could not be removed in a minute, or the daemon does not answer for a while.
    """
    removed: Removed = Counter()
    quiet, silent = False, 0
    failure = ""
    for _ in range(PASSES):
        try:
            found, failure = _one_pass(path, uid, removed)
            silent = 0
        except (DockerException, RequestException, OSError) as error:
            found, silent = True, silent + 1
            failure = f"the node's Docker daemon does not answer: {error}"
            if silent == PASSES_WITHOUT_ANSWER:
                break
        if not found and quiet:
            return removed
        quiet = not found
        sleep(SETTLE_SECONDS if quiet else PAUSE_SECONDS)
    raise NotCleanError(failure or "what is removed comes back: somebody still uses the socket for this owner")


def _one_pass(path: str, uid: str, removed: Removed) -> tuple[bool, str]:
    """Whether anything was there, and what stood in the way of the first thing that stays."""
    with socket.socket(socket.AF_UNIX) as probe:  # the SDK leaks a socket where nobody listens
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
                    logger.warning("%s %s stays for now: %s", kind, name, error.explanation)
                continue
            removed[kind] += 1
            logger.info("removed %s %s", kind, name)
        _remove_images(client, uid, removed)
        return found, failure
    finally:
        client.close()


def _owned(client: Any, uid: str) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """What must go, in an order in which it can, each with its removal."""
    label = {"label": f"{UID_LABEL}={uid}"}
    for each in client.containers(all=True):
        if is_own(each.get("Labels"), uid) or _is_step_of_build(client, each["Id"], uid):
            yield "container", each["Id"], partial(client.remove_container, each["Id"], v=True, force=True)
    for each in client.networks(filters=label):
        yield "network", each["Name"], partial(client.remove_network, each["Id"])
    for each in client.volumes(filters=label)["Volumes"] or ():
        yield "volume", each["Name"], partial(client.remove_volume, each["Name"], force=True)


def _is_step_of_build(client: Any, container: str, uid: str) -> bool:
    """Whether a container is a build's that is under way, or ended with the daemon; its labels are the Dockerfile's."""
    try:
        host = client.inspect_container(container)["HostConfig"]
    except NotFound:  # builds come and go
        return False
    return build_mark(uid) in (host.get("ExtraHosts") or ())


def _remove_images(client: Any, uid: str, removed: Removed) -> None:
    """Names first, then what has none; what is in use stays, since it is in somebody else's use."""
    for image in client.images(filters={"label": f"{IMAGE_LABEL}={uid}"}, all=True):
        for name in [tag for tag in image["RepoTags"] or () if tag != NO_TAG] or [image["Id"]]:
            try:
                client.remove_image(name)
            except APIError as error:
                logger.info("image %s stays: %s", name, error.explanation)
            else:
                removed["image"] += 1
