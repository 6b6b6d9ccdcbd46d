"""The node's own dockerd, whose socket pods may mount: on only when asked for."""

import subprocess
import time

from embedded.components import DOCKERD, command
from embedded.node_client import Node
from embedded.report import Clock, ClusterError
from embedded.shell import output

SECONDS = 60.0
STOP_SECONDS = 20.0  # dockerd itself gives its containers ten
SOCKET = "/run/docker.sock"


def start(running: Node, clock: Clock) -> None:
    """Start it, unless it runs, with the image busybox in it.

    Raises:
        ClusterError: It doesn't answer within SECONDS.
    """
    if any(component.name == DOCKERD and not component.ended for component in running.ask("status")):
        clock.say("the node's dockerd runs already")
        return
    running.ask("start", DOCKERD, argv=command(running.cluster, DOCKERD))
    wait_for(running, SOCKET, DOCKERD)
    with (running.cluster.home.images / "busybox.tar").open("rb") as archive:
        output(docker(running, SOCKET, "load", "--quiet"), stdin=archive)
    clock.say(f"the node's dockerd serves {SOCKET}")


def stop(running: Node, clock: Clock) -> None:
    """Stop it, with its containers, and remove its socket file."""
    if any(component.name == DOCKERD for component in running.ask("status")):
        running.ask("stop", DOCKERD, patience=STOP_SECONDS)
    output(running.enter(["rm", "-f", SOCKET]))
    clock.say(f"the node has no dockerd, and no {SOCKET}")


def docker(running: Node, socket: str, *args: str) -> list[str]:
    """Command line of the docker client inside the node, for the dockerd at a socket."""
    return running.enter([str(running.cluster.home.bin / "docker"), "--host", f"unix://{socket}", *args])


def wait_for(running: Node, socket: str, component: str) -> None:
    """Wait until the dockerd at a socket answers.

    Raises:
        ClusterError: It ended or doesn't within SECONDS.
    """
    deadline = time.monotonic() + SECONDS
    log = running.cluster.logs / f"{component}.log"
    while subprocess.run(docker(running, socket, "version"), capture_output=True, check=False).returncode:
        if any(ended.name == component for ended in running.ended()):
            raise ClusterError(f"{component} ended at its start; see {log}")
        if time.monotonic() > deadline:
            raise ClusterError(f"{component} doesn't answer at {socket} after {SECONDS:.0f} s; see {log}")
        time.sleep(0.1)
