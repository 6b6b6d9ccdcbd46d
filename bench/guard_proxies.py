"""What the guard's benchmark compares, each as a process: a daemon, and what stands before it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

OPERATOR = Path(__file__).parents[1] / "operator"
OWNER = "11111111-2222-3333-4444-555555555555"
START_SECONDS = 30.0

RULES = {
    "containers": {"commit": True, "publish": "Ephemeral"},
    "networks": {"bridge": True, "create": True},
    "images": {"use": ["busybox"], "tags": ["localhost/**"], "save": True},
    "build": {"allowed": True},
    "limits": {"containers": 100000},
}
"""What a policy for CI jobs would say, but for the number of containers."""

HAPROXY = """
global
    log stdout format raw daemon info
    maxconn 4000

defaults
    mode http
    log global
    option httplog
    option dontlognull
    option http-server-close
    timeout http-request 10s
    timeout connect 10s
    timeout client 10m
    timeout server 10m
    timeout http-keep-alive 10s
    maxconn 3000

frontend clients
    bind unix@{unix}
    bind {tcp} ssl crt {certificates}/both.pem ca-file {certificates}/ca.pem verify required
    http-request deny unless METH_GET || METH_POST || METH_DELETE
{allowed}
    http-request deny
    default_backend daemon

backend daemon
    server daemon unix@{daemon}
"""
"""As the proxies for Docker's socket that are HAProxy have it: a line of log and a connection to the daemon for each
request, and paths as regular expressions."""

ALLOWED = ("auth", "build", "commit", "containers", "events", "exec", "images", "info", "networks", "_ping", "volumes")


@dataclass(frozen=True)
class Contender:
    """What clients connect to; `tcp` is by mutual TLS."""

    name: str
    unix: str
    tcp: str
    pid: int

    def plain(self) -> str:
        """Its unix socket."""
        return self.unix

    def secure(self) -> str:
        """Its address for TLS."""
        return self.tcp

    def peak_mib(self) -> float:
        """Most resident memory since `forget_peak`."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


Start = Callable[[Path, str], list[str]]
"""The command of a contender that listens on a path, and by TLS on an address."""


@contextmanager
def contender(name: str, folder: Path, start: Start, *, operator: Path = OPERATOR) -> Iterator[Contender]:
    """A contender as a process; it is named by its log if it ends by itself."""
    unix, tcp = folder / f"{name}.sock", f"127.0.0.1:{free_port()}"
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            start(unix, tcp), stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(operator)}
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (_listens(socket.AF_UNIX, str(unix)) and _listens(socket.AF_INET, ("127.0.0.1", int(tcp[10:])))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{name} does not start: {(folder / f'{name}.log').read_text()}")
            time.sleep(0.05)
        yield Contender(name, f"unix:{unix}", tcp, process.pid)
    finally:
        process.kill()
        process.wait()


def haproxy(folder: Path, daemon: Path, certificates: Path) -> Start:
    """HAProxy, by Debian's package, as proxies for Docker's socket have it."""
    program = _installed()

    def start(unix: Path, tcp: str) -> list[str]:
        pattern = "    http-request allow if {{ path,url_dec -m reg -i ^(/v[\\d\\.]+)?/{} }}"
        allowed = "\n".join(pattern.format(each) for each in ALLOWED)
        where = folder / "haproxy.cfg"
        where.write_text(HAPROXY.format(unix=unix, tcp=tcp, certificates=certificates, daemon=daemon, allowed=allowed))
        return [program, "-db", "-f", str(where)]

    return start


def relay(folder: Path, daemon: Path, certificates: Path, *, guarded: bool) -> Start:
    """Our relay, raw or guarded."""
    rules = folder / "rules.json"
    rules.write_text(json.dumps(RULES))

    def start(unix: Path, tcp: str) -> list[str]:
        return [
            *(sys.executable, "-m", "nested_docker", "relay", f"--upstream={daemon}", f"--listen-unix={unix}"),
            *(f"--listen-tls={tcp}", f"--certificates={certificates}", f"--health-port={free_port()}"),
            *([f"--guard-rules={rules}", f"--owner-uid={OWNER}"] if guarded else []),
        ]

    return start


def write_certificates(folder: Path) -> None:
    """One key set for all servers and clients."""
    authority = trustme.CA()
    pair = authority.issue_cert("localhost", "127.0.0.1")
    pair.private_key_pem.write_to_path(str(folder / "key.pem"))
    pair.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    pair.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _installed() -> str:
    """HAProxy's program, which apt fetches where there is none."""
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if not shutil.which("haproxy", path=search):
        print("installing Debian's haproxy", file=sys.stderr)
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "haproxy"]):
            try:
                subprocess.run(
                    ["apt-get", "-q", *command],
                    stdout=sys.stderr,
                    check=True,
                    env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                )
            except (OSError, subprocess.CalledProcessError) as error:
                raise SystemExit(f"there is no haproxy, and apt-get fails: {error}. Install Debian's haproxy") from None
    return shutil.which("haproxy", path=search) or "haproxy"


def _listens(family: int, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0
