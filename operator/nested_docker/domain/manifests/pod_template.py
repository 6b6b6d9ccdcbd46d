"""A class's pod template under the operator's own fields, and what of it that loses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nested_docker.domain.objects import Manifest


@dataclass(frozen=True)
class ContainersOfTemplate:
    """What a pod template says of containers that are not its own.

    Attributes:
        by_name: their fields.
    """

    by_name: Mapping[str, Manifest]

    @classmethod
    def take(cls, template: Manifest, names: Collection[str]) -> ContainersOfTemplate:
        """Remove the containers of these names from a template's spec, and keep what it says of them."""
        listed = template.get("containers", [])
        if listed:
            template["containers"] = [container for container in listed if container.get("name") not in names]
        return cls({container["name"]: container for container in listed if container.get("name") in names})

    def of(self, name: str) -> Manifest:
        """The fields of a container; empty: none."""
        return self.by_name.get(name, {})

    def under(self, own: Manifest) -> Manifest:
        """The operator's own container, over what the template says of it."""
        return overlay(self.of(own["name"]), own)


def overlay(template: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`template`, overridden by `own`: mappings merge, and lists merge by their items' names, except lists of text."""
    merged = dict(template)
    for key, value in own.items():
        below = template.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = overlay(below, value)
        elif isinstance(value, list) and isinstance(below, list) and not any(isinstance(item, str) for item in value):
            mine = {item_key(item) for item in value}
            merged[key] = value + [item for item in below if item_key(item) not in mine]
        else:
            merged[key] = value
    return merged


def lost(template: Any, result: Any, path: str = "") -> Iterator[str]:
    """Paths of what a template has and an object made from it has not, or has otherwise.

    Args:
        template: a value of the template.
        result: the object's value at the same place.
        path: of both; empty: the whole template.
    """
    if isinstance(template, Mapping) and isinstance(result, Mapping):
        for key, value in template.items():
            yield from lost(value, result.get(key), f"{path}.{key}" if path else key)
    elif isinstance(template, list) and isinstance(result, list):
        there = {item_key(item): item for item in result}
        for item in template:
            yield from lost(item, there.get(item_key(item)), f"{path}[{item_key(item)}]")
    elif template != result:
        yield path


def item_key(item: Any) -> str:
    """By what Kubernetes tells items of a list apart: the path of a mount, the number of a port, or the name."""
    if not isinstance(item, Mapping):
        return str(item)
    return str(item.get("mountPath", item.get("name", item.get("containerPort", item))))
