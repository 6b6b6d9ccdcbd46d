"""Values of `spec.engine` that dockerd takes, and such on which it ends at its start."""

from __future__ import annotations

from typing import Any

NAME_SERVERS = ["10.0.0.53", "255.255.255.255", "0.0.0.0", "fd00::53", "::1", "::ffff:1.2.3.4"]
NOT_NAME_SERVERS = [
    "abc",
    "10.0.0.999",
    "1.2.3.4.5",
    "1.2.3",
    "010.0.0.1",
    "1::2::3",
    "1:2:3",
    "::g",
    "10.0.0.53:53",
]

REGISTRIES = [
    "registry.example.com:5000",
    "localhost",
    "a",
    "A-b.c:0",
    "http://a",
    "https://a:5000",
    "10.0.0.1:5000",
    "10.0.0.0/8",
    "10.0.0.7/8",
    "fd00::/8",
    "[::1]:5000",
    "[::1]",
    "::1",
]
NOT_REGISTRIES = [
    "_",
    "a//b",
    "-x",
    "x-",
    "a/b",
    "10.0.0.0/33",
    "a:99999",
    "a:b",
    ":5000",
    "a:",
    "[a",
    "ftp://a",
    ".",
    "a..b",
    "http://a:5000/x",
]

CONFIGS: dict[str, list[Any]] = {
    "debug": [True, False, None],
    "features": [{}, {"buildkit": True}],
    "ip": ["127.0.0.1"],
    "host-gateway-ip": ["10.0.0.1", "fd00::1"],
    "labels": [[], ["team=ci"]],
    "log-level": ["trace", "debug", "info", "warn", "error", "fatal", "panic"],
    "log-format": ["json", "text"],
    "log-opts": [{"max-size": "10m"}],
    "default-ipc-mode": ["private", "shareable"],
    "default-cgroupns-mode": ["host", "private"],
    "default-shm-size": ["64M", "1.5g", "1024"],
    "default-ulimits": [{"nofile": {"Name": "nofile", "Hard": 2, "Soft": 1}}],
    "dns-search": [["example.com"]],
    "dns-opts": [["ndots:1"]],
    "max-concurrent-downloads": [1],
    "shutdown-timeout": [0, -1],
    "log-driver": ["local"],
    "builder": [{"gc": {"enabled": True}}],
    "runtimes": [{"crun": {"path": "/usr/bin/crun"}}],
    "storage-opts": [["size=1G"]],
    "metrics-addr": ["127.0.0.1:9323"],
}
"""Key of `config` → values that dockerd takes."""

NOT_CONFIGS: dict[str, list[Any]] = {
    "debug": ["yes", "true", 1, []],
    "experimental": [1],
    "live-restore": ["true"],
    "features": [{"buildkit": 1}, ["buildkit"], "buildkit"],
    "ip": ["x", "10.0.0.999", 1],
    "host-gateway-ip": ["x"],
    "default-gateway": ["x"],
    "labels": ["team=ci", ["team"], [1]],
    "log-level": ["loud", 1],
    "log-format": ["xml"],
    "log-opts": [{"max-size": 1}, ["max-size=1"], "max-size=1", {"compress": True}],
    "log-driver": [1, ["local"]],
    "default-ipc-mode": ["host", 1],
    "default-cgroupns-mode": ["x"],
    "default-shm-size": ["abc", "-1", 5, True],
    "default-ulimits": [[], "nofile=1:1"],
    "dns-search": ["example.com", [1]],
    "dns-opts": ["ndots:1"],
    "max-concurrent-downloads": ["1", -1, 1.5],
    "max-concurrent-uploads": [-1],
    "shutdown-timeout": ["1", True],
    "builder": [[], "gc"],
    "runtimes": [["crun"], "crun"],
    "storage-opts": ["size=1G", {"size": "1G"}],
    "metrics-addr": [9323],
}
"""Key of `config` → values on which dockerd ends at its start."""

IGNORED_KEYS = {"log-opt": ["max-size=10m"], "label": ["team=ci"], "http-proxy": "http://a", "dns-opt": ["ndots:1"]}
"""Key → a value that dockerd ignores without a word, because the key has another name."""
