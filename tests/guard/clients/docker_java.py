"""What docker-java 3 (Java) sends for its commands, and testcontainers for Java, Jenkins and Gradle with it.

Its objects have a field for each of the API's, and those that the user has not set are null.
"""

from __future__ import annotations

from typing import Any

from tests.guard.clients.call import Call, build_context

V = "/v1.32"
ARCHIVE = build_context()
TAR = {"Content-Type": "application/tar", "encoding": "gzip"}

RESOURCES: dict[str, Any] = dict.fromkeys(
    ("BlkioWeight", "BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps",
     "BlkioDeviceWriteIOps", "CpuShares", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime",
     "NanoCpus", "CpusetCpus", "CpusetMems", "Devices", "DeviceCgroupRules", "DeviceRequests", "Memory", "MemorySwap",
     "MemoryReservation", "KernelMemory", "OomKillDisable", "Init", "PidsLimit", "Ulimits", "RestartPolicy")
)  # fmt: skip
HOST: dict[str, Any] = {
    **RESOURCES,
    **dict.fromkeys(
        ("Binds", "MemorySwappiness", "Annotations", "CapAdd", "CapDrop", "ContainerIDFile", "DiskQuota", "Dns",
         "DnsOptions", "DnsSearch", "ExtraHosts", "GroupAdd", "IpcMode", "Cgroup", "Links", "LogConfig", "LxcConf",
         "NetworkMode", "AutoRemove", "OomScoreAdj", "PortBindings", "Privileged", "PublishAllPorts", "ReadonlyRootfs",
         "CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth", "VolumesFrom", "Mounts", "PidMode",
         "Isolation", "SecurityOpt", "StorageOpt", "CgroupParent", "VolumeDriver", "ShmSize", "Runtime", "Tmpfs",
         "UTSMode", "UsernsMode", "Sysctls", "ConsoleSize", "CgroupnsMode")
    ),
}  # fmt: skip
CREATE: dict[str, Any] = {
    **dict.fromkeys(
        ("Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "PortSpecs", "Tty",
         "OpenStdin", "StdinOnce", "Env", "Cmd", "Healthcheck", "ArgsEscaped", "Entrypoint", "WorkingDir", "MacAddress",
         "OnBuild", "NetworkDisabled", "StopSignal", "StopTimeout", "Labels", "Shell", "NetworkingConfig")
    ),
    "Image": "busybox", "Volumes": {}, "ExposedPorts": {}, "HostConfig": HOST,
}  # fmt: skip
ENDPOINT: dict[str, Any] = dict.fromkeys(
    ("IPAMConfig", "Links", "NetworkID", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway",
     "GlobalIPv6Address", "GlobalIPv6PrefixLen", "MacAddress")
)  # fmt: skip
EXEC: dict[str, Any] = {
    **dict.fromkeys(("AttachStdin", "Tty", "Privileged", "User", "Env", "WorkingDir")),
    "containerId": "{container}", "AttachStdout": True, "AttachStderr": True, "Cmd": ["true"],
}  # fmt: skip
COMMIT: dict[str, Any] = {
    **dict.fromkeys(
        ("AttachStdin", "AttachStdout", "AttachStderr", "Cmd", "DisableNetwork", "Env", "ExposedPorts", "Hostname",
         "Labels", "Memory", "MemorySwap", "OpenStdin", "PortSpecs", "StdinOnce", "Tty", "User", "Volumes",
         "WorkingDir")
    ),
    "containerId": "{container}", "repository": "localhost/{new}", "tag": "1", "message": "m", "author": "a",
}  # fmt: skip
NETWORK: dict[str, Any] = {
    **dict.fromkeys(("Driver", "IPAM", "CheckDuplicate", "Internal", "EnableIPv6", "Attachable", "Labels")),
    "Name": "{new}", "Options": {},
}  # fmt: skip


def _create(name: str, host: dict[str, Any] | None = None, **config: Any) -> Call:
    body = {**CREATE, **config, "HostConfig": {**HOST, **(host or {})}}
    return Call(name, "POST", f"{V}/containers/create", body)


def _post(name: str, path: str, body: Any = None, **more: Any) -> Call:
    return Call(name, "POST", f"{V}{path}", body, **more)


def _get(name: str, path: str) -> Call:
    return Call(name, "GET", f"{V}{path}")


