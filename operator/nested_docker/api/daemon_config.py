"""Which keys of daemon.json `engine.config` may have, and which values: those that dockerd takes.

A key is refused if the operator or another field sets it, or if dockerd ignores it without a word. A key that is not
known here passes: whether dockerd knows it depends on its version, and it says so when it ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nested_docker.api.addresses import is_ip_address


class DaemonFlag(StrEnum):
    """The flags that the operator gives to dockerd, which ends if daemon.json has one of them too."""

    HOST = "host"
    GROUP = "group"
    TLS_VERIFY = "tlsverify"
    TLS_CA_CERTIFICATE = "tlscacert"
    TLS_CERTIFICATE = "tlscert"
    TLS_KEY = "tlskey"
    DATA_ROOT = "data-root"
    EXEC_OPTION = "exec-opt"
    CGROUP_PARENT = "cgroup-parent"
    MTU = "mtu"
    DEFAULT_NETWORK_OPTION = "default-network-opt"
    DEFAULT_ADDRESS_POOL = "default-address-pool"

    @property
    def key(self) -> str:
        """The key of daemon.json with the same meaning: plural, if the flag may be given more than once."""
        return f"{self}s" if self in _REPEATABLE else str(self)


_REPEATABLE = frozenset(
    {DaemonFlag.HOST, DaemonFlag.EXEC_OPTION, DaemonFlag.DEFAULT_NETWORK_OPTION, DaemonFlag.DEFAULT_ADDRESS_POOL}
)

FIELD_OF_KEY = {
    "bip": "addressPools",
    "default-address-pools": "addressPools",
    "default-network-opts": "mtu",
    "dns": "dns",
    "fixed-cidr": "addressPools",
    "insecure-registries": "insecureRegistries",
    "mtu": "mtu",
    "proxies": "proxy",
    "registry-mirrors": "mirrors",
    "storage-driver": "storageDriver",
}
"""Keys for which spec.engine has a field."""

_WOULD_BREAK = ("authorization-plugins", "containerd", "exec-root", "pidfile", "tls", "userns-remap")
"""Keys without a flag of ours that would lock out the operator, or move what its other containers use."""

KEY_OF_FLAG = {
    "add-runtime": "runtimes",
    "authorization-plugin": "authorization-plugins",
    "cdi-spec-dir": "cdi-spec-dirs",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "http-proxy": "proxies",
    "https-proxy": "proxies",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "no-proxy": "proxies",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
"""Flags that have another name in daemon.json, where dockerd ignores the flag's own without an error."""

FLAGS_ONLY = frozenset({"config-file", "help", "validate", "version"})
"""Flags without a key: dockerd ignores a key of that name."""

OPERATOR_OWNED_CONFIG = frozenset(
    {*(flag.key for flag in DaemonFlag), *DaemonFlag, *FIELD_OF_KEY, *_WOULD_BREAK, *KEY_OF_FLAG, *FLAGS_ONLY}
)
"""Keys of daemon.json that `engine.config` may not have."""


def owned_keys(keys: Iterable[str]) -> list[str]:
    """Those of the keys that `engine.config` may not have, sorted.

    dockerd reads JSON as Go does, to which `Hosts` and `hosts` are one key.
    """
    return sorted(key for key in keys if key.lower() in OPERATOR_OWNED_CONFIG)


def remedy(key: str) -> str:
    """What to do instead of setting such a key."""
    name = key.lower()
    if name in FLAGS_ONLY:
        return "remove it, since dockerd ignores it"
    known = KEY_OF_FLAG.get(name, name)
    field = FIELD_OF_KEY.get(known)
    if field is not None:
        return f"use spec.engine.{field}"
    if known != name and known not in OPERATOR_OWNED_CONFIG:
        return f"use {known}, since dockerd ignores it"
    return "remove it, since the operator sets it"


