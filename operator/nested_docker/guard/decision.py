"""The guard's decision on a request: pure, and the same for the proxy and for `nested-docker guard check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nested_docker.api.meta import Enforcement
from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard import routes
from nested_docker.guard.errors import FORBIDDEN, MALFORMED, GuardDenied
from nested_docker.guard.model import ApiRequest, ForwardPlan
from nested_docker.guard.ownership import Kind, Need, Reference, labels
from nested_docker.guard.routes import Body, Routed
from nested_docker.guard.rules.schema import text_map
from nested_docker.guard.wire import query
from nested_docker.guard.wire import strict_json as bodies
from nested_docker.guard.wire.target import Target, canonical

METHODS = frozenset({"DELETE", "GET", "HEAD", "POST", "PUT"})
EMPTY = frozenset({b"", b"{}", b"null"})
"""Bodies that some clients send where there is nothing to say."""

NEVER_WAIVED = frozenset({"buildkit", "fields", "owner", "query", "routes", "swarm", "plugins", "debug"})
"""What is refused in modes Warn and Audit too: nobody could tell what it would do, or it is not about containers."""


@dataclass(frozen=True)
class Request:
    """A request whose head was read, in its only spelling."""

    method: str
    target: Target
    routed: Routed
    query: query.Query


@dataclass(frozen=True)
class Decision:
    """What is passed on.

    Attributes:
        verdict: the request for the daemon, and its conditions.
        waived: what the rules forbid of it; None: nothing.
    """

    forward_plan: ForwardPlan
    waived: GuardDenied | None = None


def read(method: str, target: bytes) -> Request:
    """Read a request's first line.

    Raises:
        Refusal: it is malformed, or has no route.
    """
    if method not in METHODS:
        raise GuardDenied("method", f"the guard does not know the method {method}", status=MALFORMED)
    where = canonical(target)
    routed = routes.find(method, where.path)
    api_request = {} if routed.route.closed else query.parse(where.query, known=_known(routed))
    return Request(method, where, routed, api_request)


def decide(request: Request, body: bytes, rules: GuardRules, uid: str) -> Decision:
    """Judge a request.

    Args:
        request: its head.
        body: all of it, but for streams, of which nothing is seen.
        rules: what it is judged by.
        uid: the owner's.

    Raises:
        Refusal: it is not passed on.
    """
    api_request = ApiRequest(rules, uid, request.routed.name, request.query, _document(request, body))
    try:
        return Decision(request.routed.route.validate(api_request))
    except GuardDenied as denied:
        if request.routed.route.closed or not _waivable(denied, rules):
            raise
        return Decision(_unjudged(request, api_request), denied)


def _known(routed: Routed) -> frozenset[str]:
    return frozenset(routed.route.query)


def _document(request: Request, body: bytes) -> dict[str, Any]:
    if request.routed.route.body is Body.STREAM or request.routed.route.closed:
        return {}
    if body.strip() in EMPTY:
        return {}
    if request.routed.route.body is Body.NOTHING:
        raise GuardDenied("body", f"{request.method} {request.target.path} has no body", status=MALFORMED)
    document = bodies.parse(body)
    if not isinstance(document, dict):
        raise GuardDenied("body", "the request's body is not an object", status=MALFORMED)
    return document


def _waivable(denied: GuardDenied, rules: GuardRules) -> bool:
    return (
        rules.enforcement is not Enforcement.ENFORCE and denied.status == FORBIDDEN and denied.rule not in NEVER_WAIVED
    )


def _unjudged(request: Request, api_request: ApiRequest) -> ForwardPlan:
    """The request as it came, but for whose the objects are: that of its path must be one's own, and what it makes is.

    An object that only its body speaks of may be somebody else's: the rules that forbid that are not in force.
    """
    references = _of_path(request)
    body = dict(api_request.body) if request.routed.route.body is Body.JSON else None
    if body is not None and request.target.segments[-1] == "create":
        body["Labels"] = labels(text_map(body.get("Labels") or {}, "Labels"), api_request.uid, where="Labels")
    return ForwardPlan(request.query, body, references)


def _of_path(request: Request) -> tuple[Reference, ...]:
    kind = _KINDS.get(request.target.segments[0])
    if not request.routed.name or kind is None:
        return ()
    if kind is Kind.IMAGE:
        return (Reference(kind, request.routed.name, Need.VISIBLE),)
    return (Reference(kind, request.routed.name, place=() if kind is Kind.VOLUME else ("path",)),)


_KINDS = {
    "containers": Kind.CONTAINER,
    "exec": Kind.EXEC,
    "networks": Kind.NETWORK,
    "volumes": Kind.VOLUME,
    "images": Kind.IMAGE,
}
