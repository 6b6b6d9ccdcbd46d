"""Watches: one event handler per kind, which only passes the object to the router."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from nested_docker.adapters.resources import RESOURCES
from nested_docker.controller.cache import CHILD_KINDS, GOVERNING_KINDS
from nested_docker.controller.routing import Router
from nested_docker.domain.names import WATCH_SELECTOR
from nested_docker.handlers.reading import read_object

WATCHED = ("NestedDocker", *GOVERNING_KINDS, "Namespace", *CHILD_KINDS)


def register_watches(registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings, router: Router) -> None:
    """Watch every kind that a reconciliation depends on; of children, only those with the operator's labels."""
    for kind in WATCHED:
        resource = RESOURCES[kind]
        group, _, version = resource.api_version.rpartition("/")
        kopf.on.event(group, version, resource.plural, id=f"watch-{resource.plural}", registry=registry)(
            _handler(kind, router)
        )
        if kind in CHILD_KINDS:
            settings.watching.label_selectors[group, version, resource.plural] = WATCH_SELECTOR


def _handler(kind: str, router: Router) -> Callable[..., Awaitable[None]]:
    async def on_event(event: kopf.RawEvent, **_: Any) -> None:
        obj = read_object(event)
        if event["type"] == "DELETED":
            router.gone(kind, obj)
        else:
            router.seen(kind, obj)

    return on_event
