"""Containers: their creation, by allow-list of every field, and what is done with them later."""

from __future__ import annotations

import functools
import re
from typing import Any

from nested_docker.api.v1alpha1.guard import ContainerRules, GuardRules, Publish
from nested_docker.guard.errors import MALFORMED, GuardDenied
from nested_docker.guard.hints import BUILDKIT, BUILDKITS_IMAGE
from nested_docker.guard.model import ApiRequest, ForwardPlan, Reservation
from nested_docker.guard.ownership import Kind, Need, Reference, extra_hosts, is_plain, labels, matches_any
from nested_docker.guard.rules import endpoints, mounts, resources
from nested_docker.guard.rules.schema import (
    DROP,
    Table,
    between,
    boolean,
    ignored,
    integer,
    items,
    mapping,
    nested,
    nothing,
    null,
    objects,
    one_of,
    text,
    text_map,
    text_or_texts,
    texts,
    validated,
)
from nested_docker.guard.wire.query import one

NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")
PS_ARGUMENTS = re.compile(r"[A-Za-z0-9, -]*")
ANY_ADDRESS = ("", "0.0.0.0", "::", "127.0.0.1", "::1")  # noqa: S104 - compared with, not listened on


def create(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/create`."""
    name = one(api_request.query, "name")
    if name and not NAME.fullmatch(name):
        raise GuardDenied("fields", f"{name!r} is no name of a container", status=MALFORMED)
    found: list[Reference] = []
    try:
        body = validated(api_request.body, _top(api_request.rules, api_request.uid, found.append), "")
    except GuardDenied as denied:
        raise _told_why(denied, str(api_request.body.get("Image"))) from denied
    if not is_plain(body.get("Image", "")):
        raise GuardDenied("fields", "Image is missing, or is no name of an image", status=MALFORMED)
    found.insert(0, Reference(Kind.IMAGE, body["Image"], Need.VISIBLE))  # before volumes are made for nothing
    host = body.setdefault("HostConfig", {})
    if "NetworkMode" not in host:
        endpoints.check_network("", api_request.rules, "HostConfig.NetworkMode", found=found.append, place=())
    body["HostConfig"] = resources.limited(host, api_request.rules.limits)
    body["Labels"] = labels(body.get("Labels", {}), api_request.uid, where="Labels")
    reservation = Reservation(Kind.CONTAINER, resources.usage(body["HostConfig"]))
    return ForwardPlan(api_request.query, body, tuple(found), reservation)


def _told_why(denied: GuardDenied, image: str) -> GuardDenied:
    """With the remedy for those who do not know what they have asked for: buildx, where it may pull its own builder."""
    if denied.rule == "HostConfig.Privileged" and matches_any(image, [BUILDKITS_IMAGE]):
        return GuardDenied(denied.rule, f"{denied.message}: {BUILDKIT}")
    return denied


def update(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/{id}/update`."""
    body = validated(api_request.body, {**resources.FIELDS, **UPDATE}, "")
    resources.within(body, api_request.rules.limits)
    return ForwardPlan(
        body=body,
        references=(_own(api_request),),
        reservation=Reservation(Kind.CONTAINER, resources.usage(body), api_request.name),
    )


def exec_(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/{id}/exec`."""
    if not api_request.rules.containers.exec:
        raise GuardDenied("containers.exec", "programs may not be run in containers")
    return ForwardPlan(body=validated(api_request.body, EXEC, ""), references=(_own(api_request),))


def exec_start(api_request: ApiRequest) -> ForwardPlan:
    """`POST /exec/{id}/start`."""
    body = validated(api_request.body, {"Detach": boolean, "Tty": boolean, "ConsoleSize": _size}, "")
    return ForwardPlan(body=body, references=(Reference(Kind.EXEC, api_request.name, place=("path",)),))


def of_exec(api_request: ApiRequest) -> ForwardPlan:
    """What concerns a program that was run in a container, and has nothing to judge but whose it is."""
    return ForwardPlan(api_request.query, references=(Reference(Kind.EXEC, api_request.name, place=("path",)),))


def own(api_request: ApiRequest) -> ForwardPlan:
    """What concerns one container, and has nothing to judge but whose it is."""
    return ForwardPlan(api_request.query, references=(_own(api_request),))


def attach(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/{id}/attach`."""
    if not api_request.rules.containers.attach:
        raise GuardDenied("containers.attach", "containers may not be attached to")
    return own(api_request)


def files(api_request: ApiRequest) -> ForwardPlan:
    """`/containers/{id}/archive`, and `/export`."""
    if not api_request.rules.containers.copy_files:
        raise GuardDenied("containers.copyFiles", "files may not be copied from or to containers")
    return own(api_request)


def top(api_request: ApiRequest) -> ForwardPlan:
    """`GET /containers/{id}/top`: the daemon runs the node's own ps with these arguments."""
    if not PS_ARGUMENTS.fullmatch(one(api_request.query, "ps_args")):
        raise GuardDenied("containers.top", "ps_args may have letters, digits, commas, spaces and dashes only")
    return own(api_request)


def rename(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/{id}/rename`."""
    if not NAME.fullmatch(one(api_request.query, "name")):
        raise GuardDenied("fields", "the new name is no name of a container", status=MALFORMED)
    return own(api_request)


def delete(api_request: ApiRequest) -> ForwardPlan:
    """`DELETE /containers/{id}`: its volumes without a name go along, since nobody could reach them any more."""
    if one(api_request.query, "link") not in {"", "0", "false", "False"}:
        raise GuardDenied("containers.links", "links are not known to the guard")
    query = {key: values for key, values in api_request.query.items() if key != "link"}
    return ForwardPlan({**query, "v": ("1",)}, references=(_own(api_request),))


def _own(api_request: ApiRequest) -> Reference:
    return Reference(Kind.CONTAINER, api_request.name, place=("path",))


def _top(rules: GuardRules, uid: str, found: mounts.Found) -> Table:
    networking = {
        "EndpointsConfig": functools.partial(endpoints.endpoints, rules=rules, found=found),
    }
    return {**CONFIG, "HostConfig": nested(host_config(rules, uid, found)), "NetworkingConfig": nested(networking)}


def host_config(rules: GuardRules, uid: str, found: mounts.Found) -> Table:
    """The fields of HostConfig, every one that the API has; `found` is told of the objects they speak of."""
    containers = rules.containers
    return {
        **resources.FIELDS,
        "Annotations": nothing,
        "AutoRemove": boolean,
        "Binds": functools.partial(mounts.binds, rules=rules, found=found),
        "CapAdd": functools.partial(_capabilities, rules=containers),
        "CapDrop": texts,
        "Capabilities": nothing,
        "Cgroup": nothing,
        "CgroupParent": nothing,
        "CgroupnsMode": one_of("", "private"),
        "ConsoleSize": _size,
        "ContainerIDFile": ignored,
        "DeviceCgroupRules": nothing,
        "DeviceRequests": nothing,
        "Devices": functools.partial(_devices, rules=containers),
        "Dns": texts,
        "DnsOptions": texts,
        "DnsSearch": texts,
        "ExtraHosts": _extra_hosts,
        "GroupAdd": nothing,
        "Init": boolean,
        "IpcMode": functools.partial(_namespace, plain=("", "none", "private", "shareable"), found=found),
        "Isolation": one_of("", "default"),
        "Links": nothing,
        "LogConfig": nested({"Type": one_of("", "json-file", "local", "none"), "Config": _log_options}),
        "MaskedPaths": null,
        "Mounts": functools.partial(mounts.mounts, rules=rules, uid=uid, found=found),
        "NetworkMode": functools.partial(endpoints.network_mode, rules=rules, found=found),
        "OomScoreAdj": between(0, 1000),
        "PidMode": functools.partial(_namespace, plain=("",), found=found),
        "PortBindings": functools.partial(_ports, rules=containers),
        "Privileged": nothing,
        "PublishAllPorts": functools.partial(_publish_all, rules=containers),
        "ReadonlyPaths": null,
        "ReadonlyRootfs": boolean,
        "RestartPolicy": _RESTART_POLICY,
        "Runtime": functools.partial(_runtime, rules=containers),
        "SecurityOpt": _security_options,
        "ShmSize": between(0, 2**40),
        "StorageOpt": nothing,
        "Sysctls": functools.partial(_sysctls, rules=containers),
        "Tmpfs": mounts.tmpfs,
        "UTSMode": nothing,
        "Umask": nothing,
        "UsernsMode": nothing,
        "VolumeDriver": one_of("", "local"),
        "VolumesFrom": functools.partial(mounts.volumes_from, found=found),
    }


def _extra_hosts(value: Any, where: str) -> list[str]:
    return extra_hosts(texts(value, where), where)


def _set(value: Any, where: str) -> dict[str, Any]:
    """Go's form of a set: an object of empty objects."""
    return {key: nothing(each, f"{where}.{key}") and {} for key, each in mapping(value, where).items()}


def _volumes(value: Any, where: str) -> dict[str, Any]:
    """Volumes without a name, at these paths; what looks like a bind is none of them."""
    for path in mapping(value, where):
        if not path.startswith("/") or ":" in path:
            raise GuardDenied("containers.binds", f"{where} has {path!r}, which is not a path from /")
    return _set(value, where)


def _size(value: Any, where: str) -> list[int]:
    if len(items(value, where)) != 2:
        raise GuardDenied("fields", f"{where} is not a height and a width", status=MALFORMED)
    return [integer(each, where) for each in value]


def _capabilities(value: Any, where: str, *, rules: ContainerRules) -> list[str]:
    result = text_or_texts(value, where)
    result = [result] if isinstance(result, str) else result
    for each in result:
        if each.upper().removeprefix("CAP_") not in rules.capabilities:
            raise GuardDenied("containers.capabilities", f"the capability {each!r} may not be added")
    return result


def _devices(value: Any, where: str, *, rules: ContainerRules) -> list[dict[str, Any]]:
    fields: Table = {"PathOnHost": text, "PathInContainer": text, "CgroupPermissions": text}
    result: list[dict[str, Any]] = objects(fields)(value, where)
    for each in result:
        if each.get("PathOnHost") not in rules.devices:
            raise GuardDenied("containers.devices", f"the device {each.get('PathOnHost')!r} may not be used")
    return result


def _sysctls(value: Any, where: str, *, rules: ContainerRules) -> dict[str, str]:
    result = text_map(value, where)
    for key in result:
        if key not in rules.sysctls:
            raise GuardDenied("containers.sysctls", f"the kernel parameter {key!r} may not be set")
    return result


def _runtime(value: Any, where: str, *, rules: ContainerRules) -> Any:
    if text(value, where) == "":
        return DROP
    if value not in rules.runtimes:
        raise GuardDenied("containers.runtimes", f"the runtime {value!r} may not be asked for")
    return value


def _namespace(value: Any, where: str, *, plain: tuple[str, ...], found: mounts.Found) -> str:
    return str(value) if text(value, where) in plain else endpoints.container(value, where, found=found)


def _ports(value: Any, where: str, *, rules: ContainerRules) -> dict[str, Any]:
    binding: Table = {"HostIp": one_of(*ANY_ADDRESS), "HostPort": text}
    result = {}
    for port, bindings in mapping(value, where).items():
        path = f"{where}.{port}"
        result[port] = [] if bindings is None else objects(binding)(bindings, path)
        if rules.publish is Publish.NOTHING:
            raise GuardDenied("containers.publish", f"{path}: ports may not be published on the node")
        for each in result[port]:
            if each.get("HostPort", "") not in {"", "0"}:
                raise GuardDenied(
                    "containers.publish",
                    f"{path}: the node's port {each['HostPort']} may not be chosen; write -p {port.split('/')[0]} and "
                    "ask with docker port",
                )
    return result


def _publish_all(value: Any, where: str, *, rules: ContainerRules) -> bool:
    if boolean(value, where) and rules.publish is Publish.NOTHING:
        raise GuardDenied("containers.publish", "ports may not be published on the node")
    return bool(value)


def _security_options(value: Any, where: str) -> list[str]:
    for each in texts(value, where):
        if each not in {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"}:
            raise GuardDenied("containers.securityOpt", f"the security option {each!r} may not be set")
    return list(value)


def _log_options(value: Any, where: str) -> dict[str, str]:
    result = text_map(value, where)
    for key in result:
        if key not in {"max-size", "max-file", "compress"}:
            raise GuardDenied(where, f"the log option {key!r} may not be set")
    return result


def _labels(value: Any, where: str) -> dict[str, str]:
    return text_map(value, where)


_RESTART_POLICY = nested(
    {"Name": one_of("", "no", "on-failure", "always", "unless-stopped"), "MaximumRetryCount": integer}
)

UPDATE: Table = {
    "RestartPolicy": _RESTART_POLICY,
    "CgroupParent": nothing,
    "DeviceCgroupRules": nothing,
    "DeviceRequests": nothing,
    "Devices": nothing,
    "Init": nothing,
}
"""What an update has beside resources."""

CONFIG: Table = {
    "ArgsEscaped": boolean,
    "AttachStderr": boolean,
    "AttachStdin": boolean,
    "AttachStdout": boolean,
    "Cmd": text_or_texts,
    "Domainname": text,
    "Entrypoint": text_or_texts,
    "Env": texts,
    "ExposedPorts": mapping,
    "Healthcheck": nested(
        {
            "Test": texts,
            "Interval": integer,
            "Timeout": integer,
            "Retries": integer,
            "StartPeriod": integer,
            "StartInterval": integer,
        }
    ),
    "Hostname": text,
    "Image": text,
    "Labels": _labels,
    "MacAddress": text,
    "NetworkDisabled": boolean,
    "OnBuild": nothing,
    "OpenStdin": boolean,
    "Shell": texts,
    "StdinOnce": boolean,
    "StopSignal": text,
    "StopTimeout": integer,
    "Tty": boolean,
    "User": text,
    "Volumes": _volumes,
    "WorkingDir": text,
}
"""A container's own part of its creation: nothing in it reaches beyond the container."""

EXEC: Table = {
    "AttachStderr": boolean,
    "AttachStdin": boolean,
    "AttachStdout": boolean,
    "Cmd": text_or_texts,
    "ConsoleSize": _size,
    "Container": ignored,
    "DetachKeys": text,
    "Detach": boolean,
    "Env": texts,
    "Privileged": nothing,
    "Tty": boolean,
    "User": text,
    "WorkingDir": text,
}
