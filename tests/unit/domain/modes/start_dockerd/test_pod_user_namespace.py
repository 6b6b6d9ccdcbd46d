"""A daemon in the user namespace of its pod."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.domain.modes.start_dockerd.container import Container
from tests.unit.domain.modes.start_dockerd.nodes import (
    denied_mounts,
    masked_proc,
    no_user_namespace,
    old_cgroups,
    read_only_cgroup,
)


def test_a_daemon_in_a_user_namespace_has_the_pods_cgroup(namespaced: Container) -> None:
    run = namespaced.start()
    assert run.code == 0, run.stderr
    assert "--cgroup-parent=/" in run.flags
    assert namespaced.read("sys/fs/cgroup/cgroup.subtree_control") == "+memory\n"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_user_namespace, "the pod has no user namespace, so dockerd does not start"),
        (masked_proc, "/proc is read-only in the container, so inner containers could have no network"),
        (old_cgroups, "the node has cgroup v1"),
        (read_only_cgroup, "the pod's cgroup cannot be written: mkdir: "),
        (denied_mounts, "mounts are denied: mount: --make-rshared: invalid argument"),
    ],
)
def test_a_daemon_that_could_run_nothing_or_too_much_does_not_start(
    namespaced: Container, spoil: Callable[[Container], None], message: str
) -> None:
    spoil(namespaced)
    run = namespaced.start()
    assert run.code == 1
    assert f"nested-docker: {message}" in run.stderr
    assert run.flags == []


def test_other_modes_need_no_user_namespace(namespaced: Container) -> None:
    for spoil in (no_user_namespace, old_cgroups, denied_mounts):
        spoil(namespaced)
    namespaced.env.clear()
    run = namespaced.start()
    assert run.code == 0
    assert "docker run -v with rshared or rslave does not work (mount: --make-rshared: invalid argument)" in run.stderr
