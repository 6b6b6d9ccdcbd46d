"""Names for new images: the guard gives them at the end of a build or commit, right after it has checked them."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from nested_docker.guard.daemon.client import escape_name, query_daemon
from nested_docker.guard.daemon.references import References, changed
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.ownership import ObjectKind, Reference, Requirement
from nested_docker.relay.handler import OpenUpstream


async def tag_image(open_upstream: OpenUpstream, references: References, image: str, name: str) -> None:
    """Give an owned image a name.

    Args:
        open_upstream: connects to the daemon.
        references: looks up objects.
        image: full ID of the image.
        name: the name, with its tag.

    Raises:
        GuardDenied: the image is not owned, or another owner's image has the name.
        OSError: the daemon cannot be reached, or did not respond.
    """
    await references.find(Reference(ObjectKind.IMAGE, image, Requirement.OWNED))
    target = Reference(ObjectKind.IMAGE, name, Requirement.OWNED_OR_ABSENT)
    await references.find(target)
    repository, _, tag = name.rpartition(":")
    query = urlencode({"repo": repository, "tag": tag})
    status, response = await query_daemon(open_upstream, "POST", f"/images/{escape_name(image)}/tag?{query}")
    if status >= HTTPStatus.BAD_REQUEST:
        reason = response.get("message") if isinstance(response, dict) else f"status {status}"
        raise GuardDenied("daemon", f"cannot tag the image {name}: {reason}", status=HTTPStatus.CONFLICT)
    if (await references.find(target)).id != image:
        raise changed(target)


async def remove_image(open_upstream: OpenUpstream, image: str) -> None:
    """Remove an image that did not get its name.

    Raises:
        OSError: the daemon cannot be reached, or did not respond.
    """
    await query_daemon(open_upstream, "DELETE", f"/images/{escape_name(image)}")
