"""Kernel and disk of the virtual machine's node: Debian's, with the programs and images of the embedded cluster."""

import lzma
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded import initramfs, rootfs
from embedded.layout import Home
from embedded.report import ClusterError
from embedded.shell import Arg, logged, output
from embedded.stamps import Step, digest

DEBIANS = {
    "qemu": rootfs.Debian(("qemu-system-x86", "qemu-utils")),
    "vm": rootfs.Debian(
        (
            *("apparmor", "busybox-static", "conntrack", "containernetworking-plugins", "crun", "dbus", "iproute2"),
            *("iptables", "kmod", "procps", "systemd-sysv"),
        )
    ),
}
"""Root folders."""

PROGRAMS = (
    *("kubenode", "containerd", "containerd-shim-runc-v2", "ctr", "runc"),
    *("docker", "docker-proxy", "dockerd"),
)
IMAGES = ("pause", "busybox", "docker", "registry")
"""Images in the node's containerd from its start, since importing takes long in emulation."""

_KERNEL = "linux-image-cloud-amd64"
_BOOT_MODULES = ("failover", "net_failover", "virtio_blk", "virtio_net")
"""What the kernel needs before it has the disk, in the order in which to load them."""

_SIZE = "12G"
_MASKED = (
    *("apparmor.service", "apt-daily.timer", "apt-daily-upgrade.timer", "console-getty.service"),
    *("dev-hugepages.mount", "dev-mqueue.mount", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("getty.target", "kmod-static-nodes.service", "modprobe@configfs.service", "modprobe@drm.service"),
    *("modprobe@efi_pstore.service", "modprobe@fuse.service", "run-lock.mount", "sys-fs-fuse-connections.mount"),
    *("sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-logind.service"),
    *("systemd-network-generator.service", "systemd-networkd.service", "systemd-networkd.socket"),
    *("systemd-random-seed.service", "systemd-remount-fs.service", "systemd-timesyncd.service"),
    *("systemd-udev-trigger.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket"),
    *("systemd-udevd.service", "tmp.mount"),
)
"""Units that the node has no use for: each costs a second of emulation."""

_INIT = """\
#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /new
$b mount -t proc proc /proc
$b mount -t devtmpfs devtmpfs /dev
for module in {modules}; do $b insmod /modules/$module.ko; done
$b mount -t ext4 -o noatime /dev/vda /new
$b cp -a /files/. /new/
$b umount /proc /dev
exec $b switch_root /new /lib/systemd/systemd
"""
"""The first process: what is in the archive's /files goes onto the disk, which has nothing of one cluster only."""


def steps(home: Home) -> list[Step]:
    """What makes them, after the roots of DEBIANS and the images."""
    own = Path(__file__)

    def kernel_inputs() -> str:
        return digest([home.stamps / "root-vm", own, Path(initramfs.__file__)])

    def disk_inputs() -> str:
        names = ("root-vm", "vm-kernel", "kubenode", "runtime", "engine", *(f"image-{name}" for name in IMAGES))
        return digest([*(home.stamps / name for name in names), own])

    kernel_made = (kernel(home), boot(home), _modules(home))
    return [
        Step("vm-kernel", kernel_inputs, kernel_made, lambda: make_kernel(home)),
        Step("vm-disk", disk_inputs, (disk(home),), lambda: make_disk(home)),
    ]


def kernel(home: Home) -> Path:
    """The kernel."""
    return home.vm / "vmlinuz"


def boot(home: Home) -> Path:
    """The archive that the kernel starts with."""
    return home.vm / "boot.cpio"


def disk(home: Home) -> Path:
    """The disk; nobody writes to it."""
    return home.vm / "disk.img"


def make_kernel(home: Home) -> None:
    """Download Debian's kernel, and make the archive that finds the disk.

    Raises:
        ClusterError: apt or dpkg failed.
    """
    _modules(home).parent.mkdir(parents=True, exist_ok=True)
    unpacked = home.vm / "kernel"
    shutil.rmtree(unpacked, ignore_errors=True)
    logged(["dpkg-deb", "-x", _download(home), unpacked], home.logs / "vm-kernel.log")
    shutil.copyfile(next(unpacked.glob("boot/vmlinuz-*")), kernel(home))
    shutil.rmtree(_modules(home), ignore_errors=True)
    (unpacked / "usr/lib/modules").rename(_modules(home))
    shutil.rmtree(unpacked)
    busybox = home.roots / "vm/usr/bin/busybox"
    files = [
        initramfs.File("init", _INIT.format(modules=" ".join(_BOOT_MODULES)).encode(), 0o755),
        initramfs.File("bin/busybox", busybox.read_bytes(), 0o755),
        *(initramfs.File(f"modules/{name}.ko", _module(home, name)) for name in _BOOT_MODULES),
    ]
    boot(home).write_bytes(initramfs.archive(files))


def make_disk(home: Home) -> None:
    """Make the disk: root, programs, modules, and containerd's store with the images in it.

    Raises:
        ClusterError: A program failed; its log is named.
    """
    root = home.vm / "root"
    shutil.rmtree(root, ignore_errors=True)
    output(["cp", "-a", home.roots / "vm", root])
    for name in PROGRAMS:
        shutil.copy2(home.bin / name, root / "usr/local/bin" / name)
    shutil.rmtree(root / "usr/lib/modules", ignore_errors=True)
    output(["cp", "-a", _modules(home), root / "usr/lib/modules"])
    for folder in (root / "usr/lib/modules").iterdir():
        output(["chroot", root, "depmod", folder.name])
    for unit in _MASKED:
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    (root / "etc/machine-id").unlink(missing_ok=True)
    with _containerd(home, root / "var/lib/containerd") as socket:
        for name in IMAGES:
            ctr = (home.bin / "ctr", "--address", socket, "--namespace", "k8s.io")
            output([*ctr, "images", "import", home.images / f"{name}.tar"])
    partial = disk(home).with_suffix(".partial")
    partial.unlink(missing_ok=True)
    logged(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, partial, _SIZE], home.logs / "vm-disk.log")
    partial.replace(disk(home))
    shutil.rmtree(root)


