"""All routes of the Docker API, each with the validator of its requests. Other routes are denied."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from nested_docker.guard.errors import GuardDenied, ObjectNotFound
from nested_docker.guard.hints import BUILDKIT_HINT
from nested_docker.guard.model import ApiRequest, ContainersIn, ForwardPlan, ResponseFilter, Validator
from nested_docker.guard.ownership import IMAGE_LABEL
from nested_docker.guard.rules import builds, containers, filters, images, networks, pruning, responses, volumes


class BodyKind(StrEnum):
    """The body of a request."""

    NONE = "none"
    JSON = "JSON"
    STREAM = "stream"


@dataclass(frozen=True)
class Deny:
    """A validator that denies all requests.

    Attributes:
        rule: a word for what no rule can allow.
        message: the message for the client.
        waivable: enforcement Warn and Audit forward the request; if false, they deny it too, and the guard parses
            neither its parameters nor its body.
    """

    rule: str
    message: str
    waivable: bool = False

    def __call__(self, _: ApiRequest) -> ForwardPlan:
        """See `Validator`."""
        raise GuardDenied(self.rule, self.message)


@dataclass(frozen=True)
class Route:
    """A route.

    Attributes:
        method: HTTP method.
        template: the path after the API version; `{id}` is one segment of it, `{name}` one or more.
        validate: applies the rules to a request.
        query: the known query parameters.
        body: the kind of body.
        hijack: the client may hijack the connection, as `docker attach` does.
    """

    method: str
    template: str
    validate: Validator
    query: AbstractSet[str] = frozenset()
    body: BodyKind = BodyKind.NONE
    hijack: bool = False

    @property
    def always_denied(self) -> bool:
        """Whether all its requests are denied, whatever the rules and the enforcement."""
        return isinstance(self.validate, Deny) and not self.validate.waivable

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the paths of the route; its only group is the variable part."""
        expression = re.escape(self.template).replace(r"\{id\}", "([^/]+)").replace(r"\{name\}", "(.+)")
        return re.compile(expression)


def allow(api_request: ApiRequest) -> ForwardPlan:
    """A request that every client may send."""
    return ForwardPlan(api_request.query)


def allow_filtered(response_filter: ResponseFilter, containers_in: ContainersIn | None = None) -> Validator:
    """A request that every client may send, with a filtered response."""
    return lambda api_request: ForwardPlan(
        api_request.query, response_filter=response_filter, containers_in=containers_in
    )


def _validate_network_inspect(api_request: ApiRequest) -> ForwardPlan:
    if api_request.name in {"bridge", "default"} and api_request.rules.networks.bridge:
        return ForwardPlan(api_request.query, response_filter=responses.filter_network)
    return networks.validate_owned_network(api_request)


def _no_plugin(api_request: ApiRequest) -> ForwardPlan:
    """`docker inspect NAME` looks for a plugin last; a denial would hide that NAME does not exist."""
    raise ObjectNotFound(f'plugin "{api_request.name}" not found')


_AUTH = Deny(
    "auth",
    "docker login through the daemon is not available: write the credentials into config.json",
    waivable=True,
)
_ATTACH_WS = Deny("containers.attachWs", "attaching by WebSocket is not available: use docker attach", waivable=True)
_CHECKPOINT = Deny("checkpoints", "checkpoints are not available through the guard", waivable=True)
_SEARCH = Deny("images.search", "docker search is not available through the guard: search at the registry")
_BUILD_PRUNE = Deny("build.prune", "the build cache is shared by all owners and may not be pruned")
_BUILDKIT = Deny("buildkit", BUILDKIT_HINT)
_SWARM = Deny("swarm", "swarm is not available through the guard")
_PLUGINS = Deny("plugins", "plugins are not available through the guard")
_DEBUG = Deny("debug", "the daemon's debug endpoints are not available through the guard")

_LOGS = frozenset({"details", "follow", "since", "stderr", "stdout", "tail", "timestamps", "until"})
_ATTACH = frozenset({"detachKeys", "logs", "stderr", "stdin", "stdout", "stream"})
_FILTERS = frozenset({"filters"})
_JSON, _STREAM = BodyKind.JSON, BodyKind.STREAM

