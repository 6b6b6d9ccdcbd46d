"""Every difference between the versions of the API, and what the guard does about it.

CHECKS has each comparison with a version between 1.25 and 1.56 in the routers of Docker 20.10.24, 24.0.9, 26.1.4,
28.5.2 and of moby's main branch in August 2026 (b985e23), by file, function and minor version. Swarm is left out: its
routes are denied.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.guard.decisions import UID, denial, forwarded, rules

from nested_docker.guard.model import ContainersIn
from nested_docker.guard.ownership import OWNER_ANNOTATION
from nested_docker.guard.routes import ROUTES
from nested_docker.guard.rules.api_changes import PARAMETERS, Translation
from nested_docker.guard.rules.old_responses import CHANGES
from nested_docker.guard.wire.api_version import MAX_VERSION

BOUND = rules(containers={"binds": [{"path": "/srv/data", "readOnly": True}]})
IMAGE = {"Image": "busybox"}
NETWORK = "b" * 64


@dataclass(frozen=True)
class Dropped:
    """Older versions ignore the parameter, so the daemon does not get it from their clients."""

    route: str
    parameter: str

    def check(self, minor: int) -> None:
        query = {self.parameter: ("x",), "kept": ("y",)}
        assert Translation(self.route, (1, minor - 1), MAX_VERSION).query(query) == {"kept": ("y",)}
        assert Translation(self.route, (1, minor - 1), (1, 24)).query(query) == {"kept": ("y",)}
        for client in ((1, minor), None):
            assert Translation(self.route, client, MAX_VERSION).query(query) == query


@dataclass(frozen=True)
class Restored:
    """Older versions have other fields in their responses, which the guard restores."""

    route: str
    response: Any
    expected: Any

    def check(self, minor: int) -> None:
        old = Translation(self.route, (1, minor - 1), (1, minor))
        assert old.changes_response
        assert old.response(self.response) == self.expected
        for client, daemon in (((1, minor), MAX_VERSION), (None, MAX_VERSION), ((1, minor - 1), (1, minor - 1))):
            same = Translation(self.route, client, daemon)
            if not any(same.changed(since) for since, _ in CHANGES[self.route]):
                assert not same.changes_response
                assert same.response(self.response) == self.response


@dataclass(frozen=True)
class Present:
    """The request has its present meaning whatever the version; `expected` is in what the daemon gets."""

    method: str
    path: str
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    expected: Any = None

    def check(self, minor: int) -> None:
        for version in (minor - 1, minor, 56):
            plan = forwarded(self.method, f"/v1.{version}{self.path}", self.body, by=BOUND, **self.query)
            template = self.path.replace("/x1", "/{id}")
            translation = Translation(f"{self.method} {template}", (1, version), MAX_VERSION)
            sent = {**translation.query(plan.query), **(translation.body(plan.body) or {})}
            if "HostConfig" in sent:
                assert sent["HostConfig"].pop("Annotations") == {OWNER_ANNOTATION: UID}
            assert (self.expected or {}).items() <= sent.items(), sent


@dataclass(frozen=True)
class Denied:
    """The guard denies it in every version."""

    method: str
    path: str
    message: str
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)

    def check(self, minor: int) -> None:
        for version in (minor - 1, minor, 56):
            denied = denial(self.method, f"/v1.{version}{self.path}", self.body, by=BOUND, **self.query)
            assert self.message in denied.message


@dataclass(frozen=True)
class Added:
    """A response has more fields, or others that no client needs; they are left as they are."""

    route: str
    response: Any

    def check(self, minor: int) -> None:
        for client in ((1, minor - 1), (1, minor), None):
            assert (
                self.response.items()
                <= dict(Translation(self.route, client, (1, minor)).response(self.response)).items()
            )


@dataclass(frozen=True)
class Shown:
    """A test of this module with the minor versions before and after the change."""

    test: Callable[[int], None]

    def check(self, minor: int) -> None:
        self.test(minor)


def _create(host: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    return {**IMAGE, **config, **({} if host is None else {"HostConfig": host})}


def _mount(kind: str = "bind", **options: Any) -> dict[str, Any]:
    source = {"bind": "/srv/data", "volume": "v1"}.get(kind)
    return {"Type": kind, "Target": "/t", **({"Source": source} if source else {}), **options}


def a_prune_of_volumes_means_all_of_them_in_older_versions(minor: int) -> None:
    plan = forwarded("POST", f"/v1.{minor - 1}/volumes/prune", filters='{"label":["a"]}')
    old = Translation("POST /volumes/prune", (1, minor - 1), MAX_VERSION).query(plan.query)
    assert json.loads(old["filters"][0])["all"] == {"true": True}
    assert json.loads(old["filters"][0])["label"] == json.loads(plan.query["filters"][0])["label"]
    for client, daemon in (((1, minor), MAX_VERSION), (None, MAX_VERSION), ((1, minor - 1), (1, minor - 1))):
        assert Translation("POST /volumes/prune", client, daemon).query(plan.query) == plan.query


def a_pattern_of_images_is_a_filter(minor: int) -> None:
    """From 1.41 on the daemon does not read it."""
    del minor
    for old in (24, 40):
        translation = Translation(LIST, (1, old), (1, 51))
        assert translation.query({"filter": ("a*",)}) == {"filters": ('{"reference":{"a*":true}}',)}
        both = translation.query({"filter": ("a*",), "filters": ('{"reference":{"b":true},"label":{"x":true}}',)})
        assert both == {"filters": ('{"reference":{"b":true,"a*":true},"label":{"x":true}}',)}
        assert translation.query({"filter": ("",)}) == {}
    for client in ((1, 41), (1, 51), None):
        assert Translation(LIST, client, (1, 51)).query({"filter": ("a*",)}) == {}


def a_mac_address_moves_to_the_endpoint(minor: int) -> None:
    def moved(host: dict[str, Any], endpoints: dict[str, Any] | None = None) -> dict[str, Any]:
        networking = {} if endpoints is None else {"NetworkingConfig": {"EndpointsConfig": endpoints}}
        body = {**IMAGE, "MacAddress": "02:42:ac:11:00:02", "HostConfig": host, **networking}
        for client, daemon in (((1, minor), MAX_VERSION), (None, MAX_VERSION), ((1, 41), (1, minor - 1))):
            assert Translation("POST /containers/create", client, daemon).body(body) == body
        sent = dict(Translation("POST /containers/create", (1, 41), (1, minor)).body(body) or {})
        assert "MacAddress" not in sent
        return sent.get("NetworkingConfig", {}).get("EndpointsConfig", {})

    mac = {"MacAddress": "02:42:ac:11:00:02"}
    assert moved({}) == {"default": mac}
    assert moved({}, {"bridge": {"Aliases": ["a"]}}) == {"bridge": {**mac, "Aliases": ["a"]}}
    assert moved({"NetworkMode": NETWORK}) == {NETWORK: mac}
    assert moved({"NetworkMode": NETWORK}, {NETWORK: {"Aliases": ["a"]}}) == {NETWORK: {**mac, "Aliases": ["a"]}}
    assert moved({"NetworkMode": NETWORK}, {NETWORK: {"MacAddress": "02:00"}}) == {NETWORK: {"MacAddress": "02:00"}}
    assert moved({"NetworkMode": "none"}) == moved({"NetworkMode": f"container:{NETWORK}"}) == {}


MULTIPLEXED, RAW = b"application/vnd.docker.multiplexed-stream", b"application/vnd.docker.raw-stream"


def the_type_of_a_stream_is_that_of_the_version(minor: int) -> None:
    for route in ("GET /containers/{id}/logs", "POST /containers/{id}/attach", "POST /exec/{id}/start"):
        assert Translation(route, (1, minor - 1), MAX_VERSION).content_type(MULTIPLEXED) == RAW
        assert Translation(route, (1, minor), MAX_VERSION).content_type(MULTIPLEXED) == MULTIPLEXED
        assert Translation(route, None, MAX_VERSION).content_type(MULTIPLEXED) == MULTIPLEXED
        assert Translation(route, (1, minor - 1), MAX_VERSION).content_type(RAW) == RAW


STARTED = {"Type": "container", "Action": "start", "Actor": {"ID": "a" * 64, "Attributes": {"image": "busybox"}}}


def events_have_their_old_fields(minor: int) -> None:
    old = Translation("GET /events", (1, minor - 1), MAX_VERSION)
    assert old.event(STARTED) == {**STARTED, "status": "start", "id": "a" * 64, "from": "busybox"}
    assert old.content_type(b"application/jsonl") == b"application/json"
    for client, daemon in (((1, minor), MAX_VERSION), (None, MAX_VERSION), ((1, 50), (1, minor - 1))):
        assert Translation("GET /events", client, daemon).event(STARTED) == STARTED


def no_client_gets_events_of_images(minor: int) -> None:
    for version in (minor - 1, minor, 56):
        assert forwarded("GET", f"/v1.{version}/events").containers_in is ContainersIn.EVENTS


CONTAINER = {
    "Id": "abcdef0123456789",
    "Config": {"Hostname": "h"},
    "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}, "n": {"Aliases": ["web"]}}},
}
ALIASED = {
    **CONTAINER,
    "NetworkSettings": {
        "Networks": {"bridge": {"IPAddress": "172.17.0.2"}, "n": {"Aliases": ["web", "abcdef012345", "h"]}}
    },
}
NO_BRIDGE = {
    "EndpointID": "", "Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "IPAddress": "",
    "IPPrefixLen": 0, "IPv6Gateway": "", "MacAddress": "",
}  # fmt: skip
ON_BRIDGE = {**NO_BRIDGE, "IPAddress": "172.17.0.2"}
SNAPSHOT = {"Storage": {"RootFS": {"Snapshot": {"Name": "overlayfs"}}}}
PRESENT_CONFIG = {"Entrypoint": ["sh"]}
OLD_CONFIG = {
    "Cmd": None, "Entrypoint": ["sh"], "Env": None, "Labels": None, "OnBuild": None, "User": "", "Volumes": None,
    "WorkingDir": "",
}  # fmt: skip
OLDER_CONFIG = {
    "AttachStderr": False, "AttachStdin": False, "AttachStdout": False, "Domainname": "", "Entrypoint": ["sh"],
    "Hostname": "", "Image": "", "OpenStdin": False, "StdinOnce": False, "Tty": False,
}  # fmt: skip

TWO_PLATFORMS: Any = {"platform": ["a", "b"]}
UNBOUND = {"PortBindings": {"80/tcp": []}}
READ_ONLY = {"Binds": ["/srv/data:/t:ro"]}
INSPECT, LIST = "GET /images/{name}/json", "GET /images/json"
CREATE = ("POST", "/containers/create")

CHECKS: list[tuple[str, str, int, Any]] = [
    ("build_routes", "newImageBuildOptions", 32, Dropped("POST /build", "platform")),
    ("build_routes", "newImageBuildOptions", 40,
     Denied("POST", "/build", "build parameter outputs may not be set", query={"outputs": '[{"Type":"local"}]'})),
    ("build_routes", "postBuild", 30, Present("POST", "/build")),
    ("build_routes", "postPrune", 48, Denied("POST", "/build/prune", "the build cache is shared by all owners")),
    ("container_routes", "epConfigForNetMode", 44, Shown(lambda _: a_mac_address_moves_to_the_endpoint(52))),
    ("container_routes", "getContainersJSON", 46, Added("GET /containers/json", {"HostConfig": {"Annotations": {}}})),
    ("container_routes", "getContainersJSON", 48, Added("GET /containers/json", {"ImageManifestDescriptor": {}})),
    ("container_routes", "getContainersJSON", 52, Added("GET /containers/json", {"Health": {}})),
    ("container_routes", "getContainersLogs", 42, Shown(the_type_of_a_stream_is_that_of_the_version)),
    ("container_routes", "getContainersLogs", 54,
     Denied("GET", "/containers/x1/logs", "does not support the parameter format", query={"format": "json"})),
    ("container_routes", "getContainersStats", 41, Dropped("GET /containers/{id}/stats", "one-shot")),
    ("container_routes", "handleMACAddressBC", 44, Shown(lambda _: a_mac_address_moves_to_the_endpoint(52))),
    ("container_routes", "handleMACAddressBC", 52, Shown(a_mac_address_moves_to_the_endpoint)),
    ("container_routes", "handlePortBindingsBC", 52,
     Present(*CREATE, _create(UNBOUND), expected={"HostConfig": UNBOUND})),
    ("container_routes", "handlePortBindingsBC", 53,
     Present(*CREATE, _create(UNBOUND), expected={"HostConfig": UNBOUND})),
    ("container_routes", "handleSysctlBC", 48,
     Denied(*CREATE, "kernel parameter 'net.ipv4.conf.eth0.forwarding' may not be set",
            _create({"Sysctls": {"net.ipv4.conf.eth0.forwarding": "1"}}))),
    ("container_routes", "handleVolumeDriverBC", 48,
     Present(*CREATE, _create({"VolumeDriver": "local"}), expected={"HostConfig": {"VolumeDriver": "local"}})),
    ("container_routes", "postContainerUpdate", 40,
     Present("POST", "/containers/x1/update", {"PidsLimit": 9}, expected={"PidsLimit": 9})),
    ("container_routes", "postContainerUpdate", 42,
     Denied("POST", "/containers/x1/update", "KernelMemory may not be set", {"KernelMemory": 1})),
    ("container_routes", "postContainerUpdate", 55,
     Denied("POST", "/containers/x1/update", "BlkioWeightDevice may not be set", {"BlkioWeightDevice": [{}]})),
    ("container_routes", "postContainersAttach", 42, Shown(the_type_of_a_stream_is_that_of_the_version)),
    ("container_routes", "postContainersCreate", 25,
     Present(*CREATE, _create({"AutoRemove": True}), expected={"HostConfig": {"AutoRemove": True}})),
    ("container_routes", "postContainersCreate", 40, Present(*CREATE, _create({}), expected={"HostConfig": {}})),
    ("container_routes", "postContainersCreate", 41, Present(*CREATE, _create({}), expected={"HostConfig": {}})),
    ("container_routes", "postContainersCreate", 41, Dropped("POST /containers/create", "platform")),
    ("container_routes", "postContainersCreate", 42,
     Present(*CREATE, _create({"ConsoleSize": [1, 2]}), expected={"HostConfig": {"ConsoleSize": [1, 2]}})),
    ("container_routes", "postContainersCreate", 42,
     Denied(*CREATE, "BindOptions.CreateMountpoint may not be set",
            _create({"Mounts": [_mount(BindOptions={"CreateMountpoint": True})]}))),
    ("container_routes", "postContainersCreate", 42,
     Denied(*CREATE, "HostConfig.Mounts[0].VolumeOptions may not be set",
            _create({"Mounts": [_mount(VolumeOptions={"NoCopy": True})]}))),
    ("container_routes", "postContainersCreate", 42,
     Denied(*CREATE, "KernelMemory may not be set", _create({"KernelMemory": 1}))),
    ("container_routes", "postContainersCreate", 43,
     Denied(*CREATE, "HostConfig.Annotations may not be set", _create({"Annotations": {"a": "b"}}))),
    ("container_routes", "postContainersCreate", 44,
     Present(*CREATE, _create(READ_ONLY), expected={"HostConfig": READ_ONLY})),
    ("container_routes", "postContainersCreate", 44,
     Denied(*CREATE, "BindOptions.ReadOnlyNonRecursive may not be set",
            _create({"Mounts": [_mount(ReadOnly=True, BindOptions={"ReadOnlyNonRecursive": True})]}))),
    ("container_routes", "postContainersCreate", 44,
     Present(*CREATE, _create(Healthcheck={"StartInterval": 9}), expected={"Healthcheck": {"StartInterval": 9}})),
    ("container_routes", "postContainersCreate", 44,
     Present(*CREATE, _create(NetworkingConfig={"EndpointsConfig": {"n1": None, "n2": None}}),
             expected={"NetworkingConfig": {"EndpointsConfig": {"n1": {}, "n2": {}}}})),
    ("container_routes", "postContainersCreate", 45,
     Present(*CREATE, _create({"Mounts": [_mount("volume", VolumeOptions={"Subpath": "a"})]}))),
    ("container_routes", "postContainersCreate", 48,
     Present(*CREATE, _create(NetworkingConfig={"EndpointsConfig": {"n1": {"GwPriority": 1}}}),
             expected={"NetworkingConfig": {"EndpointsConfig": {"n1": {"GwPriority": 1}}}})),
    ("container_routes", "postContainersCreate", 48,
     Present(*CREATE, _create({"Mounts": [_mount("image", Source="busybox")]}))),
    ("container_routes", "postContainersCreate", 52, Shown(a_mac_address_moves_to_the_endpoint)),
    ("container_routes", "postContainersRestart", 42, Dropped("POST /containers/{id}/restart", "signal")),
    ("container_routes", "postContainersStop", 42, Dropped("POST /containers/{id}/stop", "signal")),
    ("container_routes", "postContainersWait", 30, Dropped("POST /containers/{id}/wait", "condition")),
    ("container_routes", "postContainersWait", 34,
     Present("POST", "/containers/x1/wait", query={"condition": "removed"}, expected={"condition": ("removed",)})),
    ("container_routes", "rejectLegacyCapabilities", 40,
     Denied(*CREATE, "HostConfig.Capabilities may not be set", _create({"Capabilities": ["ALL"]}))),
    ("container_routes", "wsContainersAttach", 28, Denied("GET", "/containers/x1/attach/ws", "use docker attach")),
    ("container_routes", "wsContainersAttach", 42, Denied("GET", "/containers/x1/attach/ws", "use docker attach")),
    ("exec", "postContainerExecCreate", 42,
     Present("POST", "/containers/x1/exec", {"Cmd": ["a"], "ConsoleSize": [1, 2]}, expected={"ConsoleSize": [1, 2]})),
    ("exec", "postContainerExecStart", 42,
     Present("POST", "/exec/x1/start", {"ConsoleSize": [1, 2]}, expected={"ConsoleSize": [1, 2]})),
    ("exec", "postContainerExecStart", 42, Shown(the_type_of_a_stream_is_that_of_the_version)),
    ("image_routes", "deleteImages", 50, Dropped("DELETE /images/{name}", "platforms")),
    ("image_routes", "getImagesByName", 44,
     Restored(INSPECT, {"Size": 5}, {"Size": 5, "VirtualSize": 5, "Created": "0001-01-01T00:00:00Z"})),
    ("image_routes", "getImagesByName", 45,
     Restored(INSPECT, {"Id": "a"}, {"Id": "a", "Container": "", "ContainerConfig": None})),
    ("image_routes", "getImagesByName", 48, Dropped(INSPECT, "manifests")),
    ("image_routes", "getImagesByName", 48, Added(INSPECT, {"Descriptor": {}})),
    ("image_routes", "getImagesByName", 49, Dropped(INSPECT, "platform")),
    ("image_routes", "getImagesByName", 50, Restored(INSPECT, {"Config": PRESENT_CONFIG}, {"Config": OLDER_CONFIG})),
    ("image_routes", "getImagesByName", 52,
     Restored(INSPECT, {"Config": PRESENT_CONFIG, "Author": "a"},
              {"Config": OLD_CONFIG, "Author": "a", "Parent": "", "Comment": "", "DockerVersion": "",
               "GraphDriver": {"Data": None, "Name": ""}})),
    ("image_routes", "getImagesByName", 53, Added(INSPECT, {"Identity": {}})),
    ("image_routes", "getImagesGet", 48, Dropped("GET /images/get", "platform")),
    ("image_routes", "getImagesGet", 48, Dropped("GET /images/{name}/get", "platform")),
    ("image_routes", "getImagesGet", 52,
     Denied("GET", "/images/get", "parameter platform is repeated", query=TWO_PLATFORMS)),
    ("image_routes", "getImagesHistory", 48, Dropped("GET /images/{name}/history", "platform")),
    ("image_routes", "getImagesJSON", 25, Shown(a_pattern_of_images_is_a_filter)),
    ("image_routes", "getImagesJSON", 41, Shown(a_pattern_of_images_is_a_filter)),
    ("image_routes", "getImagesJSON", 42, Dropped(LIST, "shared-size")),
    ("image_routes", "getImagesJSON", 43,
     Restored(LIST, [{"RepoTags": [], "RepoDigests": None}, {"RepoTags": ["a:1"]}],
              [{"RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}, {"RepoTags": ["a:1"]}])),
    ("image_routes", "getImagesJSON", 44, Restored(LIST, [{"Size": 5}], [{"Size": 5, "VirtualSize": 5}])),
    ("image_routes", "getImagesJSON", 47, Dropped(LIST, "manifests")),
    ("image_routes", "getImagesJSON", 48, Present("GET", "/images/json")),
    ("image_routes", "getImagesJSON", 51, Present("GET", "/images/json")),
    ("image_routes", "getImagesJSON", 54, Dropped(LIST, "identity")),
    ("image_routes", "postImagesCreate", 32, Dropped("POST /images/create", "platform")),
    ("image_routes", "postImagesLoad", 48, Dropped("POST /images/load", "platform")),
    ("image_routes", "postImagesLoad", 52,
     Denied("POST", "/images/load", "parameter platform is repeated", query=TWO_PLATFORMS)),
    ("image_routes", "postImagesPush", 46, Dropped("POST /images/{name}/push", "platform")),
    ("inspect", "ContainerInspect", 45, Restored("GET /containers/{id}/json", CONTAINER, ALIASED)),
    ("inspect", "getContainersByName", 45, Restored("GET /containers/{id}/json", CONTAINER, ALIASED)),
    ("inspect", "getContainersByName", 48, Added("GET /containers/{id}/json", {"ImageManifestDescriptor": {}})),
    ("inspect", "getContainersByName", 52,
     Restored("GET /containers/{id}/json", {**CONTAINER, **SNAPSHOT},
              {**CONTAINER, **SNAPSHOT, "GraphDriver": {"Data": None, "Name": "overlayfs"},
               "NetworkSettings": {**ON_BRIDGE, **CONTAINER["NetworkSettings"]}})),  # type: ignore[dict-item]
    ("inspect", "getContainersByName", 52,
     Restored("GET /containers/{id}/json", {"GraphDriver": {"Name": "overlay2"}},
              {"GraphDriver": {"Name": "overlay2"}, "NetworkSettings": NO_BRIDGE})),
    ("network_routes", "getNetwork", 52, Added("GET /networks/{id}", {"Status": {}})),
    ("network_routes", "getNetworksList", 28, Present("GET", "/networks")),
    ("network_routes", "postNetworkConnect", 54,
     Present("POST", "/networks/x1/connect", {"Container": "c", "EndpointConfig": {"MacAddress": "02:42:ac:11:00:02"}},
             expected={"EndpointConfig": {"MacAddress": "02:42:ac:11:00:02"}})),
    ("network_routes", "postNetworkCreate", 48,
     Present("POST", "/networks/create", {"Name": "n1", "EnableIPv4": False}, expected={"EnableIPv4": False})),
    ("system_routes", "getDiskUsage", 42, Dropped("GET /system/df", "type")),
    ("system_routes", "getDiskUsage", 44,
     Restored("GET /system/df", {"Images": [{"Size": 5}]}, {"Images": [{"Size": 5, "VirtualSize": 5}]})),
    ("system_routes", "getDiskUsage", 52,
     Denied("GET", "/system/df", "does not support the parameter verbose", query={"verbose": "1"})),
    ("system_routes", "getEvents", 46, Shown(no_client_gets_events_of_images)),
    ("system_routes", "getEvents", 52, Shown(events_have_their_old_fields)),
    *(("system_routes", "getInfo", minor, Present("GET", "/info")) for minor in (25, 39, 42, 44, 46, 47, 49, 50, 53)),
    ("volume_routes", "deleteVolumes", 42, Present("DELETE", "/volumes/x1")),
    ("volume_routes", "getVolumeByName", 42, Present("GET", "/volumes/x1")),
    ("volume_routes", "getVolumesList", 42, Present("GET", "/volumes")),
    ("volume_routes", "postVolumesCreate", 42,
     Denied("POST", "/volumes/create", "ClusterVolumeSpec may not be set", {"ClusterVolumeSpec": {"Group": "g"}})),
    ("volume_routes", "postVolumesPrune", 42, Shown(a_prune_of_volumes_means_all_of_them_in_older_versions)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("minor", "handled"),
    [(minor, handled) for _, _, minor, handled in CHECKS],
    ids=[f"{file}.{function}-1.{minor}-{type(handled).__name__}" for file, function, minor, handled in CHECKS],
)
def test_a_change_between_versions_is_handled(minor: int, handled: Any) -> None:
    handled.check(minor)


def test_all_translations_are_in_the_checks() -> None:
    dropped = {(each.route, each.parameter): minor for *_, minor, each in CHECKS if isinstance(each, Dropped)}
    declared = {(route, key): since[1] for route, keys in PARAMETERS.items() for key, since in keys.items()}
    assert declared == dropped
    restored = {(each.route, minor) for *_, minor, each in CHECKS if isinstance(each, Restored)}
    assert {(route, since[1]) for route, changes in CHANGES.items() for since, _ in changes} == restored


def test_translations_name_routes_and_their_parameters() -> None:
    known = {f"{route.method} {route.template}": route for route in ROUTES}
    assert CHANGES.keys() <= known.keys()
    for route, parameters in PARAMETERS.items():
        assert parameters.keys() <= set(known[route].query), route


def test_the_rules_do_not_depend_on_the_version() -> None:
    """What is denied in one version is denied in all of them: the daemon gets the same request."""
    body = _create({"Binds": ["/srv/data:/t"]})
    messages = {denial("POST", f"/v1.{minor}/containers/create", body, by=BOUND).message for minor in range(24, 57)}
    assert len(messages) == 1
    assert "may bind /srv/data only read-only" in messages.pop()


@pytest.mark.parametrize("response", [None, [], 7, "text", {"Config": 7, "NetworkSettings": [], "Images": [None, 7]}])
@pytest.mark.parametrize("route", CHANGES)
def test_a_response_of_another_form_is_no_error(route: str, response: Any) -> None:
    if route == LIST:
        response = [response]
    assert Translation(route, (1, 24), MAX_VERSION).response(response) is not None
