"""Which keys of daemon.json `engine.config` may have: those that neither the operator nor another field sets."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


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

OPERATOR_OWNED_CONFIG = frozenset({*(flag.key for flag in DaemonFlag), *DaemonFlag, *FIELD_OF_KEY, *_WOULD_BREAK})
"""Keys of daemon.json that `engine.config` may not have."""


def owned_keys(keys: Iterable[str]) -> list[str]:
    """Those of the keys that `engine.config` may not have, sorted.

    dockerd reads JSON as Go does, to which `Hosts` and `hosts` are one key.
    """
    return sorted(key for key in keys if key.lower() in OPERATOR_OWNED_CONFIG)


def remedy(key: str) -> str:
    """What to do instead of setting an owned key."""
    field = FIELD_OF_KEY.get(key.lower())
    return "remove it, since the operator sets it" if field is None else f"use spec.engine.{field}"
