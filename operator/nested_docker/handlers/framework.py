"""Configures kopf as an informer: it stores no state in objects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from nested_docker.handlers import reading

logger = logging.getLogger(__name__)

UNUSED_FINALIZER = "nesteddocker.dev/kopf-does-not-use-finalizers"
"""kopf removes its finalizer from kinds with only event handlers, so this name must be one that nobody uses."""

WATCH_INACTIVITY_SECONDS = 70
"""A watch without any event for this long is restarted; the API server sends a bookmark every minute."""


class NoDiffStorage(kopf.DiffBaseStorage):
    """Avoids a copy of every object at every event: kopf needs it only for change handlers, which we do not have."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """An empty essence, so that nothing is compared."""
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """None: nothing is stored."""
        return None

    def store(self, **_: Any) -> None:
        """Do nothing."""


def kopf_settings() -> kopf.OperatorSettings:
    """Settings that make kopf an informer."""
    configured = kopf.OperatorSettings()
    configured.persistence.finalizer = UNUSED_FINALIZER
    configured.persistence.diffbase_storage = NoDiffStorage()
    configured.posting.enabled = False
    configured.scanning.disabled = False
    configured.watching.inactivity_timeout = WATCH_INACTIVITY_SECONDS
    configured.networking.connect_timeout = 30
    configured.execution.max_workers = 8
    return configured


def kopf_registry(on_stop: Callable[[], Awaitable[None]]) -> kopf.OperatorRegistry:
    """A registry that logs in with the pod's service account, else with the current kubeconfig context.

    Args:
        on_stop: called when kopf has stopped watching, before it waits for other tasks.
    """

    async def stop(**_: Any) -> None:
        await on_stop()

    created = kopf.OperatorRegistry()
    kopf.on.cleanup(id="stop", registry=created)(stop)
    kopf.on.login(id="login", registry=created, errors=kopf.ErrorsMode.TEMPORARY)(_login)
    return created


def handle_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error that the event loop caught.

    One kind is harmless: when the loop ends it closes kopf's watch streams, and some of them raise an error then.
    """
    if "asyncgen" in context:
        logger.debug("%s: %s", context["message"], context.get("exception"))
    else:
        loop.default_exception_handler(context)


async def _login(**kwargs: Any) -> kopf.AiohttpSession | None:
    info = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
    return reading.session_for_kopf(info) if info is not None else None