def _modules(home: Home) -> Path:
    return home.vm / "modules"


def _module(home: Home, name: str) -> bytes:
    found = next(_modules(home).rglob(f"{name}.ko*"), None)
    if found is None:
        raise ClusterError(f"{_KERNEL} has no module {name}; is it part of the kernel now?")
    return lzma.decompress(found.read_bytes()) if found.suffix == ".xz" else found.read_bytes()


def _download(home: Home) -> Path:
    """The package with the newest kernel of the suite, by an apt that has nothing of this machine's."""
    folder = home.vm / "apt"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "lists/partial").mkdir(parents=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (folder / "sources.list").write_text(f"deb [signed-by={keys}] {rootfs.mirror()} {rootfs.SUITE} main\n")
    options = {
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Dir::Cache": f"{folder}/cache",
        "Dir::Etc::SourceList": f"{folder}/sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": f"{folder}/lists",
    }
    flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    logged(["apt-get", *flags, "-q", "update"], home.logs / "vm-kernel-lists.log")
    package = real_package(output(["apt-cache", *flags, "depends", _KERNEL]))
    logged(["apt-get", *flags, "-q", "download", package], home.logs / "vm-kernel-download.log", cwd=folder)
    return next(folder.glob(f"{package}_*.deb"))


def real_package(said: str) -> str:
    """The package that a metapackage means, from `apt-cache depends`.

    Raises:
        ClusterError: There is none.
    """
    for line in said.splitlines():
        word, _, package = line.strip().partition(" ")
        if word == "Depends:":
            return package
    raise ClusterError(f"{rootfs.SUITE} has no package {_KERNEL}; see `apt-cache depends {_KERNEL}`")


@contextmanager
def _containerd(home: Home, store: Path) -> Iterator[Path]:
    """A containerd for the block, whose store is a folder; its socket."""
    run = home.vm / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    socket = run / "containerd.sock"
    (run / "config.toml").write_text(containerd_config(store, run))
    log = home.logs / "vm-containerd.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        # a mount that it leaves goes with its namespace
        command: list[Arg] = ["unshare", "--mount", home.bin / "containerd", "--config", run / "config.toml"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        try:
            _wait(socket, process, log)
            yield socket
        finally:
            process.terminate()
            process.wait()
    shutil.rmtree(run)


def containerd_config(store: Path, run: Path) -> str:
    """Configuration of the containerd that fills the store: it starts no container."""
    return f"""\
version = 3
root = "{store}"
state = "{run}/state"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"]

[grpc]
  address = "{run}/containerd.sock"

[ttrpc]
  address = "{run}/ttrpc.sock"
"""


def _wait(socket: Path, process: subprocess.Popen[bytes], log: Path, patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ClusterError(f"containerd does not serve {socket}; see {log}")
        time.sleep(0.05)
