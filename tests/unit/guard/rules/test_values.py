"""Small languages: what passes is what was understood, written again; nothing passes by its characters alone."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.guard.decisions import OPEN, UID, created, denial, forwarded, not_created, rules

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.routes import ROUTES
from nested_docker.guard.rules import (
    containers,
    endpoints,
    filters,
    mounts,
    networks,
    parameters,
    schema,
    values,
    volumes,
)
from nested_docker.guard.rules.schema import FieldCheck

WIDE = rules(
    containers={"sysctls": ["net.core.somaxconn", "net.ipv4.conf.eth0.forwarding"], "devices": ["/dev/fuse"],
                "publish": "Ephemeral", "capabilities": ["NET_ADMIN"]},
    networks={"subnets": ["10.9.0.0/16"], "create": True, "bridge": True},
)  # fmt: skip

LANGUAGES: Mapping[str, tuple[FieldCheck, dict[str, str], list[str]]] = {
    "signal": (
        values.SIGNAL,
        {"SIGTERM": "SIGTERM", "term": "SIGTERM", "sigrtmin+3": "SIGRTMIN+3", "9": "9", "09": "9"},
        ["0", "65", "-9", "SIG", "SIGSIGTERM", "TERM KILL", "RTMIN+16", "9\n", "٩"],
    ),
    "time": (
        values.UNIX_TIME,
        {"0": "0", "-1": "-1", "1700000000.000000001": "1700000000.000000001", "007": "7"},
        ["now", "10m", "1e9", "1.", ".5", "1 2", "1700000000000000", "2024-01-01"],
    ),
    "moment": (
        values.MOMENT,
        {"10m": "10m", "1h30m": "1h30m", "1700000000": "1700000000", "2024-01-01T10:00:00Z": "2024-01-01T10:00:00Z"},
        ["yesterday", "m", "1h 30m", "2024-01-01 10:00", "5d"],
    ),
    "tail": (values.TAIL, {"all": "all", "0": "0", "-1": "-1", "010": "10"}, ["ALL", "all,1", "1e3", "+5", "1.5"]),
    "boolean": (
        values.BOOLEAN,
        {"True": "1", "yes": "1", "FALSE": "0", "none": "0"},
        ["2", "-1", "on", "t", "true ", "{}", "null"],
    ),
    "platform": (
        values.PLATFORM,
        {
            "linux/amd64": "linux/amd64", "Linux/aarch64/v8": "linux/arm64/v8", "arm64": "arm64",
            '{"os":"linux","architecture":"x86_64","variant":""}': '{"os":"linux","architecture":"amd64"}',
        },
        ["linux/", "/linux", "linux/amd64/v1/x", "linux(10.0)/amd64", "plan9", "{}", '{"os":"linux"}', "{",
         '{"os":"linux","architecture":"amd64","os.version":"1"}', '{"os":["linux"],"architecture":"amd64"}'],
    ),
    "keys": (
        values.KEY_SEQUENCE,
        {"ctrl-p,ctrl-q": "ctrl-p,ctrl-q", "a,ctrl-]": "a,ctrl-]", "DEL": "DEL"},
        ["ctrl-", "ctrl-P", "ab", ",", "a,", "ctrl-1", "\x01", "é"],
    ),
    "CPUs": (
        values.CPU_SET,
        {"0": "0", "0-3,5": "0-3,5", "00-01": "0-1"},
        ["3-0", "-1", "0-", "0,,1", "0-4294967295", "0-1-2", "0x1", "0 1", "all", "1:2"],
    ),
    "address": (
        values.ADDRESS,
        {"10.0.0.1": "10.0.0.1", "FE80:0::1": "fe80::1"},
        ["10.0.0", "010.0.0.1", "10.0.0.1/8", "fe80::1%eth0", "fe80::1%x\nnameserver 1.1.1.1", "localhost",
         "10.0.0.1 "],
    ),
    "subnet": (values.SUBNET, {"10.9.0.0/16": "10.9.0.0/16"}, ["10.9.0.1/16", "10.9.0.0/33",
     "10.9.0.0/16,10.8.0.0/16"]),
    "MAC address": (
        values.MAC_ADDRESS,
        {"02:42:AC:11:00:02": "02:42:ac:11:00:02", "02-42-ac-11-00-02": "02:42:ac:11:00:02"},
        ["02:42:ac:11:00", "0242ac110002", "02:42:ac:11:00:0g", "02:42:ac:11:00:02\n"],
    ),
    "host name": (
        values.HOST_NAME,
        {"web-1": "web-1", "a_b.example": "a_b.example"},
        ["a b", "a\n10.0.0.1 registry", "-a", "a..b", "a/b", "é", "a" * 65, "$(id)"],
    ),
    "search domain": (values.SEARCH_DOMAIN, {".": ".", "a.b.": "a.b"}, ["a b", "a\nnameserver 1.1.1.1", "..", "-"]),
    "resolver option": (
        values.RESOLVER_OPTION,
        {"ndots:2": "ndots:2", "rotate": "rotate", "timeout:03": "timeout:3"},
        ["ndots", "ndots:-1", "ndots:x", "rotate:1", "a\nnameserver 1.1.1.1", "ndots:2 rotate", "unknown"],
    ),
    "extra host": (
        values.EXTRA_HOST,
        {"db:10.0.0.5": "db:10.0.0.5", "v6:[::1]": "v6:::1", "x:host-gateway": "x:host-gateway"},
        ["db", "db:", ":10.0.0.5", "db:x", "a\n10.0.0.1 b:10.0.0.5", "db:10.0.0.5 registry", "a b:10.0.0.1"],
    ),
    "user": (
        values.USER,
        {"root": "root", "0:0": "0:0", "1000:docker": "1000:docker", "00": "0", ":5": ":5"},
        ["a:b:c", "a b", "root:", "2147483648", "-1", "a\nb", "../x"],
    ),
    "ports": (
        values.PORTS,
        {"80/tcp": "80/tcp", "80": "80", "8000-8010/udp": "8000-8010/udp", "80-80": "80"},
        ["0", "65536", "0-65535", "90-80", "080", "80/TCP", "80/icmp", "80/", "80,81", "-1"],
    ),
    "port": (values.PORT, {"80/tcp": "80/tcp"}, ["80-81/tcp", "x", "80 ", "80/tcp/udp", "0/tcp"]),
    "size": (values.SIZE, {"10m": "10m", "10MB": "10m", "-1": "-1", "5": "5"}, ["0", "-2", "1.5g", "10t", "m",
     "10m,x=y"]),
    "sysctl": (
        values.SYSCTL,
        {"1": "1", "1024\t65000": "1024 65000", "bbr": "bbr"},
        ["1,net.ipv4.conf.IFNAME.route_localnet=1", "1=2", "a/b", "1\x00", "|/bin/sh", " "],
    ),
    "capability": (values.CAPABILITY, {"cap_net_raw": "NET_RAW", "ALL": "ALL"}, ["NET", "NET_RAW,CHOWN",
     "CAP_CAP_CHOWN"]),
    "device permissions": (values.DEVICE_PERMISSIONS, {"mwr": "rwm", "r": "r"}, ["rr", "x", "rw m"]),
    "absolute path": (
        values.ABSOLUTE_PATH,
        {"/a/b/": "/a/b", "//a/./b/../c": "/a/c"},
        ["a", "../a", "/a:ro", "/a\nb", "/a\x00"],
    ),
    "relative path": (
        values.RELATIVE_PATH,
        {"Dockerfile": "Dockerfile", "./a/../b/D": "b/D", "/D": "D"},
        ["..", "../x", "a/../../x", ".", "/", "a\nb", "https://x/y"],
    ),
}  # fmt: skip
"""By name: the check, texts that pass with what the daemon gets, and texts that do not pass."""

ALPHABET = "0123456789abcxyzABCXYZ.:,;/-_=+%[]{}() \t\n\x00$'\"\\|&@é٩"


@pytest.mark.parametrize("name", LANGUAGES)
def test_what_passes_is_written_from_what_was_understood(name: str) -> None:
    check, good, _ = LANGUAGES[name]
    for text, expected in good.items():
        assert check(text, "x") == expected
        assert check(expected, "x") == expected
    assert check("", "x") == ""


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, (_, _, bad) in LANGUAGES.items() for text in bad])
def test_everything_else_is_denied_with_path_value_and_remedy(name: str, text: str) -> None:
    with pytest.raises(GuardDenied) as denied:
        LANGUAGES[name][0](text, "some.path")
    assert (denied.value.rule, denied.value.status) == ("fields", 400)
    assert re.match(r"some\.path may not be '.*': use \S.+$", denied.value.message) or '"' in denied.value.message
    assert denied.value.message.isprintable()


@pytest.mark.parametrize("value", [1, 1.5, True, ["a"], {"a": 1}])
@pytest.mark.parametrize("name", LANGUAGES)
def test_another_type_is_denied(name: str, value: Any) -> None:
    with pytest.raises(GuardDenied, match="x is not a string"):
        LANGUAGES[name][0](value, "x")


def _texts() -> st.SearchStrategy[str]:
    """Texts near those that pass: parts of them, joined, with characters put in."""
    seeds = [text for _, good, bad in LANGUAGES.values() for text in (*good, *bad)]
    part = st.sampled_from(seeds) | st.text(ALPHABET, max_size=6)
    return st.lists(part, min_size=1, max_size=3).map("".join) | st.text(max_size=12)


@given(st.sampled_from(sorted(LANGUAGES)), _texts())
def test_no_text_passes_that_its_parser_does_not_write_again(name: str, text: str) -> None:
    check = LANGUAGES[name][0]
    try:
        passed = check(text, "x")
    except GuardDenied:
        return
    assert check(passed, "x") == passed
    assert "\n" not in passed
    assert "\x00" not in passed
    _read_again(name, passed)


def _read_again(name: str, passed: str) -> None:
    """Read the text with another parser, where there is one."""
    if not passed:
        return
    match name:
        case "address":
            assert str(ipaddress.ip_address(passed)) == passed
        case "CPUs":
            ranges = [[int(end) for end in part.split("-")] for part in passed.split(",")]
            assert all(each == sorted(each) and each[-1] <= values.MAX_CPU for each in ranges)
        case "extra host":
            assert len(passed.split()) == 1
        case "sysctl":
            assert not set(passed) & set(",=/|")
        case "ports" | "port":
            assert all(1 <= int(number) <= 65535 for number in passed.partition("/")[0].split("-"))
        case "platform" if passed.startswith("{"):
            assert json.dumps(json.loads(passed), separators=(",", ":")) == passed


# No field, parameter or filter passes unparsed but those that nobody parses.

FREE_FIELDS = {
    "Cmd": "arguments of the client's own program",
    "Entrypoint": "arguments of the client's own program",
    "Env": "variables of the client's own program; reserved prefixes are denied",
    "Shell": "arguments of the client's own program",
    "WorkingDir": "a path in the container's own files, which runc resolves there",
    "Labels": "stored; reserved prefixes are denied",
    "Image": "a reference, which is looked up",
    "Name": "a name, which has a pattern of its kind",
    "Container": "a reference, which is looked up",
    "NetworkID": "a reference, which is looked up in place of the network's name",
    "PathOnHost": "one of the rules' devices",
    "HostPort": "empty or 0",
    "Source": "one of the rules' paths, or the name of a volume or an image",
    "Type": "one of the kinds of mounts",
}
"""Fields whose check is any string, and why."""

UNPARSED: tuple[Any, ...] = (schema.any_string, schema.string_array, schema.string_or_array, schema.string_map)


def _tables() -> Iterator[tuple[str, Mapping[str, FieldCheck]]]:
    yield "Config", containers.CONFIG_FIELDS
    yield "HostConfig", containers.host_config_fields(OPEN, UID, lambda _: None)
    yield "exec", containers.EXEC_FIELDS
    yield "update", containers.UPDATE_FIELDS
    yield "endpoint", endpoints.ENDPOINT_FIELDS
    yield "network", networks.network_fields(OPEN.networks)
    yield "network options", networks.NETWORK_OPTIONS
    yield "volume", volumes.VOLUME_FIELDS
    yield from mounts.MOUNT_FIELDS.items()


@pytest.mark.parametrize("name", [name for name, _ in _tables()])
def test_no_field_passes_any_string_but_those_that_nobody_parses(name: str) -> None:
    table = dict(_tables())[name]
    assert {field for field, check in table.items() if check in UNPARSED} <= FREE_FIELDS.keys()


def test_every_parameter_has_a_check() -> None:
    for route in ROUTES:
        if route.always_denied:
            continue
        for parameter in route.query:
            kinds = (
                parameter in parameters.CHECKS,
                parameter in parameters.FREE_TEXT,
                parameter in parameters.VALIDATED_ELSEWHERE,
            )
            assert sum(kinds) == 1, (route.template, parameter)


def test_every_filter_has_a_check() -> None:
    known = filters.CONTAINER_FILTERS | filters.EVENT_FILTERS | filters.NETWORK_FILTERS | filters.VOLUME_FILTERS
    known |= filters.PRUNE_FILTERS | filters.PRUNE_VOLUME_FILTERS | filters.PRUNE_IMAGE_FILTERS
    assert known <= filters.VALUES.keys()


@pytest.mark.parametrize("route", [each for each in ROUTES if not each.always_denied], ids=lambda each: each.template)
def test_a_parameter_with_an_empty_value_is_the_default(route: Any) -> None:
    query = dict.fromkeys(route.query, ("",))
    assert parameters.check_parameters(route.template, query) == query


# Each language where requests have it.

HOST = "HostConfig"
BODIES: list[tuple[dict[str, Any], str]] = [
    ({HOST: {"Sysctls": {"net.core.somaxconn": "1,net.ipv4.conf.IFNAME.route_localnet=1"}}},
     "HostConfig.Sysctls.net.core.somaxconn may not be"),
    ({HOST: {"Dns": ["1.1.1.1\noptions rotate"]}}, "HostConfig.Dns[0] may not be '1.1.1.1 options rotate': use an IP"),
    ({HOST: {"DnsOptions": ["ndots:2 timeout:9"]}}, "HostConfig.DnsOptions[0] may not be"),
    ({HOST: {"DnsSearch": ["a b"]}}, "HostConfig.DnsSearch[0] may not be 'a b': use a domain name"),
    ({HOST: {"ExtraHosts": ["a:10.0.0.1\n10.0.0.2 b"]}}, "HostConfig.ExtraHosts[0] may not be"),
    ({HOST: {"CpusetCpus": "0-4294967295"}}, "HostConfig.CpusetCpus may not be '0-4294967295': use numbers up to 8191"),
    ({HOST: {"CpusetMems": "x"}}, "HostConfig.CpusetMems may not be 'x'"),
    ({HOST: {"CapDrop": ["net_raw,chown"]}}, "HostConfig.CapDrop[0] may not be 'net_raw,chown': use a capability"),
    ({HOST: {"LogConfig": {"Config": {"max-size": "10m,mode=x"}}}}, "LogConfig.Config.max-size may not be"),
    ({HOST: {"LogConfig": {"Config": {"max-file": "1e9"}}}},
     "LogConfig.Config.max-file may not be '1e9': use a number"),
    ({HOST: {"LogConfig": {"Config": {"compress": "maybe"}}}}, "LogConfig.Config.compress may not be 'maybe'"),
    ({HOST: {"LogConfig": {"Config": {"tag": "{{.DaemonName}}"}}}},
     "log option 'tag' may not be set; allowed: max-size"),
    ({HOST: {"LogConfig": {"Config": {"env-regex": ".*"}}}}, "log option 'env-regex' may not be set"),
    ({HOST: {"LogConfig": {"Type": "syslog"}}}, "HostConfig.LogConfig.Type may not be 'syslog'; allowed:"),
    ({HOST: {"PortBindings": {"1-65535/tcp": None}}}, "HostConfig.PortBindings may not be '1-65535/tcp': use one port"),
    ({HOST: {"PortBindings": {f"{port}/tcp": [] for port in range(1, 300)}}}, "HostConfig.PortBindings has 299 ports"),
    ({HOST: {"Tmpfs": {"/t": "size=1m,mode=9"}}}, "the guard does not support the tmpfs option 'mode=9'"),
    ({HOST: {"Tmpfs": {"/t:ro": ""}}}, "HostConfig.Tmpfs may not be '/t:ro': use an absolute path"),
    ({HOST: {"Binds": ["vol:/t:ro,z,rshared"]}}, "HostConfig.Binds[0] has the option 'rshared'"),
    ({HOST: {"Mounts": [{"Type": "volume", "Target": "t"}]}}, "HostConfig.Mounts[0].Target may not be 't'"),
    ({HOST: {"Devices": [{"PathOnHost": "/dev/fuse", "CgroupPermissions": "rwx"}]}},
     "CgroupPermissions may not be 'rwx'"),
    ({HOST: {"Ulimits": [{"Name": "core", "Soft": -2}]}}, "HostConfig.Ulimits[0].Soft may not be -2; allowed: -1 to"),
    ({HOST: {"RestartPolicy": {"Name": "on-failure:5"}}}, "RestartPolicy.Name may not be 'on-failure:5'; allowed:"),
    ({HOST: {"ConsoleSize": [70000, 1]}}, "HostConfig.ConsoleSize may not be 70000; allowed: 0 to 65535"),
    ({"ExposedPorts": {"1-65535/tcp": {}}}, "ExposedPorts has 65535 ports; allowed: 256"),
    ({"ExposedPorts": {"80/tcp,81": {}}}, "ExposedPorts may not be '80/tcp,81': use a port"),
    ({"Hostname": "a\n10.0.0.1 registry"}, "Hostname may not be 'a 10.0.0.1 registry': use a host name"),
    ({"Domainname": "a b"}, "Domainname may not be 'a b'"),
    ({"User": "root:wheel:x"}, "User may not be 'root:wheel:x': use a name or number"),
    ({"MacAddress": "any"}, "MacAddress may not be 'any': use a MAC address"),
    ({"StopSignal": "SIGTERM,SIGKILL"}, "StopSignal may not be 'SIGTERM,SIGKILL': use a signal"),
    ({"Healthcheck": {"Test": ["SHELL", "x"]}}, "Healthcheck.Test[0] may not be 'SHELL': use NONE, CMD or CMD-SHELL"),
    ({"Healthcheck": {"Interval": -1}}, "Healthcheck.Interval may not be -1"),
    ({"NetworkingConfig": {"EndpointsConfig": {"n1": {"Aliases": ["a b"]}}}}, "n1.Aliases[0] may not be 'a b'"),
    ({"NetworkingConfig": {"EndpointsConfig": {"n1": {"IPAMConfig": {"IPv4Address": "any"}}}}},
     "IPv4Address may not be"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), BODIES, ids=[message[:60] for _, message in BODIES])
def test_a_field_of_a_container_is_parsed(body: dict[str, Any], message: str) -> None:
    host = body.get(HOST)
    config = {key: value for key, value in body.items() if key != HOST}
    assert message in not_created(host, by=WIDE, **config).message


REQUESTS: list[tuple[str, str, Any, dict[str, str], str]] = [
    ("POST", "/containers/x1/kill", None, {"signal": "KILL;x"},
     "signal may not be 'KILL;x': use a signal such as SIGTERM"),
    ("POST", "/containers/x1/stop", None, {"signal": "0"}, "signal may not be '0'"),
    ("GET", "/containers/x1/logs", None, {"tail": "all lines"}, "tail may not be 'all lines': use all, or a number"),
    ("GET", "/containers/x1/logs", None, {"since": "10m"}, "since may not be '10m': use a Unix time"),
    ("GET", "/events", None, {"until": "tomorrow"}, "until may not be 'tomorrow'"),
    ("POST", "/containers/x1/attach", None, {"detachKeys": "ctrl-"}, "detachKeys may not be 'ctrl-': use keys"),
    ("POST", "/containers/x1/resize", None, {"h": "99999", "w": "1"},
     "h may not be '99999': use a number from 0 to 65535"),
    ("POST", "/containers/x1/wait", None, {"condition": "never"},
     "condition may not be 'never': use one of not-running"),
    ("DELETE", "/containers/x1", None, {"force": "perhaps"}, "force may not be 'perhaps': use 1 or 0"),
    ("POST", "/build", None, {"platform": "linux/amd64,x"}, "platform may not be 'linux/amd64,x': use a platform"),
    ("POST", "/build", None, {"dockerfile": "../../etc/passwd"},
     "dockerfile may not be '../../etc/passwd': use a path"),
    ("POST", "/build", None, {"buildargs": '{"a":1}'}, "buildargs is not a JSON object of strings"),
    ("POST", "/build", None, {"buildargs": "[]"}, "buildargs is not a JSON object of strings"),
    ("POST", "/build", None, {"cpusetcpus": "0-"}, "cpusetcpus may not be '0-'"),
    ("POST", "/build", None, {"extrahosts": "a:10.0.0.1\n10.0.0.2 b"}, "extrahosts[0] may not be"),
    ("GET", "/networks/x1", None, {"scope": "any"}, "scope may not be 'any': use one of local, global, swarm"),
    ("GET", "/system/df", None, {"type": "all"}, "type may not be 'all': use one of container, image"),
    ("GET", "/containers/json", None, {"limit": "1;2"}, "limit may not be '1;2'"),
    ("GET", "/containers/json", None, {"filters": '{"status":["up"]}'},
     "filter status may not be 'up': use one of created"),
    ("GET", "/containers/json", None, {"filters": '{"publish":["0-65535"]}'}, "filter publish may not be '0-65535'"),
    ("POST", "/containers/prune", None, {"filters": '{"until":["never"]}'},
     "filter until may not be 'never': use a Unix"),
    ("GET", "/networks", None, {"filters": '{"type":["x"]}'}, "filter type may not be 'x'"),
    ("POST", "/containers/x1/exec", {"Cmd": ["a"], "DetachKeys": "ab"}, {}, "DetachKeys may not be 'ab'"),
    ("POST", "/containers/x1/exec", {"Cmd": ["a"], "User": "a b"}, {}, "User may not be 'a b'"),
    ("POST", "/containers/x1/update", {"CpusetCpus": "9-1"}, {}, "CpusetCpus may not be '9-1'"),
    ("POST", "/networks/create", {"Name": "n1", "Options": {"com.docker.network.driver.mtu": "1x"}}, {},
     "mtu may not be '1x'"),
    ("POST", "/networks/create", {"Name": "n1", "IPAM": {"Config": [{"Subnet": "10.9.1.0/24",
     "Gateway": "192.168.0.1"}]}},
     {}, "has the Gateway 192.168.0.1 outside of 10.9.1.0/24"),
    ("POST", "/networks/create", {"Name": "n1", "IPAM": {"Config": [{"Subnet": "10.9.1.0/24",
     "IPRange": "10.0.0.0/8"}]}},
     {}, "has the IPRange 10.0.0.0/8 outside of 10.9.1.0/24"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "query", "message"), REQUESTS, ids=[each[4][:60] for each in REQUESTS]
)
def test_a_part_of_another_request_is_parsed(
    method: str, path: str, body: Any, query: dict[str, str], message: str
) -> None:
    assert message in denial(method, path, body, by=WIDE, **query).message


DEFAULTS: list[dict[str, Any]] = [
    {"Hostname": "", "Domainname": "", "User": "", "StopSignal": "", "MacAddress": "", "WorkingDir": ""},
    {"Hostname": None, "User": None, "StopSignal": None, "Healthcheck": None, "ExposedPorts": None, "Volumes": None},
    {"ExposedPorts": {"80/tcp": None, "81": {}}, "Volumes": {"/v": None}, "Healthcheck": {"Test": [], "Interval": 0}},
    {HOST: {"CpusetCpus": "", "CpusetMems": None, "Dns": [], "DnsOptions": None, "DnsSearch": [], "ExtraHosts": None}},
    {HOST: {"CapDrop": None, "CapAdd": [], "Sysctls": {}, "Tmpfs": {"/t": None}, "Ulimits": [], "Devices": []}},
    {
        HOST: {
            "LogConfig": {"Type": "", "Config": {"max-size": ""}},
            "ConsoleSize": [0, 0],
            "PortBindings": {"80": None},
        }
    },
    {HOST: {"RestartPolicy": {"Name": "", "MaximumRetryCount": 0}, "Binds": None, "Mounts": None}},
    {"NetworkingConfig": {"EndpointsConfig": {"n1": {"Aliases": None, "MacAddress": "", "IPAMConfig": {}}}}},
]


@pytest.mark.parametrize("body", DEFAULTS)
def test_null_and_the_daemons_defaults_pass(body: dict[str, Any]) -> None:
    created(body.get(HOST), by=WIDE, **{key: value for key, value in body.items() if key != HOST})


def test_the_daemon_gets_one_form() -> None:
    plan = created(
        {"Binds": ["data:/a/../b/:z,nocopy", "/c/"], "Tmpfs": {"/t/": "size=064M,mode=01777,ro"},
         "CapDrop": ["cap_chown"],
         "LogConfig": {"Type": "json-file", "Config": {"max-size": "10MB", "compress": "True"}},
         "ExtraHosts": ["v6:[::1]"], "CpusetCpus": "00-01"},
        by=WIDE, User="00", StopSignal="term", MacAddress="02-42-AC-11-00-02", Volumes={"/v/": {}},
    )  # fmt: skip
    assert plan.body is not None
    host = plan.body["HostConfig"]
    assert host["Binds"] == ["data:/b:nocopy,z", "/c"]
    assert host["Tmpfs"] == {"/t": "size=64M,mode=1777,ro"}
    assert host["CapDrop"] == ["CHOWN"]
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "compress": "true"}
    assert host["ExtraHosts"] == ["v6:::1"]
    assert host["CpusetCpus"] == "0-1"
    assert [plan.body[key] for key in ("User", "StopSignal", "Volumes")] == ["0", "SIGTERM", {"/v": {}}]
    assert plan.body["MacAddress"] == "02:42:ac:11:00:02"
    query = forwarded("GET", "/containers/x1/logs", stdout="True", stderr="no", tail="010").query
    assert query == {"stdout": ("1",), "stderr": ("0",), "tail": ("10",)}
    assert forwarded("POST", "/containers/x1/stop", t="007").query["t"] == ("7",)
    assert forwarded("POST", "/build", buildargs='{ "B" : null, "b":"x" }').query["buildargs"] == (
        '{"B":null,"b":"x"}',
    )


TEXT_FIELDS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "Hostname": lambda text: {"Hostname": text},
    "User": lambda text: {"User": text},
    "StopSignal": lambda text: {"StopSignal": text},
    "CpusetCpus": lambda text: {HOST: {"CpusetCpus": text}},
    "Dns": lambda text: {HOST: {"Dns": [text]}},
    "DnsOptions": lambda text: {HOST: {"DnsOptions": [text]}},
    "ExtraHosts": lambda text: {HOST: {"ExtraHosts": [text]}},
    "Binds": lambda text: {HOST: {"Binds": [text]}},
    "Tmpfs": lambda text: {HOST: {"Tmpfs": {"/t": text}}},
    "Sysctls": lambda text: {HOST: {"Sysctls": {"net.core.somaxconn": text}}},
}


@given(st.sampled_from(sorted(TEXT_FIELDS)), _texts())
def test_a_request_that_passed_passes_again_unchanged(field: str, text: str) -> None:
    """What the daemon gets is the one form of what was understood, so it changes no more."""
    body = {"Image": "busybox", **TEXT_FIELDS[field](text)}
    try:
        first = forwarded("POST", "/containers/create", body, by=WIDE)
    except (GuardDenied, UnicodeEncodeError):
        return
    assert first.body is not None
    again = {key: value for key, value in first.body.items() if key != "Labels"}
    again["HostConfig"] = {key: value for key, value in first.body["HostConfig"].items() if key != "Annotations"}
    second = forwarded("POST", "/containers/create", again, by=WIDE)
    assert second.body == first.body


NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", NOW - timedelta(days=1)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("1.5s", NOW - timedelta(seconds=1.5)),
        ("500ms", NOW - timedelta(milliseconds=500)),
        ("1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T12:00:00", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("2026-01-01T12:00:00+01:00", datetime(2026, 1, 1, 11, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert values.moment(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "h", "1d", "-1h", "yesterday", "9" * 40, "999999999h", "999999999999", "1e9"])
def test_other_moments_are_denied(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        values.moment(text, now=NOW)
