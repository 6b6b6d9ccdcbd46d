"""What dockerode 4 (Node) sends for the operations of its documentation, and testcontainers for Node with it.

Its transport, docker-modem, has one set of options for an operation. It puts all of them into the query, if the
operation has one, and all of them into the body of each POST.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.guard.clients.call import Call, build_context

ARCHIVE = build_context()
AUTH = {"username": "u", "password": "p", "auth": "", "email": "u@example.com", "serveraddress": "https://r.example"}
HEADERS = {"Content-Type": "application/json"}


def _texts(value: Any) -> Iterator[str]:
    """Values of a parameter: of an array each, of an object its JSON, and of null nothing."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, bool):
            yield str(each).lower()
        elif each is None:
            yield ""
        else:
            yield json.dumps(each) if isinstance(each, dict) else str(each)


def _escape(text: str) -> str:
    """The text, escaped except for the names that the tests replace."""
    return re.sub("%7B([a-z]+)%7D", r"{\1}", quote(text, safe=""))


def _dial(
    name: str, method: str, path: str, options: dict[str, Any] | None = None, *, file: bool = False, **more: Any
) -> Call:
    """One operation; a path with a question mark has a query."""
    options = options or {}
    pairs = [(key, text) for key, value in options.items() for text in _texts(value)]
    has_query = path.endswith("?") and bool(pairs)
    target = path.removesuffix("?") + ("?" if has_query else "")
    target += "&".join(f"{key}={_escape(text)}" for key, text in pairs) if has_query else ""
    body: Any = ARCHIVE if file else options if method == "POST" and options else None
    headers = more.pop("headers", {"Content-Type": "application/tar"} if file else HEADERS if body else {})
    return Call(name, method, target, body, headers, **more)


RUN = {
    "Hostname": "", "User": "", "AttachStdin": False, "AttachStdout": True, "AttachStderr": True, "Tty": True,
    "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": ["sh", "-c", "uname -a"], "Image": "busybox",
    "Volumes": {}, "VolumesFrom": [],
}  # fmt: skip
CREATE = {
    "Image": "busybox", "AttachStdin": False, "AttachStdout": True, "AttachStderr": True, "Tty": True,
    "Cmd": ["/bin/sh", "-c", "tail -f /dev/null"], "OpenStdin": False, "StdinOnce": False,
}  # fmt: skip
TESTCONTAINERS = {
    "Image": "busybox", "platform": None, "Env": ["A=b"], "Cmd": ["sleep", "60"], "ExposedPorts": {"8080/tcp": {}},
    "Labels": {"org.testcontainers": "true", "org.testcontainers.lang": "node"},
    "HostConfig": {
        "AutoRemove": False, "ExtraHosts": ["host.testcontainers.internal:172.17.0.1"], "NetworkMode": None,
        "PortBindings": {"8080/tcp": [{"HostPort": "0"}]},
    },
}  # fmt: skip
UPGRADE = {**HEADERS, "Connection": "Upgrade", "Upgrade": "tcp"}

CONTAINER, STOPPED, EXEC, IMAGE = "/containers/{container}", "/containers/{stopped}", "/exec/{exec}", "/images/{image}"

