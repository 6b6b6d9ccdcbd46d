"""The validating webhook: kopf serves it, the AdmissionReviewer decides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import kopf

from nested_docker.adapters.resources import RESOURCES
from nested_docker.controller.admission_reviewer import AdmissionReviewer, Review
from nested_docker.domain.ports import KubeError

logger = logging.getLogger(__name__)

WEBHOOK = "validate-nested-dockers"
"""kopf's id of the handler, which is also the path of the webhook."""

DENIED_STATUS, UNAVAILABLE_STATUS = 403, 503
"""HTTP status codes of denials: by policy, and because the request could not be reviewed."""


class AdmissionServer(kopf.WebhookServer):
    """kopf's webhook server; the event `listening` is set once it listens.

    Args:
        port: port to listen on.
        certificates: directory with tls.crt, tls.key and ca.crt; they are reloaded when they change.
    """

    def __init__(self, port: int, certificates: Path) -> None:
        super().__init__(
            port=port,
            certfile=certificates / "tls.crt",
            pkeyfile=certificates / "tls.key",
            cafile=certificates / "ca.crt",
        )
        self.listening = asyncio.Event()

    async def __call__(self, fn: Any) -> AsyncIterator[Any]:
        """Serve until cancelled; yields the client configuration that kopf asks for."""
        async for address in super().__call__(fn):
            self.listening.set()
            yield address


def register_webhook(
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    admission_reviewer: AdmissionReviewer,
    server: AdmissionServer,
) -> None:
    """Review creations and updates. The chart creates the webhook configuration; kopf must not manage it."""
    settings.admission.server = server
    settings.admission.managed = None
    resource = RESOURCES["NestedDocker"]
    group, _, version = resource.api_version.rpartition("/")
    kopf.on.validate(group, version, resource.plural, id=WEBHOOK, operations=["CREATE", "UPDATE"], registry=registry)(
        _handler(admission_reviewer)
    )


def _handler(admission_reviewer: AdmissionReviewer) -> Callable[..., Awaitable[None]]:
    async def validate(
        *,
        new: Any,
        old: Any,
        userinfo: Any,
        warnings: list[str],
        dryrun: bool,
        **_: Any,
    ) -> None:
        review = Review(
            user=userinfo,
            obj=dict(new),
            old=None if old is None else dict(old),
            dry_run=dryrun,
        )
        try:
            response = await admission_reviewer.review(review)
        except KubeError as error:
            logger.warning("a request was denied because it could not be reviewed: %s", error)
            message = f"the request could not be reviewed, try again: {error}"
            raise kopf.AdmissionError(message, UNAVAILABLE_STATUS) from error
        if not response.allowed:
            raise kopf.AdmissionError(f"{response.reason}: {response.message}", DENIED_STATUS)
        warnings.extend(response.warnings)

    return validate
