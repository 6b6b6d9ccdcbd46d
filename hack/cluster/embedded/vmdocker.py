"""The dockerd of the node in a virtual machine: systemd starts it, also when the machine starts again with its disk."""

from embedded import vm, vm_config
from embedded.hostdocker import SOCKET
from embedded.node_client import Node
from embedded.report import Clock
from embedded.shell import output


def start(running: Node, clock: Clock) -> None:
    """Start it, unless it runs, with the image busybox in it.

    Raises:
        ClusterError: It does not start; the message has what systemd says.
    """
    output(vm.enter(running, ["systemctl", "enable", "--now", vm_config.DOCKERD]))
    with (running.cluster.home.images / "busybox.tar").open("rb") as archive:
        output(vm.enter(running, ["docker", "load", "--quiet"]), stdin=archive)
    clock.say(f"the dockerd in the virtual machine serves {SOCKET}")


def stop(running: Node, clock: Clock) -> None:
    """Stop it, with its containers, and remove its socket file."""
    output(vm.enter(running, ["systemctl", "disable", "--now", vm_config.DOCKERD]))
    output(vm.enter(running, ["rm", "-f", SOCKET]))
    clock.say(f"the node in the virtual machine has no dockerd, and no {SOCKET}")
