"""Responses without the guard's own labels and annotations: a client finds its objects as it has created them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nested_docker.guard.model import JsonObject
from nested_docker.guard.ownership import CREATION_ANNOTATION, IMAGE_LABEL, OWNER_ANNOTATION, UID_LABEL
from nested_docker.guard.wire.api_version import ApiVersion

MARKS = frozenset({UID_LABEL, IMAGE_LABEL, OWNER_ANNOTATION, CREATION_ANNOTATION})
"""Keys of labels and annotations that the guard writes."""

NO_EMPTY_LABELS: ApiVersion = (1, 52)
"""From this version on the daemon leaves out what an image's configuration has not."""

Hide = Callable[[Any], Any]


def hide_marks(route: str, response: Any, version: ApiVersion) -> Any:
    """The JSON of a response without marks.

    Args:
        route: method and template of the route.
        response: the daemon's JSON.
        version: the API version in which the daemon has answered.
    """
    hide = (HIDING_IMAGES_WITHOUT_LABELS if version >= NO_EMPTY_LABELS else {}).get(route) or HIDING.get(route)
    return response if hide is None else hide(response)


def hide_in_event(event: JsonObject) -> JsonObject:
    """An event without marks: its actor has the labels of the object as attributes."""
    return _at("Actor", _without("Attributes", {}))(event)  # type: ignore[no-any-return]


def _without(field: str, empty: dict[str, str] | None) -> Hide:
    """Hides marks in a field; `empty` is what the daemon says of an object that has none."""

    def hide(holder: Any) -> Any:
        labels = holder.get(field) if isinstance(holder, dict) else None
        if not isinstance(labels, dict) or not MARKS & labels.keys():
            return holder
        return {**holder, field: {key: value for key, value in labels.items() if key not in MARKS} or empty}

    return hide


def _without_or_left_out(field: str) -> Hide:
    """Hides marks in a field that the daemon leaves out of an object that has none."""

    def hide(holder: Any) -> Any:
        hidden = _without(field, None)(holder)
        if isinstance(hidden, dict) and hidden.get(field, "") is None:
            return {key: value for key, value in hidden.items() if key != field}
        return hidden

    return hide


def _at(field: str, hide: Hide) -> Hide:
    """Hides marks in an inner object or list, if there is one."""
    return lambda holder: (
        {**holder, field: hide(holder[field])} if isinstance(holder, dict) and holder.get(field) else holder
    )


def _each(hide: Hide) -> Hide:
    """Hides marks in each object of a list."""
    return lambda objects: [hide(each) for each in objects] if isinstance(objects, list) else objects


def _all(*hides: Hide) -> Hide:
    """Hides marks in several places."""

    def hide(response: Any) -> Any:
        for each in hides:
            response = each(response)
        return response

    return hide


_CONTAINER, _NETWORK = _without("Labels", {}), _without("Labels", {})
_IMAGE, _VOLUME = _without("Labels", None), _without("Labels", None)


def _listed_image(image: Any) -> Any:
    """Hides marks in an image of a list: containerd's store, which alone has descriptors, says {} and not null."""
    stored = isinstance(image, dict) and image.get("Descriptor") is not None
    return (_without("Labels", {}) if stored else _IMAGE)(image)


HIDING: Mapping[str, Hide] = {
    "GET /containers/json": _each(_CONTAINER),
    "GET /containers/{id}/json": _all(
        _at("Config", _CONTAINER), _at("HostConfig", _without_or_left_out("Annotations"))
    ),
    "GET /images/json": _each(_listed_image),
    "GET /images/{name}/json": _all(_at("Config", _IMAGE), _at("ContainerConfig", _IMAGE)),
    "GET /networks": _each(_NETWORK),
    "GET /networks/{id}": _NETWORK,
    "GET /volumes": _at("Volumes", _each(_VOLUME)),
    "GET /volumes/{id}": _VOLUME,
    "POST /volumes/create": _VOLUME,
    "GET /system/df": _all(
        _at("Containers", _each(_CONTAINER)), _at("Images", _each(_listed_image)), _at("Volumes", _each(_VOLUME))
    ),
}
"""By route, what hides the marks in the JSON of its response. All routes that show labels are here, but for events."""

HIDING_IMAGES_WITHOUT_LABELS: Mapping[str, Hide] = {
    "GET /images/{name}/json": _all(_at("Config", _without_or_left_out("Labels")), _at("ContainerConfig", _IMAGE)),
}
"""In place of those, where the daemon leaves out labels that an image has not."""
