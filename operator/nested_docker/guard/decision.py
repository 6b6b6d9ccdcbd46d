"""The guard's decision on a request: pure, and the same for the proxy and for `nested-docker guard check`."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from nested_docker.api.meta import Enforcement
from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard import routes
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ApiRequest, ForwardPlan
from nested_docker.guard.ownership import OWNER_ANNOTATION, ObjectKind, Reference, Requirement, with_owner_label
from nested_docker.guard.routes import BodyKind, RouteMatch
from nested_docker.guard.rules.inherited import check_inherited
from nested_docker.guard.rules.parameters import check_parameters
from nested_docker.guard.rules.schema import any_object, any_string, require_spelling, string_array, string_map
from nested_docker.guard.wire import strict_json
from nested_docker.guard.wire.query import Query, parse_query
from nested_docker.guard.wire.target import Target, parse_target

METHODS = frozenset({"DELETE", "GET", "HEAD", "POST", "PUT"})
EMPTY_BODIES = frozenset({b"", b"{}", b"null"})
"""Bodies without any field."""

ALWAYS_ENFORCED = frozenset({"buildkit", "fields", "owner", "query", "routes", "swarm", "plugins", "debug"})
"""Rules that enforcement Warn and Audit do not waive: the guard cannot tell what the request would do, or it is not
about containers."""


@dataclass(frozen=True)
class ParsedRequest:
    """The parsed head of a request.

    Attributes:
        method: HTTP method.
        target: the canonical target.
        match: its route.
        query: its query parameters.
        others: parameters that the route does not have.
    """

    method: str
    target: Target
    match: RouteMatch
    query: Query
    others: Query


@dataclass(frozen=True)
class Decision:
    """A request may be forwarded.

    Attributes:
        forward_plan: what the daemon gets, and on which conditions.
        waived: the violation that enforcement Warn or Audit lets pass; None: there is none.
    """

    forward_plan: ForwardPlan
    waived: GuardDenied | None = None


def parse_request(method: str, target: bytes) -> ParsedRequest:
    """Parse a request line.

    Raises:
        GuardDenied: it is malformed, no route matches it, or a parameter has a value that it cannot have.
    """
    if method not in METHODS:
        raise GuardDenied("method", f"method {method} is not supported", status=HTTPStatus.BAD_REQUEST)
    parsed = parse_target(target)
    match = routes.match_route(method, parsed.path)
    if match.route.always_denied:
        return ParsedRequest(method, parsed, match, {}, {})
    known, others = parse_query(parsed.query, known=match.route.query)
    return ParsedRequest(method, parsed, match, check_parameters(match.route.template, known), others)


def decide(request: ParsedRequest, body: bytes, rules: GuardRules, uid: str) -> Decision:
    """Apply the rules to a request.

    Args:
        request: its head.
        body: its whole body; empty for streams, which the guard does not inspect, and for what the daemon ignores.
        rules: the rules.
        uid: UID of the NestedDocker that sends it.

    Raises:
        GuardDenied: it may not be forwarded.
    """
    document = _json_body(request, body)
    for key in request.others:
        if key not in document:
            raise GuardDenied("query", f"the guard does not support the parameter {key} for this request")
    # Some clients send each field as a parameter too, and each parameter as a field.
    fields = {key: value for key, value in document.items() if key not in request.query}
    api_request = ApiRequest(rules, uid, request.match.name, request.query, fields)
    try:
        return Decision(request.match.route.validate(api_request))
    except GuardDenied as denied:
        if request.match.route.always_denied or not _is_waivable(denied, rules):
            raise
        return Decision(_forward_unvalidated(request, api_request), denied)


def _json_body(request: ParsedRequest, body: bytes) -> dict[str, Any]:
    route = request.match.route
    if route.body is not BodyKind.JSON or route.always_denied or body.strip() in EMPTY_BODIES:
        return {}
    document = strict_json.parse_json(body)
    if not isinstance(document, dict):
        raise GuardDenied("body", "the request body is not a JSON object", status=HTTPStatus.BAD_REQUEST)
    return document


def _is_waivable(denied: GuardDenied, rules: GuardRules) -> bool:
    return (
        rules.enforcement is not Enforcement.ENFORCE
        and denied.status == HTTPStatus.FORBIDDEN
        and denied.rule not in ALWAYS_ENFORCED
    )


def _forward_unvalidated(request: ParsedRequest, api_request: ApiRequest) -> ForwardPlan:
    """The request unchanged, except for ownership: the object in its path must be owned, and what it creates is.

    Other objects that its body names may be another owner's: the rules that deny that are not enforced.
    """
    references = _path_reference(request)
    if request.match.route.body is not BodyKind.JSON:
        return ForwardPlan(request.query, None, references)
    body = dict(api_request.body)
    if request.target.segments[-1] != "create":
        return ForwardPlan(request.query, body, references)
    require_spelling(body, ("Env", "HostConfig", "Image", "Labels"), "")
    labels = string_map(body.get("Labels") or {}, "Labels")
    body["Labels"] = with_owner_label(labels, api_request.uid, where="Labels")
    if request.target.segments[0] == "containers":
        return _create_unvalidated(request, body, api_request.uid)
    return ForwardPlan(request.query, body)


def _create_unvalidated(request: ParsedRequest, body: dict[str, Any], uid: str) -> ForwardPlan:
    """A creation of a container with its owner, and without what only images may not give it."""
    host = any_object(body.get("HostConfig") or {}, "HostConfig")
    require_spelling(host, ("Annotations",), "HostConfig")
    string_map(host.get("Annotations") or {}, "HostConfig.Annotations")
    body["HostConfig"] = {**host, "Annotations": {**(host.get("Annotations") or {}), OWNER_ANNOTATION: uid}}
    image = any_string(body.get("Image") or "", "Image")
    string_array(body.get("Env") or [], "Env")
    references = (Reference(ObjectKind.IMAGE, image, Requirement.VISIBLE),)
    return ForwardPlan(request.query, body, references, complete=check_inherited)


def _path_reference(request: ParsedRequest) -> tuple[Reference, ...]:
    kind = _KINDS.get(request.target.segments[0])
    if not request.match.name or kind is None:
        return ()
    if kind is ObjectKind.IMAGE:
        return (Reference(kind, request.match.name, Requirement.VISIBLE),)
    return (Reference(kind, request.match.name, location=() if kind is ObjectKind.VOLUME else ("path",)),)


_KINDS = {
    "containers": ObjectKind.CONTAINER,
    "exec": ObjectKind.EXEC,
    "networks": ObjectKind.NETWORK,
    "volumes": ObjectKind.VOLUME,
    "images": ObjectKind.IMAGE,
}
