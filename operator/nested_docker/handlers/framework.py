"""How kopf is set up: as an informer, never as a keeper of state in objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

UNUSED_FINALIZER = "nesteddocker.dev/kopf-does-not-use-finalizers"
"""kopf removes its own finalizer wherever only event handlers stand, so its own must be nobody's."""

WATCH_INACTIVITY_SECONDS = 70
"""A watch without even a bookmark for this long is taken for dead; bookmarks come every minute."""


class NoDiff(kopf.DiffBaseStorage):
    """kopf would copy every object at every event, to tell handlers that we do not have what has changed."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing is worth comparing."""
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """Nothing was ever kept."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is kept."""


def settings() -> kopf.OperatorSettings:
    """Kopf's settings."""
    configured = kopf.OperatorSettings()
    configured.persistence.finalizer = UNUSED_FINALIZER
    configured.persistence.diffbase_storage = NoDiff()
    configured.posting.enabled = False
    configured.scanning.disabled = False
    configured.watching.inactivity_timeout = WATCH_INACTIVITY_SECONDS
    configured.networking.connect_timeout = 30
    configured.execution.max_workers = 8
    return configured


def registry(on_stop: Callable[[], Awaitable[None]]) -> kopf.OperatorRegistry:
    """A registry with our way of logging in: the pod's service account, else the current kubeconfig.

    Args:
        on_stop: called when kopf has stopped watching, before it waits for tasks that are not its own.
    """

    async def stop(**_: Any) -> None:
        await on_stop()

    created = kopf.OperatorRegistry()
    kopf.on.cleanup(id="stop", registry=created)(stop)
    kopf.on.login(id="login", registry=created, errors=kopf.ErrorsMode.TEMPORARY)(_login)
    return created


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