CALLS: tuple[Call, ...] = (
    # containers
    _create("createContainerCmd"),
    _create("createContainerCmd with a command", Cmd=["sleep", "9"], Env=["A=b"], Labels={"a": "b"}, Tty=False),
    Call("createContainerCmd with a name", "POST", f"{V}/containers/create?name={{new}}", CREATE),
    _create("createContainerCmd with ports",
            {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}]}, "PublishAllPorts": False},
            ExposedPorts={"80/tcp": {}}),
    _create("createContainerCmd with binds", {"Binds": ["{volume}:/data:rw"]}, Volumes={"/data": {}}),
    _create("createContainerCmd in a network", {"NetworkMode": "{network}"},
            NetworkingConfig={"EndpointsConfig": {"{network}": {**ENDPOINT, "Aliases": ["web"]}}}),
    _create("createContainerCmd with limits", {"Memory": 67108864, "NanoCpus": 500000000, "PidsLimit": 100,
                                               "RestartPolicy": {"MaximumRetryCount": 0, "Name": "no"}}),
    _create("createContainerCmd with defaults",
            {"Privileged": False, "OomKillDisable": False, "DiskQuota": 0, "LxcConf": [], "Links": [], "Isolation": "",
             "LogConfig": {"Type": "json-file", "Config": None}, "ConsoleSize": [], "Mounts": []}, PortSpecs=[]),
    _create("createContainerCmd with a mount",
            {"Mounts": [{"Type": "volume", "Source": "{volume}", "Target": "/data", "ReadOnly": False,
                         "BindOptions": None, "VolumeOptions": None, "TmpfsOptions": None, "ImageOptions": None}]}),
    _post("startContainerCmd", "/containers/{stopped}/start"),
    _post("stopContainerCmd", "/containers/{container}/stop?t=0"),
    _post("restartContainerCmd", "/containers/{container}/restart?t=0"),
    _post("killContainerCmd", "/containers/{container}/kill?signal=SIGKILL"),
    _post("pauseContainerCmd", "/containers/{container}/pause"),
    _post("waitContainerCmd", "/containers/{container}/wait"),
    _post("renameContainerCmd", "/containers/{stopped}/rename?name={new}"),
    _post("resizeContainerCmd", "/containers/{container}/resize?h=40&w=120",
          {"containerId": "{container}", "height": 40, "width": 120}),
    _post("updateContainerCmd", "/containers/{container}/update", {**RESOURCES, "Memory": 67108864,
                                                                   "MemorySwap": 134217728}),
    _post("attachContainerCmd", "/containers/{container}/attach?logs=1&stdout=1&stderr=1&stream=1"),
    _get("inspectContainerCmd", "/containers/{container}/json?size=false"),
    _get("listContainersCmd", "/containers/json?limit=-1&all=0&size=0"),
    _get("listContainersCmd with filters", "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D"),
    _get("logContainerCmd", "/containers/{container}/logs?tail=all&stdout=1&stderr=1&timestamps=0"),
    _get("topContainerCmd", "/containers/{container}/top?ps_args=aux"),
    _get("statsCmd", "/containers/{container}/stats?stream=0"),
    _get("containerDiffCmd", "/containers/{container}/changes"),
    _get("copyArchiveFromContainerCmd", "/containers/{container}/archive?path=%2Fetc%2Fpasswd"),
    Call("copyArchiveToContainerCmd", "PUT",
         f"{V}/containers/{{container}}/archive?path=%2Ftmp&noOverwriteDirNonDir=false&copyUIDGID=false", ARCHIVE,
         {"Content-Type": "application/x-tar"}),
    Call("removeContainerCmd", "DELETE", f"{V}/containers/{{container}}?v=1&force=1"),
    Call("removeContainerCmd with defaults", "DELETE", f"{V}/containers/{{stopped}}?v=0&force=0&link=0"),
    _post("execCreateCmd", "/containers/{container}/exec", EXEC),
    _post("execStartCmd", "/exec/{exec}/start", {"Detach": False, "Tty": None}),
    _get("inspectExecCmd", "/exec/{exec}/json"),
    _post("commitCmd", "/commit?container={container}&repo=localhost%2F{new}&tag=1&m=m&author=a", COMMIT),
    # images
    _post("pullImageCmd", "/images/create?tag=latest&fromImage=busybox", needs_registry=True),
    _get("inspectImageCmd", "/images/busybox:latest/json"),
    _get("inspectImageCmd with a slash", "/images/{escaped}/json"),
    _get("imageHistoryCmd", "/images/{escaped}/history"),
    _get("listImagesCmd", "/images/json?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D&all=0"),
    _get("saveImageCmd", "/images/{image}/get"),
    _post("tagImageCmd", "/images/{image}/tag?repo=localhost%2F{new}&tag=1&force=0"),
    _post("pushImageCmd", "/images/localhost%2Fpushed/push?tag=1", needs_registry=True),
    Call("removeImageCmd", "DELETE", f"{V}/images/{{image}}?force=0&noprune=0"),
    Call("buildImageCmd", "POST", f"{V}/build?t=localhost%2F{{new}}:1&q=0&nocache=0&pull=0&rm=false&forcerm=0"
         "&buildargs=%7B%22A%22%3A%22b%22%7D&labels=%7B%22a%22%3A%22b%22%7D", ARCHIVE, TAR),
    # networks and volumes
    _post("createNetworkCmd", "/networks/create", NETWORK),
    _post("createNetworkCmd with defaults", "/networks/create",
          {**NETWORK, "IPAM": {"Driver": None, "Config": [], "Options": None}, "Internal": False}),
    _get("inspectNetworkCmd", "/networks/{network}"),
    _get("listNetworksCmd", "/networks?filters=%7B%22name%22%3A%5B%22x%22%5D%7D"),
    _post("connectToNetworkCmd", "/networks/{network}/connect",
          {"Container": "{container}", "EndpointConfig": {**ENDPOINT, "Aliases": None}}),
    Call("removeNetworkCmd", "DELETE", f"{V}/networks/{{network}}"),
    _post("createVolumeCmd", "/volumes/create", dict.fromkeys(("Name", "Labels", "Driver", "DriverOpts"))),
    _get("inspectVolumeCmd", "/volumes/{volume}"),
    _get("listVolumesCmd", "/volumes?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D"),
    Call("removeVolumeCmd", "DELETE", f"{V}/volumes/{{volume}}"),
    *(_post(f"pruneCmd of {kind}", f"/{kind}/prune") for kind in ("containers", "images", "networks", "volumes")),
    # the daemon
    _get("infoCmd", "/info"),
    _get("versionCmd", "/version"),
    _get("pingCmd", "/_ping"),
    _get("eventsCmd", "/events?since=0&until=1"),
)  # fmt: skip
