"""A real Docker daemon for the tests: that of the embedded cluster's images, in separate namespaces."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

HOME = Path(os.environ.get("NESTED_DOCKER_CLUSTER_HOME", "~/.cache/nested-docker/cluster")).expanduser()
ROOT, OLD_ROOT, BUSYBOX = HOME / "roots" / "docker", HOME / "roots" / "docker-26", HOME / "images" / "busybox.tar"
START_SECONDS = 60.0

SCRIPT = """
set -e
mount --make-rprivate /
mount -t overlay overlay -o lowerdir=$LOWER,upperdir=$FOLDER/upper,workdir=$FOLDER/work $FOLDER/root
cd $FOLDER/root
mkdir -p proc sys dev run tmp var/lib/docker srv/docker machine
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /dev dev
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --bind $FOLDER/data var/lib/docker
mount --bind $FOLDER/srv srv/docker
ip link set lo up
# A chroot would not do: what enters a container's mount namespace later would find the machine's root in it.
pivot_root . machine
exec chroot . sh -c 'umount -l /machine && exec dockerd --host unix:///srv/docker/docker.sock \\
    --iptables=false --ip-masq=false --group 0 --cgroup-parent $CGROUP'
"""


class Dockerd:
    """The daemon, and files of the node that an attack must not reach.

    Args:
        folder: empty, on a filesystem that overlay2 can lie on.
        root: what has the engine.
    """

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self.folder = folder
        self._root = root
        self.socket = folder / "srv" / "docker.sock"
        self._log = folder / "log"
        self._cgroup = f"guard-tests-{os.getpid()}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert self._root.is_dir(), "the embedded cluster's images are missing: run hack/cluster/cluster build"
        for name in ("upper", "work", "root", "data", "srv"):
            (self.folder / name).mkdir()
        self._launch()
        self.docker("load", "--quiet", "--input", str(BUSYBOX))

    def crash(self) -> None:
        """Kill the daemon and all its processes by SIGKILL, and start it with the state that is left."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._launch()

    def _launch(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT],
                env=os.environ | {"LOWER": str(self._root), "FOLDER": str(self.folder), "CGROUP": f"/{self._cgroup}"},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(self.command("version"), capture_output=True, check=False).returncode:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._remove_cgroups()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _remove_cgroups(self) -> None:
        """The cgroups of containers that a killed daemon leaves behind."""
        top = Path("/sys/fs/cgroup")
        for parent in [*top.glob(self._cgroup), *top.glob(f"*/{self._cgroup}")]:
            for group in sorted((each for each in parent.rglob("*") if each.is_dir()), reverse=True):
                _remove(group)
            _remove(parent)

    def command(self, *args: str) -> list[str]:
        return ["docker", "--host", f"unix://{self.socket}", *args]

    def docker(self, *args: str) -> str:
        """Run the docker CLI on the daemon's own socket."""
        ran = subprocess.run(self.command(*args), capture_output=True, check=False, text=True)
        assert ran.returncode == 0, f"docker {args}: {ran.stderr}"
        return ran.stdout.strip()


def _remove(group: Path) -> None:
    """Remove a cgroup as soon as its last process has exited."""
    deadline = time.monotonic() + 5
    while group.exists():
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
