"""Every route of the Docker API, and what becomes of it. What is not here is refused."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from nested_docker.guard.errors import Absent, GuardDenied
from nested_docker.guard.hints import BUILDKIT
from nested_docker.guard.model import Answer, ApiRequest, ForwardPlan, Validator
from nested_docker.guard.ownership import IMAGE_LABEL
from nested_docker.guard.rules import builds, containers, images, networks, volumes
from nested_docker.guard.rules import filters as lists
from nested_docker.guard.rules import responses as answers


class Body(StrEnum):
    """What a request carries."""

    NOTHING = "nothing"
    JSON = "JSON, which is judged"
    STREAM = "an archive, which passes"


@dataclass(frozen=True)
class Closed:
    """A judge of routes that nothing opens, in no mode: neither their parameters nor their bodies are looked at.

    Attributes:
        rule: a word for what no rule can allow.
        why: what is told.
    """

    rule: str
    why: str

    def __call__(self, _: ApiRequest) -> ForwardPlan:
        """As `Judge`."""
        raise GuardDenied(self.rule, self.why)


@dataclass(frozen=True)
class Route:
    """One route.

    Attributes:
        method: of HTTP.
        template: of the path behind the version; `{id}` is one part of it, `{name}` one or more.
        judge: what decides on a request.
        query: parameters that it may have.
        body: what it carries.
        tunnel: the daemon may take the connection over.
    """

    method: str
    template: str
    validate: Validator
    query: AbstractSet[str] = frozenset()
    body: Body = Body.NOTHING
    tunnel: bool = False

    @property
    def closed(self) -> bool:
        """Whether nothing opens it."""
        return isinstance(self.validate, Closed)

    @property
    def path(self) -> re.Pattern[str]:
        """Matches paths; its only group is the name."""
        expression = re.escape(self.template).replace(r"\{id\}", "([^/]+)").replace(r"\{name\}", "(.+)")
        return re.compile(expression)


def passes(api_request: ApiRequest) -> ForwardPlan:
    """Nothing to judge."""
    return ForwardPlan(api_request.query)


def narrowed(answer: Answer) -> Validator:
    """Nothing to judge but the answer."""
    return lambda api_request: ForwardPlan(api_request.query, answer=answer)


def _network(api_request: ApiRequest) -> ForwardPlan:
    if api_request.name in {"bridge", "default"} and api_request.rules.networks.bridge:
        return ForwardPlan(api_request.query, answer=answers.network)
    return networks.own(api_request)


def refused(rule: str, why: str) -> Validator:
    """A route that no rule opens."""

    def validate(_: ApiRequest) -> ForwardPlan:
        raise GuardDenied(rule, why)

    return validate


_SWARM = Closed("swarm", "the node's swarm is not for guarded clients")
_PLUGINS = Closed("plugins", "the daemon's plugins are not for guarded clients")


def _no_plugin(api_request: ApiRequest) -> ForwardPlan:
    """`docker inspect NAME` asks for a plugin last of all, and would tell of a refusal instead of what is missing."""
    raise Absent(f'plugin "{api_request.name}" not found')


_BUILDKIT = Closed("buildkit", BUILDKIT)
_CHECKPOINT = refused("checkpoints", "checkpoints are not for guarded clients")
_DEBUG = Closed("debug", "the daemon's inside is not for guarded clients")

_LOGS = frozenset({"details", "follow", "since", "stderr", "stdout", "tail", "timestamps", "until"})
_ATTACH = frozenset({"detachKeys", "logs", "stderr", "stdin", "stdout", "stream"})
_FILTERS = frozenset({"filters"})
_JSON, _STREAM = Body.JSON, Body.STREAM

ROUTES: tuple[Route, ...] = (
    Route("GET", "/_ping", passes),
    Route("HEAD", "/_ping", passes),
    Route("GET", "/version", narrowed(answers.version)),
    Route("GET", "/info", narrowed(answers.info)),
    Route("GET", "/events", lists.filtered(lists.EVENTS), frozenset({"since", "until", "filters"})),
    Route("GET", "/system/df", narrowed(answers.disk_usage), frozenset({"type"})),
    Route("POST", "/auth", refused("auth", "the daemon logs in nowhere: write the credentials into config.json"),
          body=_JSON),
    # containers
    Route("GET", "/containers/json", lists.filtered(lists.CONTAINERS), frozenset({"all", "filters", "limit", "size"})),
    Route("POST", "/containers/create", containers.create, frozenset({"name", "platform"}), _JSON),
    Route("POST", "/containers/prune", lists.filtered(lists.PRUNE), _FILTERS),
    Route("GET", "/containers/{id}/json", containers.own, frozenset({"size"})),
    Route("GET", "/containers/{id}/top", containers.top, frozenset({"ps_args"})),
    Route("GET", "/containers/{id}/logs", containers.own, _LOGS),
    Route("GET", "/containers/{id}/changes", containers.own),
    Route("GET", "/containers/{id}/export", containers.files),
    Route("GET", "/containers/{id}/stats", containers.own, frozenset({"one-shot", "stream"})),
    Route("POST", "/containers/{id}/resize", containers.own, frozenset({"h", "w"})),
    Route("POST", "/containers/{id}/start", containers.own, frozenset({"detachKeys"})),
    Route("POST", "/containers/{id}/stop", containers.own, frozenset({"signal", "t"})),
    Route("POST", "/containers/{id}/restart", containers.own, frozenset({"signal", "t"})),
    Route("POST", "/containers/{id}/kill", containers.own, frozenset({"signal"})),
    Route("POST", "/containers/{id}/update", containers.update, body=_JSON),
    Route("POST", "/containers/{id}/rename", containers.rename, frozenset({"name"})),
    Route("POST", "/containers/{id}/pause", containers.own),
    Route("POST", "/containers/{id}/unpause", containers.own),
    Route("POST", "/containers/{id}/attach", containers.attach, _ATTACH, tunnel=True),
    Route("GET", "/containers/{id}/attach/ws", refused("containers.attachWs", "attach without a web socket")),
    Route("POST", "/containers/{id}/wait", containers.own, frozenset({"condition"})),
    Route("DELETE", "/containers/{id}", containers.delete, frozenset({"force", "link", "v"})),
    Route("HEAD", "/containers/{id}/archive", containers.files, frozenset({"path"})),
    Route("GET", "/containers/{id}/archive", containers.files, frozenset({"path"})),
    Route("PUT", "/containers/{id}/archive", containers.files,
          frozenset({"copyUIDGID", "noOverwriteDirNonDir", "path"}), _STREAM),
    Route("POST", "/containers/{id}/exec", containers.exec_, body=_JSON),
    Route("POST", "/exec/{id}/start", containers.exec_start, body=_JSON, tunnel=True),
    Route("POST", "/exec/{id}/resize", containers.of_exec, frozenset({"h", "w"})),
    Route("GET", "/exec/{id}/json", containers.of_exec),
    Route("POST", "/commit", images.commit,
          frozenset({"author", "changes", "comment", "container", "pause", "repo", "tag"}), _JSON),
    Route("GET", "/containers/{id}/checkpoints", _CHECKPOINT),
    Route("POST", "/containers/{id}/checkpoints", _CHECKPOINT, body=_JSON),
    Route("DELETE", "/containers/{id}/checkpoints/{id}", _CHECKPOINT),
    # images
    Route("GET", "/images/json", lists.images(answers.images),
          frozenset({"all", "digests", "filters", "identity", "manifests", "shared-size"})),
    Route("POST", "/images/create", images.pull,
          frozenset({"changes", "fromImage", "fromSrc", "message", "platform", "repo", "tag"})),
    Route("POST", "/images/load", images.load, frozenset({"platform", "quiet"}), _STREAM),
    Route("POST", "/images/prune", lists.filtered(lists.PRUNE_IMAGES, label=IMAGE_LABEL), _FILTERS),
    Route("GET", "/images/search", Closed("images.search", "registries are searched by their own pages")),
    Route("GET", "/images/get", images.save, frozenset({"names", "platform"})),
    Route("GET", "/images/{name}/get", images.save, frozenset({"platform"})),
    Route("GET", "/images/{name}/json", images.inspect, frozenset({"manifests", "platform"})),
    Route("GET", "/images/{name}/history", images.visible, frozenset({"platform"})),
    Route("GET", "/images/{name}/attestations", images.visible, frozenset({"platform", "statement", "type"})),
    Route("POST", "/images/{name}/push", images.push, frozenset({"platform", "tag"})),
    Route("POST", "/images/{name}/tag", images.tag, frozenset({"repo", "tag"})),
    Route("DELETE", "/images/{name}", images.delete, frozenset({"force", "noprune", "platforms"})),
    Route("GET", "/distribution/{name}/json", images.distribution),
    Route("POST", "/build", builds.build, builds.KNOWN, _STREAM),
    Route("POST", "/build/prune", Closed("build.prune", "the build cache is everyone's")),
    Route("POST", "/build/cancel", _BUILDKIT),
    Route("POST", "/session", _BUILDKIT),
    Route("POST", "/grpc", _BUILDKIT),
    # networks
    Route("GET", "/networks", lists.filtered(lists.NETWORKS), _FILTERS),
    Route("POST", "/networks/create", networks.create, body=_JSON),
    Route("POST", "/networks/prune", lists.filtered(lists.PRUNE), _FILTERS),
    Route("GET", "/networks/{id}", _network, frozenset({"scope", "verbose"})),
    Route("DELETE", "/networks/{id}", networks.own),
    Route("POST", "/networks/{id}/connect", networks.connect, body=_JSON),
    Route("POST", "/networks/{id}/disconnect", networks.disconnect, body=_JSON),
    # volumes
    Route("GET", "/volumes", lists.filtered(lists.VOLUMES), _FILTERS),
    Route("POST", "/volumes/create", volumes.create, body=_JSON),
    Route("POST", "/volumes/prune", lists.filtered(lists.PRUNE_VOLUMES), _FILTERS),
    Route("GET", "/volumes/{id}", volumes.own),
    Route("PUT", "/volumes/{id}", _SWARM, body=_JSON),
    Route("DELETE", "/volumes/{id}", volumes.own, frozenset({"force"})),
    # what is the node's alone
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
class Routed:
    """A route, and the variable part of the path that it was found by; empty: it has none."""

    route: Route
    name: str


def find(method: str, path: str) -> Routed:
    """The route of a request.

    Raises:
        Refusal: there is none.
    """
    for candidate, pattern in _COMPILED.get(method, ()):
        if match := pattern.fullmatch(path):
            return Routed(candidate, match[1] if pattern.groups else "")
    raise GuardDenied("routes", f"the guard does not know {method} {path}")


_COMPILED: dict[str, list[tuple[Route, re.Pattern[str]]]] = {}
for _route in ROUTES:
    _COMPILED.setdefault(_route.method, []).append((_route, _route.path))
