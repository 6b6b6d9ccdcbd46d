"""Debian packages that provide the programs and files used here; only what is missing gets installed."""

import shutil
from pathlib import Path

from embedded.layout import Home
from embedded.report import Clock, ClusterError
from embedded.shell import logged

PROGRAMS = {
    "conntrack": "conntrack",
    "debootstrap": "debootstrap",
    "docker": "docker.io",
    "dockerd": "docker.io",
    "gcc": "gcc",
    "hostname": "hostname",
    "ip": "iproute2",
    "iptables": "iptables",
    "mount": "mount",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "pkg-config": "pkg-config",
}
FILES = {
    "/usr/include/seccomp.h": "libseccomp-dev",
    "/usr/include/stdlib.h": "libc6-dev",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}


def missing() -> list[str]:
    """Packages to install, each once."""
    search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    programs = {package for program, package in PROGRAMS.items() if not shutil.which(program, path=search)}
    return sorted(programs | {package for path, package in FILES.items() if not Path(path).exists()})


def install(home: Home, clock: Clock) -> None:
    """Install what is missing by apt.

    Raises:
        ClusterError: There is no apt, or it fails.
    """
    wanted = missing()
    if not wanted:
        return
    if not shutil.which("apt-get"):
        raise ClusterError(f"install what these Debian packages have: {' '.join(wanted)} (there is no apt-get here)")
    log = home.logs / "packages.log"
    clock.say("installing", *wanted)
    apt = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-q")
    logged([*apt, "update"], log)
    logged(
        [*apt, "install", "--yes", "--no-install-recommends", *wanted], log, env={"DEBIAN_FRONTEND": "noninteractive"}
    )
