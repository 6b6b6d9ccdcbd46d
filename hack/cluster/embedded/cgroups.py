"""The cluster's own cgroup in every hierarchy of the machine, of version 1 and 2."""

import errno
import time
from pathlib import Path

from embedded.layout import Cluster
from embedded.report import ClusterError

ROOT = Path("/sys/fs/cgroup")
_WANTED = ("cpu", "cpuset", "hugetlb", "io", "memory", "pids")


def make(cluster: Cluster, root: Path = ROOT) -> None:
    """Make the cgroup, so that the kubelet finds it and can make pods' cgroups inside.

    Raises:
        ClusterError: No hierarchy is mounted.
    """
    if not hierarchies(root):
        raise ClusterError(f"no cgroup hierarchy is mounted at {root}; mount one, the kubelet needs it")
    for hierarchy in hierarchies(root):
        group = hierarchy / cluster.cgroup.lstrip("/")
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            # a new v1 cpuset is empty and lets no process in; v2 inherits by itself
            if (hierarchy / name).exists():
                (group / name).write_text((hierarchy / name).read_text())
        if (hierarchy / "cgroup.controllers").exists():
            _delegate(hierarchy)
            _delegate(group)


def remove(cluster: Cluster, patience: float = 5.0, root: Path = ROOT) -> None:
    """Remove the cgroup and all in it; no process of the cluster may be left to come to its end.

    Args:
        cluster: Whose.
        patience: Seconds to wait for processes that are still being torn down.
        root: Where the hierarchies are mounted.

    Raises:
        ClusterError: Some cgroup is still in use.
    """
    deadline = time.monotonic() + patience
    while left := [group for group in groups(cluster, root) if not _removed(group)]:
        if time.monotonic() > deadline:
            pids = [pid for group in left for path in group.rglob("cgroup.procs") for pid in path.read_text().split()]
            names = " ".join(str(group) for group in left)
            raise ClusterError(f"cgroups still in use by processes {' '.join(pids) or '(none seen)'}: {names}")
        time.sleep(0.05)


def groups(cluster: Cluster, root: Path = ROOT) -> list[Path]:
    """The cluster's cgroup in each hierarchy that has it."""
    found = [hierarchy / cluster.cgroup.lstrip("/") for hierarchy in hierarchies(root)]
    return [group for group in found if group.is_dir()]


def hierarchies(root: Path = ROOT) -> list[Path]:
    """Tops of all mounted hierarchies: one for pure version 2, else one per controller."""
    if (root / "cgroup.procs").exists():
        return [root]
    # controllers mounted together are there again under each one's name, as a link
    return [path for path in sorted(root.iterdir()) if not path.is_symlink() and (path / "cgroup.procs").exists()]


def _delegate(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    for controller in sorted(set(available) & set(_WANTED)):
        (group / "cgroup.subtree_control").write_text(f"+{controller}")


def _removed(group: Path) -> bool:
    children = sorted(group.rglob("*/"), key=lambda path: len(path.parts), reverse=True)
    for path in [*(child for child in children if child.is_dir()), group]:
        try:
            path.rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
    return True