CALLS: tuple[Call, ...] = (
    # containers
    _dial("createContainer", "POST", "/containers/create?", CREATE),
    _dial("createContainer with a name", "POST", "/containers/create?",
          {"Image": "busybox", "Cmd": ["/bin/sh"], "name": "{new}"}),
    _dial("createContainer with a host configuration", "POST", "/containers/create?",
          {**CREATE, "HostConfig": {"AutoRemove": True, "Memory": 67108864, "Binds": ["{volume}:/data"]}}),
    _dial("createContainer with an AbortSignal", "POST", "/containers/create?", {**CREATE, "abortSignal": {}}),
    _dial("run", "POST", "/containers/create?", RUN),
    _dial("run without a terminal", "POST", "/containers/create?", {**RUN, "Tty": False}),
    _dial("run in a network", "POST", "/containers/create?",
          {**RUN, "name": "{new}", "HostConfig": {"AutoRemove": True, "NetworkMode": "{network}"}}),
    _dial("container.start", "POST", f"{STOPPED}/start?"),
    _dial("container.start with detachKeys", "POST", f"{STOPPED}/start?", {"detachKeys": "ctrl-p,ctrl-q"}),
    _dial("container.attach", "POST", f"{CONTAINER}/attach?", {"stream": True, "stdout": True, "stderr": True}),
    _dial("container.attach with stdin", "POST", f"{CONTAINER}/attach?",
          {"stream": True, "stdin": True, "stdout": True, "stderr": True, "hijack": True}, headers=UPGRADE),
    _dial("container.resize", "POST", f"{CONTAINER}/resize?", {"h": 40, "w": 120}),
    _dial("container.stop", "POST", f"{CONTAINER}/stop?"),
    _dial("container.stop at once", "POST", f"{CONTAINER}/stop?", {"t": 0}),
    _dial("container.restart", "POST", f"{CONTAINER}/restart?", {"t": 0}),
    _dial("container.kill", "POST", f"{CONTAINER}/kill?", {"signal": "SIGKILL"}),
    _dial("container.pause", "POST", f"{CONTAINER}/pause"),
    _dial("container.wait", "POST", f"{CONTAINER}/wait?"),
    _dial("container.wait for its removal", "POST", f"{CONTAINER}/wait?", {"condition": "removed"}),
    _dial("container.remove", "DELETE", f"{STOPPED}?"),
    _dial("container.remove with its volumes", "DELETE", f"{CONTAINER}?", {"v": True, "force": True}),
    _dial("container.remove with an undefined option", "DELETE", f"{STOPPED}?", {"v": None}),
    _dial("container.inspect", "GET", f"{CONTAINER}/json?"),
    _dial("container.inspect with its size", "GET", f"{CONTAINER}/json?", {"size": True}),
    _dial("container.logs", "GET", f"{CONTAINER}/logs?", {"stdout": True, "stderr": True, "tail": 10}),
    _dial("container.logs with follow", "GET", f"{CONTAINER}/logs?",
          {"follow": True, "stdout": True, "stderr": True, "since": 0}),
    _dial("container.top", "GET", f"{CONTAINER}/top?", {"ps_args": "-ef"}),
    _dial("container.stats", "GET", f"{CONTAINER}/stats?", {"stream": False}),
    _dial("container.changes", "GET", f"{CONTAINER}/changes"),
    _dial("container.export", "GET", f"{CONTAINER}/export"),
    _dial("container.getArchive", "GET", f"{CONTAINER}/archive?", {"path": "/etc/passwd"}),
    _dial("container.infoArchive", "HEAD", f"{CONTAINER}/archive?", {"path": "/etc/passwd"}),
    _dial("container.putArchive", "PUT", f"{CONTAINER}/archive?", {"path": "/tmp"}, file=True),
    _dial("container.rename", "POST", f"{STOPPED}/rename?", {"name": "{new}"}),
    _dial("container.update", "POST", f"{CONTAINER}/update", {"CpuShares": 512, "Memory": 67108864,
                                                              "MemorySwap": 134217728}),
    _dial("container.commit", "POST", "/commit?",
          {"repo": "localhost/{new}", "tag": "1", "comment": "c", "pause": False, "container": "{container}"}),
    _dial("container.exec", "POST", f"{CONTAINER}/exec", {"Cmd": ["cat", "-"], "AttachStdin": True,
                                                          "AttachStdout": True}),
    _dial("exec.start", "POST", f"{EXEC}/start", {"hijack": True, "stdin": True}, headers=UPGRADE),
    _dial("exec.start without options", "POST", f"{EXEC}/start"),
    _dial("exec.start with Tty", "POST", f"{EXEC}/start", {"Detach": False, "Tty": False}),
    _dial("exec.inspect", "GET", f"{EXEC}/json"),
    _dial("listContainers", "GET", "/containers/json?"),
    _dial("listContainers with filters", "GET", "/containers/json?",
          {"all": True, "limit": 1, "filters": {"label": ["a=b"], "status": ["running"]}}),
    _dial("pruneContainers", "POST", "/containers/prune?", {"filters": {"until": ["24h"]}}),
    # images
    _dial("pull", "POST", "/images/create?", {"fromImage": "busybox", "tag": "latest"}, needs_registry=True),
    _dial("pull with credentials", "POST", "/images/create?",
          {"authconfig": AUTH, "platform": None, "fromImage": "busybox", "tag": "latest"}, needs_registry=True),
    _dial("createImage", "POST", "/images/create?", {"fromImage": "busybox", "tag": "1"}, needs_registry=True),
    _dial("listImages", "GET", "/images/json?", {"all": True, "filters": {"reference": ["busybox"]}}),
    _dial("image.inspect", "GET", f"{IMAGE}/json"),
    _dial("image.history", "GET", f"{IMAGE}/history"),
    _dial("image.get", "GET", f"{IMAGE}/get"),
    _dial("image.tag", "POST", f"{IMAGE}/tag?", {"repo": "localhost/{new}", "tag": "1"}),
    _dial("image.push", "POST", "/images/localhost/pushed/push?", {"tag": "1", "stream": False}, needs_registry=True),
    _dial("image.remove", "DELETE", f"{IMAGE}?", {"force": False, "noprune": False}),
    _dial("buildImage", "POST", "/build?", {"t": "localhost/{new}:1"}, file=True),
    _dial("buildImage with options", "POST", "/build?",
          {"t": "localhost/{new}:1", "dockerfile": "Dockerfile", "buildargs": {"A": "b"}, "labels": {"a": "b"},
           "cachefrom": '["busybox"]', "nocache": False, "pull": None, "squash": False, "q": True, "target": ""},
          file=True),
    _dial("pruneImages", "POST", "/images/prune?", {"filters": {"dangling": {"true": True}}}),
    # networks and volumes
    _dial("createNetwork", "POST", "/networks/create?", {"Name": "{new}", "CheckDuplicate": True, "Driver": "bridge"}),
    _dial("listNetworks", "GET", "/networks?", {"filters": {"name": ["{new}"]}}),
    _dial("network.inspect", "GET", "/networks/{network}?"),
    _dial("network.connect", "POST", "/networks/{network}/connect", {"Container": "{container}"}),
    _dial("network.remove", "DELETE", "/networks/{network}"),
    _dial("pruneNetworks", "POST", "/networks/prune?"),
    _dial("createVolume", "POST", "/volumes/create?", {"Name": "{new}", "Driver": "local", "Labels": {"a": "b"}}),
    _dial("createVolume with driver options that are empty", "POST", "/volumes/create?", {"DriverOpts": {}}),
    _dial("listVolumes", "GET", "/volumes?"),
    _dial("volume.inspect", "GET", "/volumes/{volume}"),
    _dial("volume.remove", "DELETE", "/volumes/{volume}"),
    _dial("pruneVolumes", "POST", "/volumes/prune?", {"filters": {"label": ["a"]}}),
    # the daemon
    _dial("info", "GET", "/info"),
    _dial("version", "GET", "/version"),
    _dial("ping", "GET", "/_ping"),
    _dial("df", "GET", "/system/df"),
    _dial("getEvents", "GET", "/events?",
          {"filters": {"type": ["container"], "container": ["{container}"], "event": ["die", "start"]},
           "since": 0, "until": 1}),
    # testcontainers for Node
    _dial("testcontainers: create", "POST", "/containers/create?", TESTCONTAINERS),
    _dial("testcontainers: create with a name", "POST", "/containers/create?", {**TESTCONTAINERS, "name": "{new}"}),
    _dial("testcontainers: create in a network", "POST", "/containers/create?",
          {**TESTCONTAINERS, "HostConfig": {"AutoRemove": False, "NetworkMode": "{network}"}}),
    _dial("testcontainers: copy", "PUT", f"{CONTAINER}/archive?",
          {"path": "/", "noOverwriteDirNonDir": None, "copyUIDGID": None}, file=True),
    _dial("testcontainers: exec", "POST", f"{CONTAINER}/exec", {"Cmd": ["true"], "AttachStdout": True,
                                                                "AttachStderr": True}),
    _dial("testcontainers: start of an exec", "POST", f"{EXEC}/start", {"stdin": True, "Detach": False, "Tty": False}),
    _dial("testcontainers: network", "POST", "/networks/create?",
          {"Name": "{new}", "CheckDuplicate": True, "Driver": "bridge", "Internal": False, "Attachable": False,
           "Ingress": False, "EnableIPv6": False, "Labels": {"org.testcontainers": "true"}}),
)  # fmt: skip
