"""Which slot a cluster has: the one it had before if that is free, else the first free one.

A slot is free when nobody holds the lock of its file in RUN. The node's first process inherits the
lock and holds it to its end, however that comes, so no slot needs freeing. RUN is the machine's, like
the networks and cgroups of the slots: clusters of other homes are seen too.
"""

import ipaddress
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from embedded.layout import SLOTS, Cluster, Home
from embedded.locks import try_lock
from embedded.report import ClusterError
from embedded.shell import output

RUN = Path("/run/nested-docker-cluster")
MACHINE_LOCK = RUN / "lock"


def take(home: Home, name: str, *, same: bool = False) -> tuple[Cluster, int]:
    """Give a cluster a slot and remember it in the cluster's folder.

    Args:
        home: The cluster's home.
        name: Its name.
        same: Whether only the slot of its last run will do: what it kept is full of that slot's addresses.

    Returns:
        The cluster, and the descriptor of the slot's lock for the node to inherit.

    Raises:
        ClusterError: All slots are taken.
    """
    taken = list(_routes(json.loads(output(["ip", "-json", "-4", "route", "show", "table", "all"]))))
    before = remembered(home, name)
    for slot in candidates(None if before is None else before.slot):
        cluster = Cluster(home, name, slot)
        lock = None if collides(cluster, taken) else try_lock(lock_file(slot))
        if lock is not None:
            cluster.state.mkdir(parents=True, exist_ok=True)
            (cluster.state / "slot").write_text(f"{slot}\n")
            return cluster, lock
        if same and before is not None:
            raise ClusterError(
                f"cluster {name} can't go on in slot {slot}: another cluster or route has {cluster.net}; "
                "end that one, or start without --keep"
            )
    raise ClusterError(
        f"all {SLOTS} slots are taken by other clusters (locks in {RUN}) or by routes to their 10.x networks; "
        "`cluster down --all` ends this home's clusters"
    )


def remembered(home: Home, name: str) -> Cluster | None:
    """The cluster with the slot of its last `up`; None if it never was up."""
    path = home.state(name) / "slot"
    if not path.exists():
        return None
    text = path.read_text().strip()
    if not text.isdigit() or int(text) >= SLOTS:
        raise ClusterError(f"{path} holds {text!r}, not a slot from 0 to {SLOTS - 1}; delete it")
    return Cluster(home, name, int(text))


def candidates(before: int | None) -> list[int]:
    """All slots, in the order in which to try them."""
    return sorted(range(SLOTS), key=lambda slot: (slot != before, slot))


def collides(cluster: Cluster, routes: Iterable[tuple[str, ipaddress.IPv4Network]]) -> bool:
    """Whether the machine reaches a part of the cluster's network some other way than its own link."""
    net = ipaddress.IPv4Network(cluster.net)
    return any(device != cluster.link and net.overlaps(route) for device, route in routes)


def others_up(slot: int) -> bool:
    """Whether any slot but this one is held, by clusters of whatever home."""
    for other in range(SLOTS):
        path = lock_file(other)
        if other == slot or not path.exists():
            continue
        if held(path):
            return True
    return False


def reclaim(slot: int, patience: float = 2.0) -> int | None:
    """Take the lock of a slot whose node has just ended; None if another cluster has it.

    Args:
        slot: The slot.
        patience: Seconds to wait: the process that waits for the node's end holds the lock a moment longer.
    """
    deadline = time.monotonic() + patience
    while (lock := try_lock(lock_file(slot))) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return lock


def held(path: Path) -> bool:
    """Whether some process holds the lock."""
    lock = try_lock(path)
    if lock is None:
        return True
    os.close(lock)
    return False


def lock_file(slot: int) -> Path:
    """The file whose lock means that the slot is taken."""
    return RUN / f"slot-{slot}"


def _routes(table: list[dict[str, str]]) -> Iterator[tuple[str, ipaddress.IPv4Network]]:
    for route in table:
        if route["dst"] != "default":
            yield route.get("dev", ""), ipaddress.IPv4Network(route["dst"], strict=False)