ROUTES: tuple[Route, ...] = (
    Route("GET", "/_ping", allow),
    Route("HEAD", "/_ping", allow),
    Route("GET", "/version", allow_filtered(responses.filter_version)),
    Route("GET", "/info", allow_filtered(responses.filter_info, ContainersIn.COUNTS)),
    Route("GET", "/events", filters.filter_by_owner(filters.EVENT_FILTERS, containers_in=ContainersIn.EVENTS),
          frozenset({"since", "until", "filters"})),
    Route("GET", "/system/df", allow_filtered(responses.filter_disk_usage, ContainersIn.FIELD), frozenset({"type"})),
    Route("POST", "/auth", _AUTH, body=_JSON),
    # containers
    Route("GET", "/containers/json",
          filters.filter_by_owner(filters.CONTAINER_FILTERS, containers_in=ContainersIn.LIST),
          frozenset({"all", "filters", "limit", "size"})),
    Route("POST", "/containers/create", containers.validate_container_create, frozenset({"name", "platform"}), _JSON),
    Route("POST", "/containers/prune", pruning.validate_container_prune, _FILTERS),
    Route("GET", "/containers/{id}/json", containers.validate_owned_container, frozenset({"size"})),
    Route("GET", "/containers/{id}/top", containers.validate_top, frozenset({"ps_args"})),
    Route("GET", "/containers/{id}/logs", containers.validate_owned_container, _LOGS),
    Route("GET", "/containers/{id}/changes", containers.validate_owned_container),
    Route("GET", "/containers/{id}/export", containers.validate_file_copy),
    Route("GET", "/containers/{id}/stats", containers.validate_owned_container, frozenset({"one-shot", "stream"})),
    Route("POST", "/containers/{id}/resize", containers.validate_owned_container, frozenset({"h", "w"})),
    Route("POST", "/containers/{id}/start", containers.validate_start, frozenset({"detachKeys"}), _JSON),
    Route("POST", "/containers/{id}/stop", containers.validate_stop, frozenset({"signal", "t"})),
    Route("POST", "/containers/{id}/restart", containers.validate_stop, frozenset({"signal", "t"})),
    Route("POST", "/containers/{id}/kill", containers.validate_owned_container, frozenset({"signal"})),
    Route("POST", "/containers/{id}/update", containers.validate_container_update, body=_JSON),
    Route("POST", "/containers/{id}/rename", containers.validate_rename, frozenset({"name"})),
    Route("POST", "/containers/{id}/pause", containers.validate_owned_container),
    Route("POST", "/containers/{id}/unpause", containers.validate_owned_container),
    Route("POST", "/containers/{id}/attach", containers.validate_attach, _ATTACH, hijack=True),
    Route("GET", "/containers/{id}/attach/ws", _ATTACH_WS),
    Route("POST", "/containers/{id}/wait", containers.validate_owned_container, frozenset({"condition"})),
    Route("DELETE", "/containers/{id}", containers.validate_container_delete, frozenset({"force", "link", "v"})),
    Route("HEAD", "/containers/{id}/archive", containers.validate_file_copy, frozenset({"path"})),
    Route("GET", "/containers/{id}/archive", containers.validate_file_copy, frozenset({"path"})),
    Route("PUT", "/containers/{id}/archive", containers.validate_file_copy,
          frozenset({"copyUIDGID", "noOverwriteDirNonDir", "path"}), _STREAM),
    Route("POST", "/containers/{id}/exec", containers.validate_exec_create, body=_JSON),
    Route("POST", "/exec/{id}/start", containers.validate_exec_start, body=_JSON, hijack=True),
    Route("POST", "/exec/{id}/resize", containers.validate_owned_exec, frozenset({"h", "w"})),
    Route("GET", "/exec/{id}/json", containers.validate_owned_exec),
    Route("POST", "/commit", images.validate_commit,
          frozenset({"author", "changes", "comment", "container", "pause", "repo", "tag"}), _JSON),
    Route("GET", "/containers/{id}/checkpoints", _CHECKPOINT),
    Route("POST", "/containers/{id}/checkpoints", _CHECKPOINT, body=_JSON),
    Route("DELETE", "/containers/{id}/checkpoints/{id}", _CHECKPOINT),
    # images
    Route("GET", "/images/json", filters.filter_images(responses.filter_image_list),
          frozenset({"all", "digests", "filter", "filters", "identity", "manifests", "shared-size"})),
    Route("POST", "/images/create", images.validate_pull,
          frozenset({"changes", "fromImage", "fromSrc", "message", "platform", "repo", "tag"})),
    Route("POST", "/images/load", images.validate_load, frozenset({"platform", "quiet"}), _STREAM),
    Route("POST", "/images/prune", filters.filter_by_owner(filters.PRUNE_IMAGE_FILTERS, label=IMAGE_LABEL), _FILTERS),
    Route("GET", "/images/search", _SEARCH),
    Route("GET", "/images/get", images.validate_save, frozenset({"names", "platform"})),
    Route("GET", "/images/{name}/get", images.validate_save, frozenset({"platform"})),
    Route("GET", "/images/{name}/json", images.validate_image_inspect, frozenset({"manifests", "platform"})),
    Route("GET", "/images/{name}/history", images.validate_visible_image, frozenset({"platform"})),
    Route("GET", "/images/{name}/attestations", images.validate_visible_image,
          frozenset({"platform", "statement", "type"})),
    Route("POST", "/images/{name}/push", images.validate_push, frozenset({"platform", "tag"})),
    Route("POST", "/images/{name}/tag", images.validate_tag, frozenset({"force", "repo", "tag"})),
    Route("DELETE", "/images/{name}", images.validate_image_delete, frozenset({"force", "noprune", "platforms"})),
    Route("GET", "/distribution/{name}/json", images.validate_distribution),
    Route("POST", "/build", builds.validate_build, builds.BUILD_PARAMETERS, _STREAM),
    Route("POST", "/build/prune", _BUILD_PRUNE),
    Route("POST", "/build/cancel", _BUILDKIT),
    Route("POST", "/session", _BUILDKIT),
    Route("POST", "/grpc", _BUILDKIT),
    # networks
    Route("GET", "/networks", filters.filter_by_owner(filters.NETWORK_FILTERS), _FILTERS),
    Route("POST", "/networks/create", networks.validate_network_create, body=_JSON),
    Route("POST", "/networks/prune", filters.filter_by_owner(filters.PRUNE_FILTERS), _FILTERS),
    Route("GET", "/networks/{id}", _validate_network_inspect, frozenset({"scope", "verbose"})),
    Route("DELETE", "/networks/{id}", networks.validate_owned_network),
    Route("POST", "/networks/{id}/connect", networks.validate_network_connect, body=_JSON),
    Route("POST", "/networks/{id}/disconnect", networks.validate_network_disconnect, body=_JSON),
    # volumes
    Route("GET", "/volumes", filters.filter_by_owner(filters.VOLUME_FILTERS), _FILTERS),
    Route("POST", "/volumes/create", volumes.validate_volume_create, body=_JSON),
    Route("POST", "/volumes/prune", filters.filter_by_owner(filters.PRUNE_VOLUME_FILTERS), _FILTERS),
    Route("GET", "/volumes/{id}", volumes.validate_owned_volume),
    Route("PUT", "/volumes/{id}", _SWARM, body=_JSON),
    Route("DELETE", "/volumes/{id}", volumes.validate_owned_volume, frozenset({"force"})),
    # never available: plugins, swarm and debugging
    *(Route("GET", path, _PLUGINS) for path in ("/plugins", "/plugins/privileges")),
    Route("GET", "/plugins/{name}/json", _no_plugin),
    *(Route("POST", f"/plugins/{verb}", _PLUGINS) for verb in ("pull", "create")),
    *(
        Route("POST", f"/plugins/{{name}}/{verb}", _PLUGINS)
        for verb in ("enable", "disable", "upgrade", "push", "set")
    ),
    Route("DELETE", "/plugins/{name}", _PLUGINS),
    *(Route("GET", path, _SWARM) for path in ("/swarm", "/swarm/unlockkey")),
    *(Route("POST", f"/swarm/{verb}", _SWARM) for verb in ("init", "join", "leave", "update", "unlock")),
    *(Route("GET", f"/{kind}", _SWARM) for kind in ("nodes", "services", "tasks", "secrets", "configs")),
    *(Route("GET", f"/{kind}/{{id}}", _SWARM) for kind in ("nodes", "services", "tasks", "secrets", "configs")),
    *(Route("POST", f"/{kind}/create", _SWARM) for kind in ("services", "secrets", "configs")),
    *(Route("POST", f"/{kind}/{{id}}/update", _SWARM) for kind in ("nodes", "services", "secrets", "configs")),
    *(Route("DELETE", f"/{kind}/{{id}}", _SWARM) for kind in ("nodes", "services", "secrets", "configs")),
    *(Route("GET", f"/{kind}/{{id}}/logs", _SWARM) for kind in ("services", "tasks")),
    Route("GET", "/debug/{name}", _DEBUG),
)  # fmt: skip


@dataclass(frozen=True)
class RouteMatch:
    """A route that matches a request.

    Attributes:
        route: the route.
        name: the variable part of the path; empty if the route has none.
    """

    route: Route
    name: str


def match_route(method: str, path: str) -> RouteMatch:
    """Find the route of a request.

    Args:
        method: HTTP method.
        path: path after the API version.

    Raises:
        GuardDenied: no route matches.
    """
    for candidate, pattern in _PATTERNS.get(method, ()):
        if match := pattern.fullmatch(path):
            return RouteMatch(candidate, match[1] if pattern.groups else "")
    raise GuardDenied("routes", f"the guard does not support {method} {path}")


_PATTERNS: dict[str, list[tuple[Route, re.Pattern[str]]]] = {}
for _each in ROUTES:
    _PATTERNS.setdefault(_each.method, []).append((_each, _each.pattern))
