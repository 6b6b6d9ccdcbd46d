"""A second node, with cgroup version 2, in an emulated machine: qemu is a component of the first node.

It ends with the first node, and so do its interface and routes, which are in that node's network namespace.
"""

import subprocess
from pathlib import Path
from typing import Any

from embedded import initramfs, vm_build, vm_config
from embedded.api import Api
from embedded.layout import VM_NODE, Cluster
from embedded.network import ip
from embedded.node_client import Node
from embedded.oci import architecture
from embedded.report import ClusterError, tail
from embedded.shell import output

Json = dict[str, Any]

NAME = "vm"
"""The component's name."""

LINK = "vm0"
STARTS = 3
SECONDS = 300.0
"""What a start may take: 25 s, and 150 s beside two others on two processors."""

MEMORY = "4096"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARGUMENTS = (
    *("console=ttyS0", "quiet", "loglevel=4", "panic=1", "mitigations=off", "nokaslr", "audit=0", "nowatchdog"),
    *("init_on_alloc=0", "rcupdate.rcu_cpu_stall_suppress=1", "no_timer_check", "net.ifnames=0"),
    *("systemd.show_status=error", "systemd.unit=multi-user.target"),
    *(f"systemd.wants={unit}.service" for unit in vm_config.UNITS),
)
"""The kernel's: nothing that costs time in emulation, and no reboot after a crash."""


def command(cluster: Cluster) -> list[str]:
    """Command line of the machine."""
    root = cluster.home.roots / "qemu"
    return [
        *(*_program(cluster, "qemu-system-x86_64"), "-L", str(root / "usr/share/qemu")),
        *("-L", str(root / "usr/share/seabios")),
        *("-machine", "q35,hpet=off", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max"),
        *("-m", MEMORY, "-smp", "2", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", str(vm_build.kernel(cluster.home)), "-initrd", str(cluster.conf / "vm.cpio")),
        *("-append", " ".join(_ARGUMENTS)),
        *("-drive", f"file={cluster.vm_disk},if=none,id=disk,format=qcow2,cache=unsafe"),
        *("-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci"),
        *("-netdev", f"tap,id=net,ifname={LINK},script=no,downscript=no"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-serial", f"file:{_console(cluster)}"),
    ]


def new_disk(cluster: Cluster) -> list[str]:
    """Command line that gives the machine the disk that was built, whatever a former run wrote."""
    backing = ("-b", str(vm_build.disk(cluster.home)), "-F", "raw")
    return [*_program(cluster, "qemu-img"), "create", "-q", "-f", "qcow2", *backing, str(cluster.vm_disk)]


def has_disk(cluster: Cluster) -> bool:
    """Whether a former run has left a disk.

    Raises:
        ClusterError: It has, and what the run did not write is gone: the disk was built again.
    """
    if not cluster.vm_disk.exists():
        return False
    if cluster.vm_disk.stat().st_mtime < vm_build.disk(cluster.home).stat().st_mtime:
        raise ClusterError(f"{cluster.vm_disk} belongs to a disk that was built again since; start without --keep")
    return True


def _program(cluster: Cluster, name: str) -> list[str]:
    """Start of the command line of one of qemu's programs, with the libraries that it was made for."""
    root = cluster.home.roots / "qemu"
    libraries = root / "usr/lib/x86_64-linux-gnu"
    return [
        str(root / "usr/lib64/ld-linux-x86-64.so.2"),
        "--library-path",
        str(libraries),
        str(root / "usr/bin" / name),
    ]


def start(running: Node, *, keep: bool = False) -> None:
    """Start it.

    Args:
        running: The first node.
        keep: Whether it has the disk as its last run left it, if there was one, and not as it was built.

    Raises:
        ClusterError: This machine's architecture is not the one of the disk, or the disk to keep is out of date.
    """
    if architecture() != "amd64":
        raise ClusterError(f"the node in a virtual machine is amd64, and this machine is {architecture()}")
    cluster = running.cluster
    files = [
        initramfs.File(f"files{path}", text.encode(), 0o600 if path.endswith((".key", ".kubeconfig")) else 0o644)
        for path, text in vm_config.files(cluster).items()
    ]
    if not (keep and has_disk(cluster)):
        output(new_disk(cluster))
    (cluster.conf / "vm.cpio").write_bytes(vm_build.boot(cluster.home).read_bytes() + initramfs.archive(files))
    _connect(running)
    running.ask("start", NAME, argv=command(cluster))


def last_words(cluster: Cluster) -> str:
    """What its console said last, with where the rest is."""
    console = _console(cluster)
    said = tail(console.read_text(errors="replace")) if console.exists() else ""
    return f"its console, {console}, ends with:\n{said or '(nothing)'}"


def alive(running: Node) -> bool:
    """Whether qemu runs."""
    return any(component.name == NAME and not component.ended for component in running.ask("status"))


def ready(api: Api) -> bool:
    """Whether the node takes pods that tolerate its taint, and programs can be run on it."""
    pod = api.get(f"/api/v1/namespaces/kube-system/pods/{vm_config.SHELL}-{VM_NODE}")
    return _true(api.get(f"/api/v1/nodes/{VM_NODE}"), "Ready") and _true(pod, "Ready")


def objects() -> dict[str, Json]:
    """RuntimeClasses of its handlers by path: their pods go there, and tolerate the taint."""
    key, value = vm_config.LABEL.split("=")
    scheduling = {"nodeSelector": {key: value}, "tolerations": [{"operator": "Equal", **vm_config.TAINT}]}
    return {
        f"/apis/node.k8s.io/v1/runtimeclasses/{name}": {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": name},
            "handler": handler,
            "scheduling": scheduling,
        }
        for name, handler in vm_config.RUNTIME_CLASSES.items()
    }


def enter(running: Node, argv: list[str]) -> list[str]:
    """The command line that runs a program on the node, with the node's files, processes and network."""
    cluster, pod = running.cluster, f"{vm_config.SHELL}-{VM_NODE}"
    kubectl = ["env", f"KUBECONFIG={cluster.kubeconfig}", str(cluster.home.bin / "kubectl")]
    inside = ["nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p", "--"]
    environment = ["env", f"PATH={_PATH}", "CONTAINERD_NAMESPACE=k8s.io"]
    return [*kubectl, "exec", "-i", "-n", "kube-system", pod, "--", *inside, *environment, *argv]


def _console(cluster: Cluster) -> Path:
    return cluster.logs / "vm-console.log"


def _connect(running: Node) -> None:
    """Make its interface in the first node's network, and the routes to it."""
    cluster = running.cluster
    inside = ["nsenter", "--target", str(running.pid), "--net"]
    # what a run before left: qemu does not make the interface, so it does not remove it
    subprocess.run([*inside, "ip", "link", "delete", LINK], stderr=subprocess.DEVNULL, check=False)
    ip(
        f"tuntap add dev {LINK} mode tap",
        f"addr add {cluster.vm_gateway}/24 dev {LINK}",
        f"link set {LINK} up",
        f"route add {cluster.vm_pods} via {cluster.vm_ip} dev {LINK}",
        netns_of=running.pid,
    )
    ip(f"route replace {cluster.vm_net} via {cluster.node_ip}")


def _true(what: Json | None, condition: str) -> bool:
    conditions = (what or {}).get("status", {}).get("conditions", [])
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)
