"""The veth pair between machine and node, and the machine's routes to pods and Services."""

import json
import subprocess

from embedded.layout import Cluster
from embedded.shell import output


def connect(cluster: Cluster, node_pid: int) -> None:
    """Link machine and node, so that both, and all pods, reach one another by address."""
    disconnect(cluster)
    ip(
        f"link add {cluster.link} type veth peer name eth0 netns {node_pid}",
        f"addr add {cluster.machine_ip}/24 dev {cluster.link}",
        f"link set {cluster.link} up",
        f"route add {cluster.pods} via {cluster.node_ip}",
        f"route add {cluster.services} via {cluster.node_ip}",
    )
    ip(
        "link set lo up",
        f"addr add {cluster.node_ip}/24 dev eth0",
        "link set eth0 up",
        f"route add default via {cluster.machine_ip}",
        netns_of=node_pid,
    )


def disconnect(cluster: Cluster) -> None:
    """Remove the link if it is there; addresses and routes go with it."""
    links = json.loads(output(["ip", "-json", "link", "show", "type", "veth"]) or "[]")
    if any(link.get("ifname") == cluster.link for link in links):
        # a node that has just ended takes the pair with it at any moment: gone is as good as deleted
        subprocess.run(["ip", "link", "delete", cluster.link], stderr=subprocess.DEVNULL, check=False)


def ip(*commands: str, netns_of: int | None = None) -> None:
    """Run commands of `ip`, on the machine or in the network namespace of a process."""
    enter = [] if netns_of is None else ["nsenter", "--target", str(netns_of), "--net"]
    output([*enter, "ip", "-batch", "-"], text="\n".join(commands) + "\n")
