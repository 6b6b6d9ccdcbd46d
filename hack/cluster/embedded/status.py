"""What `status` shows: the components with their ends, memory, and the node."""

from pathlib import Path

from embedded.api import Api, schedulable
from embedded.layout import Home
from embedded.lifecycle import find
from embedded.node_client import Node


def show(home: Home, name: str) -> bool:
    """Print a cluster's state on stdout; whether it is up with all of its components alive."""
    running = find(home, name)
    if running is None:
        print(f"cluster {name}: down")
        return False
    cluster = running.cluster
    print(f"cluster {name}: up, slot {cluster.slot}, kubeconfig {cluster.kubeconfig}")
    sound = True
    inside = processes(running.pid)
    for component in running.ask("status"):
        if component.ended:
            sound = False
            print(f"  {component.name:24} ENDED  {component.ended}; see {cluster.logs / (component.name + '.log')}")
        else:
            kibibytes = inside.get(component.pid, 0)
            print(f"  {component.name:24} alive  pid {component.pid:<6} {kibibytes / 1024:6.0f} MiB")
    nodes = Api(cluster).get("/api/v1/nodes")
    answer = (
        "no answer from the API server" if nodes is None else "takes pods" if schedulable(nodes) else "takes no pods"
    )
    print(f"  node {cluster.node_ip}: {answer}; all its processes: {sum(inside.values()) / 1024:.0f} MiB")
    return sound


def processes(first: int) -> dict[int, int]:
    """Proportional memory (PSS, KiB) of all processes of a node, by their pid inside it.

    Args:
        first: The node's first process, as the machine numbers it.
    """
    namespace = Path(f"/proc/{first}/ns/pid").readlink()
    found: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "ns/pid").readlink() != namespace:
                continue
            inside = int(_field(folder / "status", "NSpid").split()[-1])
            found[inside] = int(_field(folder / "smaps_rollup", "Pss").split()[0])
        except (OSError, ValueError):  # it ended meanwhile, or has no memory left
            continue
    return found


def _field(path: Path, name: str) -> str:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    raise ValueError(f"{path} has no field {name}")


def warn_of_ended(running: Node) -> list[str]:
    """A warning per component that has ended by itself."""
    return [
        f"WARNING: {component.name} of cluster {running.cluster.name} has ended: {component.ended}; "
        f"see {running.cluster.logs / (component.name + '.log')}, then `cluster restart {component.name}`"
        for component in running.ended()
    ]
