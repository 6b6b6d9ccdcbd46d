"""A service of a CI system: a daemon's container in the system's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nested_docker.convert.daemon_container import Surroundings, read_daemon_container
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, moved_paths
from nested_docker.convert.recognition import Replaced, replaced_kind

_FIELD = re.compile("[A-Za-z]+")
HOST_IS_GONE = "hosts of this name are gone; the daemon's is in DOCKER_HOST"


def is_dind_service(image: Any) -> bool:
    """Whether a service with this image is a daemon."""
    return replaced_kind({"image": image}) is Replaced.DIND


def read_service(
    service: Mapping[str, Any],
    container: Mapping[str, Any],
    words: Mapping[str, str],
    path: str,
    draft: SpecDraft,
    *,
    host_field: str,
) -> None:
    """Carry over what a service says, and name the rest.

    Args:
        service: as the input has it.
        container: what of it is a container's, in the words of Kubernetes.
        words: fields of the service by those of the container.
        path: where the service is.
        draft: what grows.
        host_field: field of the service with the host name that clients use.

    Raises:
        UnconvertibleError: a field has a type that no container can have.
    """
    own = SpecDraft()

    def in_words(text: str) -> str:
        """A text that begins with a path of the container, in the words of the service."""
        field = _FIELD.match(text.removeprefix(f"{path}."))
        if field is None or not text.startswith(f"{path}.") or field[0] not in words:
            return text
        return joined(path, words[field[0]]) + text.removeprefix(joined(path, field[0]))

    with moved_paths(in_words):
        read_daemon_container(container, Replaced.DIND, path, Surroundings({}), own)
    draft.add(own, lambda each: replace(each, path=in_words(each.path)))
    read = {words[field] for field in container}
    for field, value in service.items():
        if field not in read:
            draft.differs(joined(path, field), value, HOST_IS_GONE if field == host_field else "it is not carried over")
