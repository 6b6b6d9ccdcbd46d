"""A folder that plays the container of the start script, with programs that only record."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nested_docker.domain.modes.dockerd import START_SCRIPT

TOOLS = ("cat", "chmod", "env", "grep", "ln", "mkdir", "rm", "sed", "sh", "sleep", "sort", "tail", "uname")
"""Programs that the script finds in every image; the rest is what a test puts there."""

NEW_FLAGS = ("--default-network-opt", "--http-proxy")
"""Flags that Docker 20.10 does not have."""

DOCKERD = """#!/bin/sh
case ${1:-} in
    --version) echo "Docker version $(cat ROOT/version), build abc" ;;
    --help) cat ROOT/help ;;
    *) printf '%s\\n' "$@" >ROOT/flags; env >ROOT/environment ;;
esac
"""
MOUNT = """#!/bin/sh
echo "$@" >>ROOT/mounts
for word in $(cat ROOT/unmountable); do
    case "$*" in *"$word"*) echo "mount: $word: invalid argument" >&2; exit 32 ;; esac
done
"""
MADE_NOTHING = "mkdir: cannot create directory"
FULL_DISK = f"""#!/bin/sh
case "$*" in *nested-docker-trial*) echo "{MADE_NOTHING}: WORDS" >&2; exit 1 ;; esac
exec {shutil.which("mkdir")} "$@"
"""
IPTABLES = """#!/bin/sh
[ -e ROOT/broken/NAME ] && { echo "NAME: Protocol not supported" >&2; exit 3; }
echo "NAME $*" >>ROOT/iptables
"""
RUNTIME = """#!/bin/sh
echo "$@" >>ROOT/runtime
[ ! -f ROOT/data/nested-docker-trial/config.json ] || cat ROOT/data/nested-docker-trial/config.json >ROOT/config.json
for root in lower merged; do
    [ ! -f ROOT/data/nested-docker-trial/$root/trial ] || cat ROOT/data/nested-docker-trial/$root/trial >ROOT/trial
done
exit 42
"""
INIT = '#!/bin/sh\necho NAME >ROOT/init\nshift\nexec "$@"\n'
IP = """#!/bin/sh
[ "$*" = "link show dev eth0" ] || exit 1
echo "2: eth0@if9: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP qlen 1000"
echo "    link/ether 0a:58:0a:f4:01:05 brd ff:ff:ff:ff:ff:ff"
"""
CNI = "eth0 00000000 0101F40A 0003\neth0 0001F40A 00000000 0001\n"
"""Routes of a pod in 10.244.1.0/24."""


@dataclass
class Run:
    """What the script did."""

    code: int
    stderr: str
    flags: list[str]
    environment: dict[str, str]


@dataclass
class Container:
    """A folder that plays a container's root, with an image's programs."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, text: str = "") -> Path:
        """A file in the container."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def read(self, path: str) -> str:
        """A file's text; empty: there is none."""
        file = self.root / path.lstrip("/")
        return file.read_text() if file.exists() else ""

    def program(self, name: str, source: str, folder: str = "bin") -> None:
        """A program of the image, instead of the one that it may have there, which can be a link to this machine's."""
        (self.root / folder / name).unlink(missing_ok=True)
        text = source.replace("ROOT", str(self.root)).replace("NAME", name)
        self.write(f"{folder}/{name}", text).chmod(0o755)

    def engine(self, version: str, flags: Iterable[str] = NEW_FLAGS) -> None:
        """The image's dockerd."""
        self.write("version", version)
        self.write("help", "Usage: dockerd\n" + "".join(f"      {flag} map   Words\n" for flag in ("--mtu", *flags)))

    def iptables(self, *variants: str, broken: Iterable[str] = (), folder: str = "bin") -> None:
        """The image's iptables, each with the six programs that dockerd and its users run."""
        for variant in variants:
            for tool in ("iptables", "ip6tables"):
                for suffix in ("", "-save", "-restore"):
                    self.program(f"{tool}{'-' + variant if variant else ''}{suffix}", IPTABLES, folder)
        for name in broken:
            self.write(f"broken/{name}")

    @property
    def script(self) -> str:
        """The script with the container's paths."""
        folders = r"(?<![\w/}])/((?:etc|proc|sys|run|var|usr/local)/|dev/termination-log)"
        return re.sub(folders, rf"{self.root}/\1", START_SCRIPT)

    def start(self, *arguments: str, **env: str) -> Run:
        """Run the script to its end."""
        done = subprocess.run(
            ["/bin/sh", "-ec", self.script, "start-dockerd", f"--data-root={self.root}/data", *arguments],
            env={"PATH": str(self.root / "bin"), "HOSTNAME": "build-1"} | self.env | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        lines = self.read("environment").splitlines()
        environment = dict(line.split("=", 1) for line in lines if "=" in line)
        return Run(done.returncode, done.stderr, self.read("flags").splitlines(), environment)


def cgroup(container: Container, own: str) -> Path:
    container.write("sys/fs/cgroup/cgroup.procs")
    container.write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
    here = f"sys/fs/cgroup{own.rstrip('/')}"
    container.write(f"{here}/cgroup.controllers", "cpu memory\n")
    container.write(f"{here}/cgroup.procs", "1\n7\n")
    container.write("proc/self/cgroup", f"0::{own}\n")
    return container.root / here
