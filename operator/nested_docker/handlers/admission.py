"""The admission webhook: the AdmissionReviewer decides, and no requester holds up the others."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import kopf
from aiohttp import web

from nested_docker.adapters import bounded_json
from nested_docker.controller.admission_reviewer import AdmissionResponse, Review
from nested_docker.domain.partial import PartialObject
from nested_docker.domain.ports import KubeError
from nested_docker.domain.shown import MESSAGE_LENGTH, shorten
from nested_docker.handlers.fair_share import FairShare, NoTurn
from nested_docker.handlers.webhook_server import Bounds, WebhookServer

logger = logging.getLogger(__name__)

DENIED_STATUS, BUSY_STATUS, UNAVAILABLE_STATUS = 403, 429, 503
"""HTTP status codes of denials: by policy, for too many requests, and because the request could not be reviewed."""

WORKERS, SHARE, WAITING = 8, 2, 16
"""Reviews at the same time; of one user at the same time; and of one user that may wait."""

TURN_SECONDS, REVIEW_SECONDS = 2.0, 2.5
"""For a turn and for a review. The API server waits 5 seconds."""

MUTATE_PATH, VALIDATE_PATH = "/mutate-nested-dockers", "/validate-nested-dockers"
"""Paths of the mutating and of the validating webhook, as in the chart's configurations."""

ReviewRequest = Callable[[Review], Awaitable[AdmissionResponse]]
"""Reviews a request."""


class AdmissionServer:
    """The webhook's server, in the form that kopf runs; the event `listening` is set while it listens.

    kopf's own server and its handlers are not used: they bound neither connections nor time, and remember each
    object that a request names.

    Args:
        port: port to listen on.
        certificates: directory with tls.crt, tls.key and ca.crt; they are reloaded when they change.
        reviews: reviews a request, by the path that it is sent to.
        bounds: of connections and requests.
    """

    def __init__(
        self, port: int, certificates: Path, reviews: Mapping[str, ReviewRequest], bounds: Bounds | None = None
    ) -> None:
        self._reviews = reviews
        self._turns = FairShare(workers=WORKERS, share=SHARE, waiting=WAITING, patience=TURN_SECONDS)
        self.server = WebhookServer(port, certificates, self._answer, bounds)
        self.listening = asyncio.Event()

    async def __call__(self, _fn: Any) -> AsyncIterator[Any]:
        """Serve until cancelled; yields the client configuration that kopf asks for, and that nobody uses."""
        serving = asyncio.create_task(self.server.run(self.listening), name="webhook")
        try:
            yield {}
            await serving
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def _answer(self, path: str, body: bytes) -> web.Response:
        review_request = self._reviews.get(path)
        if review_request is None:
            return web.Response(status=404, text=f"the webhook has only the paths {', '.join(sorted(self._reviews))}")
        try:
            document = bounded_json.loads(body)
            request = document["request"]
            uid, user = str(request["uid"]), dict(request.get("userInfo") or {})
            review = Review(
                user=user,
                obj=bounded_json.partial_object(dict(request["object"])),
                old=dict(request["oldObject"]) if request.get("oldObject") is not None else None,
                dry_run=bool(request.get("dryRun")),
            )
            namespace = review.obj["metadata"]["namespace"]
        except (AttributeError, LookupError, TypeError, ValueError):
            return web.Response(status=400, text="the body is not an AdmissionReview of a NestedDocker")
        if not isinstance(namespace, str):
            return web.Response(status=400, text="the body is not an AdmissionReview of a NestedDocker")
        if isinstance(review.obj, PartialObject):
            message = f"{shorten(review.obj.missing)} is nested too deeply to be read: replace it, with fewer levels"
            return _denied(uid, DENIED_STATUS, message)
        return await self._reviewed(uid, review, review_request)

    async def _reviewed(self, uid: str, review: Review, review_request: ReviewRequest) -> web.Response:
        name = shorten(str(review.user.get("username", "")) or "an unnamed user")
        try:
            async with self._turns.turn(name), asyncio.timeout(REVIEW_SECONDS):
                response = await review_request(review)
        except NoTurn as error:
            logger.warning("a request was denied because its user has too many: %s", error)
            return _denied(uid, BUSY_STATUS, f"{error}: send fewer requests at the same time, and try again")
        except (KubeError, TimeoutError) as error:
            problem = str(error) or f"the review took longer than {REVIEW_SECONDS:g} s"
            logger.warning("a request was denied because it could not be reviewed: %s", problem)
            return _denied(uid, UNAVAILABLE_STATUS, f"the request could not be reviewed, try again: {problem}")
        except Exception:
            logger.exception("a defect in the operator: a request could not be reviewed")
            return _denied(uid, 500, "the request could not be reviewed because of a defect in the operator")
        if not response.allowed:
            return _denied(uid, DENIED_STATUS, f"{response.reason}: {response.message}")
        return _respond({"uid": uid, "allowed": True, **_patch(response)}, response.warnings)


def register_webhook(settings: kopf.OperatorSettings, server: AdmissionServer) -> None:
    """Make kopf run the server. The chart creates the webhook configuration; kopf must not manage it."""
    settings.admission.server = server
    settings.admission.managed = None


def _patch(response: AdmissionResponse) -> dict[str, str]:
    if not response.patch:
        return {}
    return {"patchType": "JSONPatch", "patch": b64encode(json.dumps(response.patch).encode()).decode()}


def _denied(uid: str, code: int, message: str) -> web.Response:
    status = {"code": code, "message": shorten(message, MESSAGE_LENGTH)}
    return _respond({"uid": uid, "allowed": False, "status": status}, ())


def _respond(response: dict[str, Any], warnings: tuple[str, ...]) -> web.Response:
    if warnings:
        response["warnings"] = [shorten(warning, MESSAGE_LENGTH) for warning in warnings]
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    return web.Response(text=json.dumps(document), content_type="application/json")
