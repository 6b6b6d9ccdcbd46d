"""The containers of a pod, each with its path in the input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.fields import joined, objects_at, text_at, texts_at
from nested_docker.domain.injection.request import MOST_CONTAINERS

INIT_CONTAINERS = "initContainers"
LISTS = (INIT_CONTAINERS, "containers")
"""Fields of a pod's spec with containers."""


@dataclass(frozen=True)
class PlacedContainer:
    """A container.

    Its properties raise UnconvertibleError if a field has a type that no container can have.

    Attributes:
        path: where it is.
        container: as in the pod.
        field: that has it, one of LISTS.
    """

    path: str
    container: dict[str, Any]
    field: str

    @property
    def name(self) -> Any:
        """As the input has it."""
        return self.container.get("name")

    @property
    def is_native_sidecar(self) -> bool:
        """Whether it runs beside the others for as long as they do."""
        return self.container.get("restartPolicy") == "Always"

    @property
    def variables(self) -> list[dict[str, Any]]:
        """The environment."""
        return self._named("env")

    @property
    def mounts(self) -> list[dict[str, Any]]:
        """The mounts of volumes."""
        return self._named("volumeMounts")

    @property
    def mounted(self) -> set[str]:
        """Names of the volumes."""
        return {str(mount.get("name") or "") for mount in self.mounts}

    def has_variable(self, name: str) -> bool:
        """Whether the environment has a variable."""
        return any(each.get("name") == name for each in self.variables)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Words of the command line and values of variables, with their paths."""
        for field in ("command", "args"):
            for number, word in enumerate(texts_at(self.container.get(field), joined(self.path, field))):
                yield joined(self.path, field, number), word
        for number, variable in enumerate(self.variables):
            yield joined(self.path, "env", number), str(variable.get("value", ""))

    def _named(self, field: str) -> list[dict[str, Any]]:
        """The objects in a list of the container, each of which has a name."""
        path = joined(self.path, field)
        found = objects_at(self.container.get(field), path)
        for number, each in enumerate(found):
            text_at(each.get("name"), joined(path, number, "name"))
        return found


def containers_of(spec: Mapping[str, Any], path: str) -> list[PlacedContainer]:
    """The containers of a pod, in the order in which they run.

    Args:
        spec: of the pod.
        path: of what has the spec.

    Raises:
        UnconvertibleError: a field has a type that no pod can have, or there are too many containers.
    """
    found = []
    for field in LISTS:
        where = joined(path, "spec", field)
        containers = objects_at(spec.get(field), where)
        if len(containers) > MOST_CONTAINERS:
            raise UnconvertibleError(
                f"{where} has {len(containers)} containers, and no node runs a pod with more than {MOST_CONTAINERS}",
                "give only manifests of pods that can run",
            )
        found += [PlacedContainer(joined(where, number), each, field) for number, each in enumerate(containers)]
    return found
