"""The admission webhook: the AdmissionReviewer decides, and no requester holds up the others."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
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

WAITING_PODS = 512
"""Reviews of pods of one namespace that may wait. A controller creates many pods at the same time, and a denial of one
may end a job; a review takes milliseconds."""

MUTATE_PATH, VALIDATE_PATH = "/mutate-nested-dockers", "/validate-nested-dockers"
"""Paths of the mutating and of the validating webhook, as in the chart's configurations."""

INJECT_PATH, JUDGE_PATH = "/inject-pods", "/judge-pods"
"""Paths of the mutating and of the validating webhook for pods that ask for a daemon."""

POD_PATHS = frozenset({INJECT_PATH, JUDGE_PATH})

ReviewRequest = Callable[[Review], Awaitable[AdmissionResponse]]
"""Reviews a request."""

ObserveReview = Callable[[str, int, float], None]
"""Called after each answer with the path, the HTTP status code of the decision (200: allowed) and the seconds."""


Decided = tuple[int, web.Response]
"""The status code of a decision, and the answer, whose own status is 200 also for a denial."""


class AdmissionServer:
    """The webhook's server, in the form that kopf runs; the event `listening` is set while it listens.

    kopf's own server and its handlers are not used: they bound neither connections nor time, and remember each
    object that a request names.

    Args:
        port: port to listen on.
        certificates: directory with tls.crt, tls.key and ca.crt; they are reloaded when they change.
        reviews: reviews a request, by the path that it is sent to.
        observe: the metric.
        bounds: of connections and requests.
    """

    def __init__(
        self,
        port: int,
        certificates: Path,
        reviews: Mapping[str, ReviewRequest],
        observe: ObserveReview,
        bounds: Bounds | None = None,
    ) -> None:
        self._reviews, self._observe = reviews, observe
        self._turns = FairShare(workers=WORKERS, share=SHARE, waiting=WAITING, patience=TURN_SECONDS)
        self._pod_turns = FairShare(workers=WORKERS, share=SHARE, waiting=WAITING_PODS, patience=TURN_SECONDS)
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
        if path not in self._reviews:
            return web.Response(status=404, text=f"the webhook has only the paths {', '.join(sorted(self._reviews))}")
        started = time.monotonic()
        code, response = await self._decided(path, body)
        self._observe(path, code, time.monotonic() - started)
        return response

    async def _decided(self, path: str, body: bytes) -> Decided:
        try:
            uid, review = _review_of(bounded_json.loads(body))
        except (AttributeError, LookupError, TypeError, ValueError):
            what = "pod" if path in POD_PATHS else "NestedDocker"
            return 400, web.Response(status=400, text=f"the body is not an AdmissionReview of a {what}")
        if isinstance(review.obj, PartialObject):
            message = f"{shorten(review.obj.missing)} is nested too deeply to be read: replace it, with fewer levels"
            return _denied(uid, DENIED_STATUS, message)
        return await self._reviewed(uid, review, path)

    async def _reviewed(self, uid: str, review: Review, path: str) -> Decided:
        try:
            async with self._turn(review, path), asyncio.timeout(REVIEW_SECONDS):
                response = await self._reviews[path](review)
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
        return 200, _respond({"uid": uid, "allowed": True, **_patch(response)}, response.warnings)

    def _turn(self, review: Review, path: str) -> AbstractAsyncContextManager[None]:
        """A turn of the user, or, since controllers create the pods of all, of the pod's namespace."""
        if path in POD_PATHS:
            return self._pod_turns.turn(f"namespace {shorten(review.obj['metadata']['namespace'])}")
        return self._turns.turn(shorten(str(review.user.get("username", "")) or "an unnamed user"))


def register_webhook(settings: kopf.OperatorSettings, server: AdmissionServer) -> None:
    """Make kopf run the server. The chart creates the webhook configuration; kopf must not manage it."""
    settings.admission.server = server
    settings.admission.managed = None


def _review_of(document: Any) -> tuple[str, Review]:
    """Uid and request of an AdmissionReview.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: it is not one of an object in a namespace.
    """
    request = document["request"]
    obj = bounded_json.partial_object(dict(request["object"]))
    metadata = obj["metadata"]
    # The namespace of the request counts; the object of a controller may have none yet.
    namespace = request.get("namespace") or metadata["namespace"]
    if not isinstance(namespace, str):
        raise TypeError(namespace)
    obj["metadata"] = metadata | {"namespace": namespace}
    review = Review(
        user=dict(request.get("userInfo") or {}),
        obj=obj,
        old=dict(request["oldObject"]) if request.get("oldObject") is not None else None,
        dry_run=bool(request.get("dryRun")),
    )
    return str(request["uid"]), review


def _patch(response: AdmissionResponse) -> dict[str, str]:
    if not response.patch:
        return {}
    return {"patchType": "JSONPatch", "patch": b64encode(json.dumps(response.patch).encode()).decode()}


def _denied(uid: str, code: int, message: str) -> Decided:
    status = {"code": code, "message": shorten(message, MESSAGE_LENGTH)}
    return code, _respond({"uid": uid, "allowed": False, "status": status}, ())


def _respond(response: dict[str, Any], warnings: tuple[str, ...]) -> web.Response:
    if warnings:
        response["warnings"] = [shorten(warning, MESSAGE_LENGTH) for warning in warnings]
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    return web.Response(text=json.dumps(document), content_type="application/json")
