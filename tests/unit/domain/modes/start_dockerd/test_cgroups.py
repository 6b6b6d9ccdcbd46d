"""The cgroup of inner containers."""

from __future__ import annotations

from tests.unit.domain.modes.start_dockerd.container import Container, cgroup


def test_on_cgroup_v2_inner_containers_stay_under_the_pod(container: Container) -> None:
    here = cgroup(container, "/kubepods/pod1/c1")
    done = container.start()
    assert (done.code, done.stderr) == (0, "")
    assert "--cgroup-parent=/kubepods/pod1/c1" in done.flags
    assert (here / "init/cgroup.procs").read_text() == "7\n"  # the kernel moves each pid that is written
    assert (here / "cgroup.subtree_control").read_text() == "+memory\n"  # and enables each that is written


def test_in_its_own_cgroup_namespace_the_root_is_the_pod(container: Container) -> None:
    cgroup(container, "/")
    assert "--cgroup-parent=/" in container.start().flags


def test_a_controller_that_cannot_be_handed_out_is_named(container: Container) -> None:
    (cgroup(container, "/") / "cgroup.subtree_control").mkdir()
    done = container.start()
    assert done.code == 0
    assert "cgroup controllers that are not available to inner containers: cpu memory" in done.stderr


def test_on_cgroup_v1_nothing_is_moved(container: Container) -> None:
    assert not [flag for flag in container.start().flags if flag.startswith("--cgroup-parent")]
