"""What has changed between API versions: requests of older clients, and responses for them, are translated.

The daemon gets all requests in one version, so that the rules are about what the daemon does, and no older version can
give a request another meaning. A field or parameter that older versions ignored has its present meaning, or is left
out if an older client can mean something else by it; no default is restored that gives a container more than today's
default. `tests/unit/guard/rules/test_api_changes.py` has every difference between the versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nested_docker.guard.model import JsonObject
from nested_docker.guard.rules import old_responses
from nested_docker.guard.rules.old_responses import json_object
from nested_docker.guard.wire import strict_json
from nested_docker.guard.wire.api_version import ApiVersion
from nested_docker.guard.wire.headers import RAW_STREAMS
from nested_docker.guard.wire.query import Query, first_value

PARAMETERS: Mapping[str, Mapping[str, ApiVersion]] = {
    "GET /containers/{id}/stats": {"one-shot": (1, 41)},
    "GET /images/get": {"platform": (1, 48)},
    "GET /images/json": {"shared-size": (1, 42), "manifests": (1, 47), "identity": (1, 54)},
    "GET /images/{name}/get": {"platform": (1, 48)},
    "GET /images/{name}/history": {"platform": (1, 48)},
    "GET /images/{name}/json": {"manifests": (1, 48), "platform": (1, 49)},
    "GET /system/df": {"type": (1, 42)},
    "DELETE /images/{name}": {"platforms": (1, 50)},
    "POST /build": {"platform": (1, 32)},
    "POST /containers/create": {"platform": (1, 41)},
    "POST /containers/{id}/restart": {"signal": (1, 42)},
    "POST /containers/{id}/stop": {"signal": (1, 42)},
    "POST /containers/{id}/wait": {"condition": (1, 30)},
    "POST /images/create": {"platform": (1, 32)},
    "POST /images/load": {"platform": (1, 48)},
    "POST /images/{name}/push": {"platform": (1, 46)},
}
"""Parameters that older versions ignore: such a client may send one in another form, as it does for a push."""

MULTIPLEXED_STREAM: ApiVersion = (1, 42)
"""Streams of several outputs have a separate content type."""

NO_LEGACY_FIELDS: ApiVersion = (1, 52)
"""Fields that were deprecated for years are gone; clients of their time crash without some of them."""

NO_IMAGE_FILTER: ApiVersion = (1, 41)
"""Before, the parameter `filter` of a list of images had what is the filter `reference` now."""

PRUNE_ANONYMOUS_VOLUMES_ONLY: ApiVersion = (1, 42)

_RAW_STREAM, _MULTIPLEXED = RAW_STREAMS
_JSON, _JSON_LINES = b"application/json", b"application/jsonl"


@dataclass(frozen=True)
class Translation:
    """Translates one request and its response between the client's version and the daemon's.

    Attributes:
        route: method and template of the route.
        client: the client's version; None: it names none, and gets what the daemon's newest version has.
        daemon: the version of the request to the daemon; see `common_version`.
    """

    route: str
    client: ApiVersion | None
    daemon: ApiVersion

    def changed(self, since: ApiVersion) -> bool:
        """Whether a change lies between the versions: the client does not know it, and the daemon does."""
        return self.client is not None and self.client < since <= self.daemon

    def query(self, query: Query) -> Query:
        """The query for the daemon."""
        client, since = self.client, PARAMETERS.get(self.route, {})
        result = {
            key: values for key, values in query.items() if client is None or key not in since or client >= since[key]
        }
        if self.route == "GET /images/json" and "filter" in result:
            pattern = first_value(result, "filter")
            del result["filter"]
            if pattern and client is not None and client < NO_IMAGE_FILTER:
                result["filters"] = (_with_reference(first_value(query, "filters"), pattern),)
        if self.route == "POST /volumes/prune" and self.changed(PRUNE_ANONYMOUS_VOLUMES_ONLY):
            filters = strict_json.parse_json((first_value(query, "filters") or "{}").encode(), free_keys=True)
            result["filters"] = (strict_json.encode_json({**filters, "all": {"true": True}}).decode(),)
        return result

    def body(self, body: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The JSON body for the daemon."""
        if self.route == "POST /containers/create" and body is not None and self.changed(NO_LEGACY_FIELDS):
            return _with_mac_address_of_an_endpoint(body)
        return body

    @property
    def changes_response(self) -> bool:
        """Whether `response` changes the JSON of a response."""
        return any(self.changed(since) for since, _ in old_responses.CHANGES.get(self.route, ()))

    def response(self, response: Any) -> Any:
        """The JSON of a response for the client."""
        for since, restore in old_responses.CHANGES.get(self.route, ()):
            if self.changed(since):
                response = restore(response)
        return response

    def event(self, event: JsonObject) -> JsonObject:
        """An event of a container for the client."""
        return old_responses.event(event) if self.changed(NO_LEGACY_FIELDS) else event

    def content_type(self, value: bytes) -> bytes:
        """The content type for the client."""
        if value == _MULTIPLEXED and self.changed(MULTIPLEXED_STREAM):
            return _RAW_STREAM
        return _JSON if value == _JSON_LINES and self.changed(NO_LEGACY_FIELDS) else value


def _with_reference(filters: str, pattern: str) -> str:
    document = strict_json.parse_json((filters or "{}").encode(), free_keys=True)
    return strict_json.encode_json({**document, "reference": {**document.get("reference", {}), pattern: True}}).decode()


def _with_mac_address_of_an_endpoint(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A MAC address belongs to the endpoint of the container's network; it was a field of the container."""
    result = {key: value for key, value in body.items() if key != "MacAddress"}
    network = str(json_object(body.get("HostConfig")).get("NetworkMode") or "default")
    if not body.get("MacAddress") or network == "none" or ":" in network:
        return result
    networking = json_object(body.get("NetworkingConfig"))
    endpoints = json_object(networking.get("EndpointsConfig"))
    if network == "default" and "bridge" in endpoints:
        network = "bridge"
    endpoint = {"MacAddress": body["MacAddress"], **json_object(endpoints.get(network))}
    return {**result, "NetworkingConfig": {**networking, "EndpointsConfig": {**endpoints, network: endpoint}}}
