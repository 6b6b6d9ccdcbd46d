"""Credentials of a kubeconfig that end: they are read again in time, and never those of another user or cluster."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

from kubernetes.aio.client import Configuration

from nested_docker.adapters.kubeconfig import UNUSABLE, ContextLoader, UserContext, header_value

REFRESH_SECONDS = 60.0
"""The credentials are read again at most so often: those of exec plugins expire, often after minutes."""
AFTER_REFUSAL_SECONDS = 10.0
"""After a refusal they are read again only if they are older than this: a plugin may be slow."""

Read = Callable[[], tuple[ContextLoader, UserContext]]
"""Reads the kubeconfig, always with the same name of the context."""


class Renewal:
    """Keeps the credentials of one user of one cluster fresh.

    Args:
        read: reads the kubeconfig again.
        context: whose credentials they are.
        configuration: of the connection.
        use_certificate: makes later connections use a certificate and its key.
    """

    def __init__(
        self,
        read: Read,
        context: UserContext,
        configuration: Configuration,
        use_certificate: Callable[[str, str], None],
    ) -> None:
        self._read, self._context, self._use_certificate = read, context, use_certificate
        self._configuration = configuration
        self._last = time.monotonic()
        self._expires: datetime | None = None
        self._ends = False
        self._renewed = False
        self._lock = asyncio.Lock()

    async def load(self, loader: ContextLoader) -> None:
        """Put the first credentials into the configuration; an exec plugin runs for that."""
        await self._load(loader, self._configuration)

    async def _load(self, loader: ContextLoader, configuration: Configuration) -> None:
        await loader.load_and_set(configuration)
        if "BearerToken" in configuration.api_key:
            configuration.api_key["BearerToken"] = header_value(configuration.api_key["BearerToken"], "its token")
        self._expires = loader.expires
        self._ends = "BearerToken" in configuration.api_key or loader.has_plugin_certificate

    async def before_request(self) -> None:
        """Read the credentials again before they end; if that fails, the old ones are tried."""
        left = (self._expires - datetime.now(UTC)).total_seconds() if self._expires is not None else 0.0
        if self._ends and time.monotonic() - self._last >= REFRESH_SECONDS and left <= REFRESH_SECONDS:
            await self._renew()

    async def after_refusal(self) -> bool:
        """Read the credentials again; whether a request that was refused may be sent once more."""
        async with self._lock:
            if time.monotonic() - self._last < AFTER_REFUSAL_SECONDS:
                return self._renewed
            return await self._renew()

    async def _renew(self) -> bool:
        self._last = time.monotonic()
        fresh = Configuration()
        with contextlib.suppress(*UNUSABLE):
            loader, context = self._read()
            if not context.is_same_user(self._context):  # they must not reach the cluster of the connections
                return False
            await self._load(loader, fresh)
            if fresh.cert_file:
                self._use_certificate(fresh.cert_file, fresh.key_file)
            self._configuration.api_key = fresh.api_key or self._configuration.api_key
            self._renewed = True
            return True
        return False