@dataclass(frozen=True)
class Form:
    """Which values dockerd takes for a key.

    Attributes:
        words: what a message says of them, with an example.
        takes: whether a value is one.
    """

    words: str
    takes: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_address(value: Any) -> bool:
    return _is_text(value) and is_ip_address(value)


def _all(takes: Callable[[Any], bool], values: Any) -> bool:
    return all(each is None or takes(each) for each in values)


def _one_of(*values: str) -> Form:
    return Form(f"one of {', '.join(values)}", lambda value: _is_text(value) and value in values)


SWITCH = Form("true or false", lambda value: isinstance(value, bool))
NUMBER = Form("a whole number", _is_number)
COUNT = Form("a whole number above 0", lambda value: _is_number(value) and value > 0)
PLAIN_TEXT = Form("text", _is_text)
IP_TEXT = Form("an IP address, such as 10.0.0.53", _is_address)
SIZE_TEXT = Form('text with a size, such as "64M"', lambda value: _is_text(value) and bool(re.match(r"[0-9]", value)))
TEXTS = Form('a list of text, such as ["a"]', lambda value: isinstance(value, list) and _all(_is_text, value))
LABELS = Form(
    'a list of key=value, such as ["team=ci"]',
    lambda value: isinstance(value, list) and _all(lambda each: _is_text(each) and "=" in each, value),
)
OPTIONS = Form(
    'a mapping of text to text, such as {"max-size": "10m"}',
    lambda value: isinstance(value, dict) and _all(_is_text, value.values()),
)
SWITCHES = Form(
    'a mapping of text to true or false, such as {"buildkit": true}',
    lambda value: isinstance(value, dict) and _all(lambda each: isinstance(each, bool), value.values()),
)
MAPPING = Form("a mapping", lambda value: isinstance(value, dict))

FORMS: dict[str, Form] = {
    **dict.fromkeys(
        (
            "debug",
            "experimental",
            "icc",
            "init",
            "ip-forward",
            "ip-masq",
            "ip6tables",
            "iptables",
            "ipv6",
            "live-restore",
            "no-new-privileges",
            "raw-logs",
            "rootless",
            "selinux-enabled",
            "userland-proxy",
        ),
        SWITCH,
    ),
    **dict.fromkeys(("network-control-plane-mtu", "shutdown-timeout", "cpu-rt-period", "cpu-rt-runtime"), NUMBER),
    **dict.fromkeys(("max-concurrent-downloads", "max-concurrent-uploads"), COUNT),
    **dict.fromkeys(
        (
            "bridge",
            "containerd-namespace",
            "containerd-plugins-namespace",
            "default-runtime",
            "init-path",
            "log-driver",
            "metrics-addr",
            "seccomp-profile",
            "userland-proxy-path",
        ),
        PLAIN_TEXT,
    ),
    **dict.fromkeys(("default-gateway", "default-gateway-v6", "host-gateway-ip", "ip"), IP_TEXT),
    **dict.fromkeys(("cdi-spec-dirs", "dns-opts", "dns-search", "storage-opts"), TEXTS),
    "builder": MAPPING,
    "default-cgroupns-mode": _one_of("host", "private"),
    "default-ipc-mode": _one_of("private", "shareable"),
    "default-shm-size": SIZE_TEXT,
    "default-ulimits": MAPPING,
    "features": SWITCHES,
    "labels": LABELS,
    "log-format": _one_of("json", "text"),
    "log-level": _one_of("trace", "debug", "info", "warn", "error", "fatal", "panic"),
    "log-opts": OPTIONS,
    "runtimes": MAPPING,
}
"""Keys that every dockerd from 20.10 on has, or that exist in all versions that have them, with their values."""


def wrong_values(config: Mapping[str, Any]) -> list[str]:
    """Why dockerd would not start with this configuration, for each value that it does not take.

    A value that is null counts as left out, as for dockerd.
    """
    return [
        f"{key}: dockerd takes {form.words} here"
        for key, form in FORMS.items()
        if config.get(key) is not None and not form.takes(config[key])
    ]
