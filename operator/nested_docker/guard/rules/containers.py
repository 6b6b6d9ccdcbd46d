"""Containers: their creation, by an allow-list of all fields, and later requests."""

from __future__ import annotations

import functools
import re
from http import HTTPStatus
from typing import Any

from nested_docker.api.v1alpha1.guard import ContainerRules, GuardRules, Publish
from nested_docker.guard.errors import AbsentForClients, GuardDenied
from nested_docker.guard.hints import BUILDKIT_HINT, BUILDKIT_IMAGE
from nested_docker.guard.model import ApiRequest, ForwardPlan, Reservation
from nested_docker.guard.ownership import (
    OWNER_ANNOTATION,
    ObjectKind,
    Reference,
    Requirement,
    check_extra_hosts,
    is_valid_name,
    matches_any,
    with_owner_label,
)
from nested_docker.guard.rules import endpoints, mounts, resources, values
from nested_docker.guard.rules.inherited import complete_by_image
from nested_docker.guard.rules.schema import (
    OMIT,
    FieldTable,
    any_array,
    any_boolean,
    any_object,
    any_string,
    array_of,
    between,
    ignored,
    null_only,
    object_of,
    one_of,
    string_array,
    string_map,
    string_or_array,
    unset,
    validate_object,
)
from nested_docker.guard.wire.query import first_value

DOCKER_NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")
RESERVED_NAME = re.compile(r"/?k8s_")
"""Names of the kubelet's containers, which cri-dockerd would manage."""

RESERVED_ENVIRONMENT = ("NVIDIA_",)
"""Prefixes of variables by which a container runtime gives devices of the node to a container."""

PS_ARGUMENTS = frozenset(
    {
        "",
        "aux",
        "auxww",
        "-ef",
        "-eF",
        "-el",
        "-elf",
        "-efww",
        "-o pid,cmd",
        "-o pid,comm",
        "-o pid,args",
        "-eo pid,cmd",
        "-eo pid,comm",
    }
    | {"-eo pid,args", "-eo pid,ppid,cmd", "-eo pid,ppid,comm", "-eo pid,user,args", "-o pid,ppid,cmd"}
)
"""Arguments of ps that show only the container's processes, and nobody's environment.

The node's ps has a language of options, and the daemon looks for the PID in its output: with the right columns others'
processes pass, so whole values are allowed and no alphabet.
"""

LOG_DRIVERS = ("json-file", "local", "none")
BUILT_IN_LOG_DRIVERS = frozenset(
    {*LOG_DRIVERS, "awslogs", "etwlogs", "fluentd", "gcplogs", "gelf", "journald", "logentries", "splunk", "syslog"}
)
"""Other log drivers are plugins, which clients do not have."""

MAX_STOP_SECONDS = 300
"""A longer stop timeout would hold the node's daemon back when it shuts down."""
MAX_PORTS = 256
"""Ports of a container: the node runs a process for each published one."""

MAX_NANOSECONDS = 2**63 - 1
MAX_TERMINAL = 2**16 - 1
"""Rows and columns of a terminal are 16 bits in the kernel."""

ANY_ADDRESS = ("", "0.0.0.0", "::", "127.0.0.1", "::1")  # noqa: S104 - compared with, not listened on


