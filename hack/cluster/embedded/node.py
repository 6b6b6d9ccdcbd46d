"""`python -m embedded.node STATE ORIGIN LOCK MACHINE_NET`: the first process of the node's namespaces.

It gives the node mounts of its own where components keep what is theirs, so that the machine's own
containerd, Docker, kubelet and firewall are neither used nor changed, then becomes the supervisor.
When it ends, however that comes, the kernel ends all processes of the node and drops its mounts,
interfaces and firewall rules.
"""

import os
import subprocess
import sys
from pathlib import Path

from embedded.layout import NODE
from embedded.report import Clock
from embedded.supervisor import Supervisor, listen

BOUND = {
    "containerd": "/var/lib/containerd",
    "kubelet": "/var/lib/kubelet",
    "cni": "/var/lib/cni",
    "docker": "/var/lib/docker",
    "pod-logs": "/var/log/pods",
    "container-logs": "/var/log/containers",
}
"""Folders of the cluster's state, and where the node has them."""

VOLATILE = ("etcd", "apiserver", "kubelet", "cni", "pod-logs", "container-logs", "docker")
"""Folders of the state that a fresh start empties; the rest are caches of images."""

_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/route_localnet": "1",  # hostPorts and NodePorts at 127.0.0.1
    "net/bridge/bridge-nf-call-iptables": "1",  # Services between pods on the one bridge
}


MACHINE_NET = "/run/machine-net"
"""In the node: the machine's network namespace, for image builds that download."""


def prepare(state: Path, machine_net: int) -> None:
    """Make this process's namespaces a node's.

    Args:
        state: The cluster's folder.
        machine_net: Descriptor of the machine's network namespace.
    """
    _mount("--make-rprivate", "/")
    _mount("-t", "proc", "proc", "/proc")
    _renew_sysfs(state / "cgroups")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    Path(MACHINE_NET).touch()
    _mount("--bind", f"/proc/{os.getpid()}/fd/{machine_net}", MACHINE_NET)
    os.close(machine_net)
    if not Path("/var/run").samefile("/run"):
        _mount("--bind", "/run", "/var/run")
    for name, target in BOUND.items():
        (state / name).mkdir(exist_ok=True)
        Path(target).mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(state / name), target)
    # last: what the kubelet mounts for a pod must appear in the pod's containers
    _mount("--make-rshared", "/")
    subprocess.run(["hostname", NODE], check=True)
    for name, value in _SYSCTLS.items():
        if (path := Path("/proc/sys", name)).exists():
            path.write_text(value)


def _renew_sysfs(carried: Path) -> None:
    """Mount a /sys that shows this network namespace's interfaces, with the machine's cgroups in it."""
    carried.mkdir(exist_ok=True)
    _mount("--rbind", "/sys/fs/cgroup", str(carried))
    _mount("-t", "sysfs", "sysfs", "/sys")
    _mount("--rbind", str(carried), "/sys/fs/cgroup")
    subprocess.run(["umount", "--lazy", carried], check=True)
    carried.rmdir()


def _mount(*args: str) -> None:
    subprocess.run(["mount", *args], check=True)


def main() -> None:
    """Prepare, then supervise."""
    state, origin, lock, machine_net = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    os.set_inheritable(lock, False)  # noqa: FBT003 - the slot is taken as long as this process lives, no component
    clock = Clock(origin)
    prepare(state, machine_net)
    listener = listen(state / "control.sock")
    clock.say("node ready for components")
    Supervisor(state / "logs", clock).serve(listener)


if __name__ == "__main__":
    main()
