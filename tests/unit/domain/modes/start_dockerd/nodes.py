"""Nodes and pods on which a daemon in a user namespace could run nothing, or too much."""

from __future__ import annotations

from tests.unit.domain.modes.start_dockerd.container import Container


def no_user_namespace(container: Container) -> None:
    container.write("proc/self/uid_map", "         0          0 4294967295\n")


def masked_proc(container: Container) -> None:
    (container.root / "proc/sys/net/ipv4/ip_forward").unlink()
    (container.root / "proc/sys/net/ipv4/ip_forward").symlink_to("/proc/version")


def old_cgroups(container: Container) -> None:
    (container.root / "sys/fs/cgroup/cgroup.controllers").unlink()


def read_only_cgroup(container: Container) -> None:
    container.write("sys/fs/cgroup/init")


def denied_mounts(container: Container) -> None:
    container.write("unmountable", "--make-rshared")
