"""Root folders of the images, made from Debian packages and from programs built here."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from embedded.layout import Home
from embedded.report import ClusterError
from embedded.shell import logged, output

SUITE = "trixie"


@dataclass(frozen=True)
class Debian:
    """Packages beyond the minimum of a release."""

    packages: tuple[str, ...]
    suite: str = SUITE


_TOOLS = ("busybox", "ca-certificates", "fuse-overlayfs", "iptables")
DEBIANS = {
    "docker": Debian((*_TOOLS, "iproute2", "libseccomp2", "rootlesskit", "slirp4netns", "tini", "uidmap")),
    "docker-26": Debian((*_TOOLS, "docker-buildx", "docker-cli", "docker.io")),
    "docker-20": Debian((*_TOOLS, "docker.io"), "bookworm"),
    "python": Debian(("ca-certificates", "python3", "python3-venv")),
}
"""Root folders of images."""

ENGINE = ("containerd", "containerd-shim-runc-v2", "docker", "docker-proxy", "dockerd", "runc")
"""Programs of the default engine."""

DOCKER_GROUP = "2375"  # as in the official image
_DROPPED = (
    # containerd's client and older shims, which dockerd has no use for
    "usr/bin/containerd-shim",
    "usr/bin/containerd-shim-runc-v1",
    "usr/bin/ctr",
    "usr/share/doc/*",
    "usr/share/info/*",
    "usr/share/lintian/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb",
    "var/cache/debconf/*",
    "var/lib/apt/lists/*",
    "var/log/*",
)
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def debian(home: Home, name: str, wanted: Debian) -> None:
    """A Debian with some packages, without documentation.

    Args:
        home: In whose folder of roots.
        name: The root's name there.
        wanted: What it is.

    Raises:
        ClusterError: apt names no Debian archive, or debootstrap fails.
    """
    root = home.roots / name
    shutil.rmtree(root, ignore_errors=True)
    cache = home.path / "packages"
    cache.mkdir(parents=True, exist_ok=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    logged(
        [
            *("debootstrap", "--variant=minbase", f"--include={','.join(wanted.packages)}", f"--cache-dir={cache}"),
            *(wanted.suite, root, mirror()),
        ],
        home.logs / f"root-{name}.log",
    )
    for pattern in _DROPPED:
        for path in root.glob(pattern):
            _remove(path)
    if name.startswith("docker"):
        output(["chroot", root, "groupadd", "--force", "--system", "docker"])
        output(["chroot", root, "groupmod", "--gid", DOCKER_GROUP, "docker"])
    if name == "python":
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        # a build downloads from where this machine may, so it trusts whom this machine trusts
        if (trusted := Path("/", _CERTIFICATES)).exists():
            shutil.copyfile(trusted, root / _CERTIFICATES)


def mirror() -> str:
    """URL of the Debian archive that this machine's apt uses.

    Raises:
        ClusterError: It uses none that has whole releases.
    """
    lines = output(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"]).splitlines()
    found = choose_mirror(lines)
    if not found:
        raise ClusterError("apt's sources name no Debian archive; add one to /etc/apt/sources.list.d")
    return found


def choose_mirror(lines: list[str]) -> str:
    """The first whole release's archive among lines of "URL CODENAME"; "" if there is none.

    Security updates and the like have a hyphen in their codename or a separate folder, and no base system.
    """
    for line in lines:
        url, _, codename = line.partition(" ")
        if "-" not in codename and url.rstrip("/").endswith("/debian"):
            return url
    return ""


def busybox(home: Home) -> None:
    """Busybox with a link per applet, linked dynamically: Debian's static one crashes in name lookups."""
    debian_root, root = home.roots / "docker", _empty(home.roots / "busybox")
    for folder in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr/bin", "var/run"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    program = "/usr/bin/busybox"
    _copy(debian_root, program, root / "bin/busybox")
    for library in re.findall(r"(/\S+) \(0x", output(["chroot", debian_root, "ldd", program])):
        _copy(debian_root, library, root / library.lstrip("/"))
    for applet in output(["chroot", root, "/bin/busybox", "--list"]).split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "usr/bin/env").symlink_to("/bin/busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")


def docker(home: Home) -> None:
    """Docker, from the programs built here, with what its official image has beside it."""
    root = home.roots / "docker"
    for program in ENGINE:
        _copy(home.bin, program, root / "usr/local/bin" / program)
    _copy(home.bin, "docker-buildx", root / "usr/local/libexec/docker/cli-plugins/docker-buildx")
    (root / "usr/local/bin/docker-init").unlink(missing_ok=True)
    (root / "usr/local/bin/docker-init").symlink_to("/usr/bin/tini")


def pause(home: Home) -> None:
    """The one program that holds a pod's namespaces."""
    _copy(home.bin, "pause", _empty(home.roots / "pause") / "pause")


def registry(home: Home) -> None:
    """The registry with nothing but itself."""
    root = _empty(home.roots / "registry")
    for folder in ("tmp", "var/lib/registry"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    _copy(home.bin, "registry", root / "bin/registry")


def _empty(root: Path) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    return root


def _copy(source_root: Path, path: str, target: Path) -> None:
    """Copy a file out of a root, where it may be an absolute link that only holds inside that root."""
    source = source_root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source.resolve(), target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