def validate_container_create(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/create`."""
    name = first_value(api_request.query, "name")
    if name:
        _check_name(name)
    references: list[Reference] = []
    try:
        body = validate_object(
            api_request.body, _create_fields(api_request.rules, api_request.uid, references.append), ""
        )
    except GuardDenied as denied:
        raise _with_hint(denied, str(api_request.body.get("Image"))) from denied
    if not is_valid_name(body.get("Image", ""), ObjectKind.IMAGE):
        raise GuardDenied("fields", "Image is missing or not a valid image name", status=HTTPStatus.BAD_REQUEST)
    # The image comes first: no volume is created for a request with a denied image.
    references.insert(0, Reference(ObjectKind.IMAGE, body["Image"], Requirement.VISIBLE))
    host = body.setdefault("HostConfig", {})
    if "NetworkMode" not in host:
        endpoints.check_network(
            "", api_request.rules, "HostConfig.NetworkMode", add_reference=references.append, location=()
        )
    body["HostConfig"] = {
        **resources.apply_limits(host, api_request.rules.limits),
        "Annotations": {OWNER_ANNOTATION: api_request.uid},
    }
    body["Labels"] = with_owner_label(body.get("Labels", {}), api_request.uid, where="Labels")
    reservation = Reservation(ObjectKind.CONTAINER, resources.limits_of(body["HostConfig"]))
    complete = functools.partial(complete_by_image, uid=api_request.uid)
    return ForwardPlan(api_request.query, body, tuple(references), reservation, complete=complete)


def _with_hint(denied: GuardDenied, image: str) -> GuardDenied:
    """Add the remedy for users of buildx, which creates a privileged builder if it may pull the image."""
    if denied.rule == "HostConfig.Privileged" and matches_any(image, [BUILDKIT_IMAGE]):
        return GuardDenied(denied.rule, f"{denied.message}: {BUILDKIT_HINT}")
    return denied


def validate_container_update(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/{id}/update`."""
    body = validate_object(api_request.body, {**resources.RESOURCE_FIELDS, **UPDATE_FIELDS}, "")
    resources.check_update(body, api_request.rules.limits)
    return ForwardPlan(
        body=body,
        references=(_owned_container(api_request),),
        reservation=Reservation(ObjectKind.CONTAINER, resources.limits_of(body), api_request.name),
    )


def validate_exec_create(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/{id}/exec`."""
    if not api_request.rules.containers.exec:
        raise GuardDenied("containers.exec", "exec in containers is not allowed")
    return ForwardPlan(
        body=validate_object(api_request.body, EXEC_FIELDS, ""), references=(_owned_container(api_request),)
    )


def validate_exec_start(api_request: ApiRequest) -> ForwardPlan:
    """`POST /exec/{id}/start`."""
    body = validate_object(api_request.body, EXEC_START_FIELDS, "")
    return ForwardPlan(body=body, references=(Reference(ObjectKind.EXEC, api_request.name, location=("path",)),))


def validate_owned_exec(api_request: ApiRequest) -> ForwardPlan:
    """A request for one exec instance, whose container must be owned."""
    return ForwardPlan(
        api_request.query, references=(Reference(ObjectKind.EXEC, api_request.name, location=("path",)),)
    )


def validate_owned_container(api_request: ApiRequest) -> ForwardPlan:
    """A request for one container, which must be owned."""
    return ForwardPlan(api_request.query, references=(_owned_container(api_request),))


def validate_attach(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/{id}/attach`."""
    if not api_request.rules.containers.attach:
        raise GuardDenied("containers.attach", "attaching to containers is not allowed")
    return validate_owned_container(api_request)


def validate_file_copy(api_request: ApiRequest) -> ForwardPlan:
    """`/containers/{id}/archive` and `/containers/{id}/export`."""
    if not api_request.rules.containers.copy_files:
        raise GuardDenied("containers.copyFiles", "copying files from or to containers is not allowed")
    return validate_owned_container(api_request)


def validate_top(api_request: ApiRequest) -> ForwardPlan:
    """`GET /containers/{id}/top`: the daemon runs the node's ps with these arguments."""
    arguments = first_value(api_request.query, "ps_args")
    if arguments not in PS_ARGUMENTS:
        allowed = ", ".join(sorted(PS_ARGUMENTS - {""}))
        raise GuardDenied("containers.top", f"ps_args may not be {arguments!r}: use one of {allowed}")
    return validate_owned_container(api_request)


def validate_start(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/{id}/start`, whose body was a configuration before API 1.24."""
    validate_object(api_request.body, {}, "")
    return validate_owned_container(api_request)


def validate_stop(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/{id}/stop` and `/containers/{id}/restart`."""
    seconds = first_value(api_request.query, "t")
    if not seconds:
        return validate_owned_container(api_request)
    if not (seconds.isascii() and seconds.isdigit() and int(seconds[:9]) <= MAX_STOP_SECONDS):
        raise GuardDenied("containers.stop", f"t may not be {seconds!r}: use 0 to {MAX_STOP_SECONDS} seconds")
    query = {**api_request.query, "t": (str(int(seconds[:9])),)}
    return ForwardPlan(query, references=(_owned_container(api_request),))


def validate_rename(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/{id}/rename`."""
    _check_name(first_value(api_request.query, "name"))
    return validate_owned_container(api_request)


def _check_name(name: str) -> None:
    if not DOCKER_NAME.fullmatch(name):
        raise GuardDenied("fields", f"{name!r} is not a valid container name", status=HTTPStatus.BAD_REQUEST)
    if RESERVED_NAME.match(name):
        raise GuardDenied("owner", f"the name {name!r} is reserved for the kubelet: choose one without the prefix k8s_")


def _environment(value: Any, where: str) -> Any:
    """Variables without those that a container runtime obeys."""
    entries = string_array(value, where)
    for entry in entries or []:
        if entry.upper().startswith(RESERVED_ENVIRONMENT):
            name = entry.partition("=")[0]
            raise GuardDenied(
                "owner", f"{where} has {name}: variables with the prefix NVIDIA_ are reserved for the node"
            )
    return entries


def validate_container_delete(api_request: ApiRequest) -> ForwardPlan:
    """`DELETE /containers/{id}`: its anonymous volumes are removed too, since nobody could use them."""
    if first_value(api_request.query, "link") not in {"", "0", "false", "False"}:
        raise GuardDenied("containers.links", "links are not supported")
    query = {key: values for key, values in api_request.query.items() if key != "link"}
    return ForwardPlan({**query, "v": ("1",)}, references=(_owned_container(api_request),))


def _owned_container(api_request: ApiRequest) -> Reference:
    return Reference(ObjectKind.CONTAINER, api_request.name, location=("path",))


def _create_fields(rules: GuardRules, uid: str, add_reference: mounts.AddReference) -> FieldTable:
    networking = {
        "EndpointsConfig": functools.partial(endpoints.check_endpoints, rules=rules, add_reference=add_reference),
    }
    return {
        **CONFIG_FIELDS,
        "HostConfig": object_of(host_config_fields(rules, uid, add_reference)),
        "NetworkingConfig": object_of(networking),
    }


def host_config_fields(rules: GuardRules, uid: str, add_reference: mounts.AddReference) -> FieldTable:
    """All fields of HostConfig; `add_reference` gets the objects that they name."""
    containers = rules.containers
    return {
        **resources.RESOURCE_FIELDS,
        "Annotations": unset,
        "AutoRemove": any_boolean,
        "Binds": functools.partial(mounts.check_binds, rules=rules, add_reference=add_reference),
        "CapAdd": functools.partial(_capabilities, rules=containers),
        "CapDrop": values.each(values.CAPABILITY),
        "Capabilities": unset,
        "Cgroup": unset,
        "CgroupParent": unset,
        "CgroupnsMode": one_of("", "private"),
        "ConsoleSize": _console_size,
        "ContainerIDFile": ignored,
        "DeviceCgroupRules": unset,
        "DeviceRequests": unset,
        "Devices": functools.partial(_devices, rules=containers),
        "Dns": values.each(values.ADDRESS),
        "DnsOptions": values.each(values.RESOLVER_OPTION),
        "DnsSearch": values.each(values.SEARCH_DOMAIN),
        "ExtraHosts": extra_hosts,
        "GroupAdd": unset,
        "Init": any_boolean,
        "IpcMode": functools.partial(
            _namespace_mode, allowed=("", "none", "private", "shareable"), add_reference=add_reference
        ),
        "Isolation": one_of("", "default"),
        "Links": unset,
        "LogConfig": object_of({"Type": _log_driver, "Config": _log_options}),
        "MaskedPaths": null_only,
        "Mounts": functools.partial(mounts.check_mounts, rules=rules, uid=uid, add_reference=add_reference),
        "NetworkMode": functools.partial(endpoints.check_network_mode, rules=rules, add_reference=add_reference),
        "OomScoreAdj": between(0, 1000),
        "PidMode": functools.partial(_namespace_mode, allowed=("",), add_reference=add_reference),
        "PortBindings": functools.partial(_ports, rules=containers),
        "Privileged": unset,
        "PublishAllPorts": functools.partial(_publish_all, rules=containers),
        "ReadonlyPaths": null_only,
        "ReadonlyRootfs": any_boolean,
        "RestartPolicy": _RESTART_POLICY,
        "Runtime": functools.partial(_runtime, rules=containers),
        "SecurityOpt": _security_options,
        "ShmSize": between(0, 2**40),
        "StorageOpt": unset,
        "Sysctls": functools.partial(_sysctls, rules=containers),
        "Tmpfs": mounts.check_tmpfs,
        "UTSMode": unset,
        "Umask": unset,
        "UsernsMode": unset,
        "VolumeDriver": one_of("", "local"),
        "VolumesFrom": functools.partial(mounts.check_volumes_from, add_reference=add_reference),
    }


def _log_driver(value: Any, where: str) -> str:
    name = any_string(value, where)
    if name and name not in BUILT_IN_LOG_DRIVERS:
        message = f'error looking up logging plugin {name}: plugin "{name}" not found'
        raise AbsentForClients(where, message, status=HTTPStatus.BAD_REQUEST)
    return str(one_of("", *LOG_DRIVERS)(name, where))


def extra_hosts(value: Any, where: str) -> list[str]:
    """Entries for /etc/hosts, none of which is reserved for the guard."""
    return list(values.each(values.EXTRA_HOST)(check_extra_hosts(string_array(value, where), where), where))


def _string_set(value: Any, where: str) -> dict[str, Any]:
    """A set in Go's form: an object whose values are empty objects, or null."""
    for key, each in any_object(value, where).items():
        if each is not None:
            unset(each, f"{where}.{key}")
    return {key: {} for key in value}


def _volumes(value: Any, where: str) -> dict[str, Any]:
    """Targets of anonymous volumes; the form of a bind is not allowed here."""
    for path in any_object(value, where):
        if not path.startswith("/") or ":" in path:
            raise GuardDenied("containers.binds", f"{where} has {path!r}, which is not an absolute path without colons")
    return {values.ABSOLUTE_PATH(path, where): each for path, each in _string_set(value, where).items()}


def _exposed_ports(value: Any, where: str) -> dict[str, Any]:
    result = {values.PORTS(port, where): each for port, each in _string_set(value, where).items()}
    _check_number_of_ports(sum(len(values.ports(port)) for port in result), where)
    return result


def _check_number_of_ports(number: int, where: str) -> None:
    if number > MAX_PORTS:
        raise GuardDenied("fields", f"{where} has {number} ports; allowed: {MAX_PORTS}", status=HTTPStatus.BAD_REQUEST)


def _console_size(value: Any, where: str) -> list[int]:
    if len(any_array(value, where)) not in {0, 2}:
        raise GuardDenied("fields", f"{where} is not an array of height and width", status=HTTPStatus.BAD_REQUEST)
    return [between(0, MAX_TERMINAL)(each, where) for each in value]


def _capabilities(value: Any, where: str, *, rules: ContainerRules) -> list[str]:
    result = string_or_array(value, where)
    result = [result] if isinstance(result, str) else result
    for each in result:
        if each.upper().removeprefix("CAP_") not in rules.capabilities:
            raise GuardDenied("containers.capabilities", f"capability {each!r} may not be added")
    return list(values.each(values.CAPABILITY)(result, where))


def _devices(value: Any, where: str, *, rules: ContainerRules) -> list[dict[str, Any]]:
    fields: FieldTable = {
        "PathOnHost": any_string,
        "PathInContainer": values.ABSOLUTE_PATH,
        "CgroupPermissions": values.DEVICE_PERMISSIONS,
    }
    result: list[dict[str, Any]] = array_of(fields)(value, where)
    for each in result:
        if each.get("PathOnHost") not in rules.devices:
            raise GuardDenied("containers.devices", f"device {each.get('PathOnHost')!r} may not be used")
    return result


def _sysctls(value: Any, where: str, *, rules: ContainerRules) -> dict[str, str]:
    result = string_map(value, where)
    for key in result:
        if key not in rules.sysctls:
            raise GuardDenied("containers.sysctls", f"kernel parameter {key!r} may not be set")
    return {key: values.SYSCTL(each, f"{where}.{key}") for key, each in result.items()}


def _runtime(value: Any, where: str, *, rules: ContainerRules) -> Any:
    if any_string(value, where) == "":
        return OMIT
    if value not in rules.runtimes:
        raise GuardDenied("containers.runtimes", f"runtime {value!r} may not be used")
    return value


def _namespace_mode(value: Any, where: str, *, allowed: tuple[str, ...], add_reference: mounts.AddReference) -> str:
    return (
        str(value)
        if any_string(value, where) in allowed
        else endpoints.check_container_namespace(value, where, add_reference=add_reference)
    )


def _ports(value: Any, where: str, *, rules: ContainerRules) -> dict[str, Any]:
    binding: FieldTable = {"HostIp": one_of(*ANY_ADDRESS), "HostPort": any_string}
    result: dict[str, Any] = {}
    for key, bindings in any_object(value, where).items():
        port, path = values.PORT(key, where), f"{where}.{key}"
        result[port] = [] if bindings is None else array_of(binding)(bindings, path)
        if rules.publish is Publish.NOTHING:
            raise GuardDenied("containers.publish", f"{path}: ports may not be published on the node")
        for each in result[port]:
            if each.get("HostPort", "") not in {"", "0"}:
                raise GuardDenied(
                    "containers.publish",
                    f"{path}: port {each['HostPort']} of the node may not be chosen: use -p {port.split('/')[0]}, and "
                    "look up the port with docker port",
                )
    _check_number_of_ports(sum(max(1, len(bindings)) for bindings in result.values()), where)
    return result


def _publish_all(value: Any, where: str, *, rules: ContainerRules) -> bool:
    if any_boolean(value, where) and rules.publish is Publish.NOTHING:
        raise GuardDenied("containers.publish", "ports may not be published on the node")
    return bool(value)


def _security_options(value: Any, where: str) -> list[str]:
    for each in string_array(value, where):
        if each not in {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"}:
            raise GuardDenied("containers.securityOpt", f"security option {each!r} may not be set")
    return list(value)


_LOG_OPTIONS: FieldTable = {
    "max-size": values.SIZE,
    "max-file": values.whole_number(1, 1000),
    "compress": values.BOOLEAN_WORD,
}


def _log_options(value: Any, where: str) -> dict[str, str]:
    for key in string_map(value, where):
        if key not in _LOG_OPTIONS:
            raise GuardDenied(where, f"log option {key!r} may not be set; allowed: {', '.join(_LOG_OPTIONS)}")
    return validate_object(value, _LOG_OPTIONS, where)


def _health_test(value: Any, where: str) -> list[str]:
    test = string_array(value, where)
    if test and test[0] not in {"", "NONE", "CMD", "CMD-SHELL"}:
        raise GuardDenied(
            "fields", f"{where}[0] may not be {test[0]!r}: use NONE, CMD or CMD-SHELL", status=HTTPStatus.BAD_REQUEST
        )
    return test


_RESTART_POLICY = object_of(
    {"Name": one_of("", "no", "on-failure", "always", "unless-stopped"), "MaximumRetryCount": between(0, 2**31 - 1)}
)

UPDATE_FIELDS: FieldTable = {
    "RestartPolicy": _RESTART_POLICY,
    "CgroupParent": unset,
    "DeviceCgroupRules": unset,
    "DeviceRequests": unset,
    "Devices": unset,
    "Init": unset,
}
"""The fields of an update in addition to the resources."""

CONFIG_FIELDS: FieldTable = {
    "ArgsEscaped": any_boolean,
    "AttachStderr": any_boolean,
    "AttachStdin": any_boolean,
    "AttachStdout": any_boolean,
    "Cmd": string_or_array,
    "Domainname": values.HOST_NAME,
    "Entrypoint": string_or_array,
    "Env": _environment,
    "ExposedPorts": _exposed_ports,
    "Healthcheck": object_of(
        {
            "Test": _health_test,
            "Interval": between(0, MAX_NANOSECONDS),
            "Timeout": between(0, MAX_NANOSECONDS),
            "Retries": between(0, 2**31 - 1),
            "StartPeriod": between(0, MAX_NANOSECONDS),
            "StartInterval": between(0, MAX_NANOSECONDS),
        }
    ),
    "Hostname": values.HOST_NAME,
    "Image": any_string,
    "Labels": string_map,
    "MacAddress": values.MAC_ADDRESS,
    "NetworkDisabled": any_boolean,
    "OnBuild": unset,
    "OpenStdin": any_boolean,
    "Runtime": ignored,  # of the SDK for Python; the daemon reads that of HostConfig
    "Shell": string_array,
    "StdinOnce": any_boolean,
    "StopSignal": values.SIGNAL,
    "StopTimeout": between(0, MAX_STOP_SECONDS),
    "Tty": any_boolean,
    "User": values.USER,
    "Volumes": _volumes,
    "WorkingDir": any_string,
}
"""The fields of a creation outside HostConfig and NetworkingConfig: they affect only the container."""

EXEC_FIELDS: FieldTable = {
    "AttachStderr": any_boolean,
    "AttachStdin": any_boolean,
    "AttachStdout": any_boolean,
    "Cmd": string_or_array,
    "ConsoleSize": _console_size,
    "Container": ignored,
    "DetachKeys": values.KEY_SEQUENCE,
    "Detach": any_boolean,
    "Env": _environment,
    "Privileged": unset,
    "Tty": any_boolean,
    "User": values.USER,
    "WorkingDir": any_string,
    "containerId": ignored,  # of docker-java
}

EXEC_START_FIELDS: FieldTable = {
    "Detach": any_boolean,
    "Tty": any_boolean,
    "ConsoleSize": _console_size,
    **dict.fromkeys(("hijack", "stderr", "stdin", "stdout", "stream"), ignored),  # of dockerode, for itself
}
