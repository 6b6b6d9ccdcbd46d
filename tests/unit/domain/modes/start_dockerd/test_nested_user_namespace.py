"""A daemon in a user namespace within that of its pod."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.unit.domain.modes.start_dockerd.container import Container
from tests.unit.domain.modes.start_dockerd.nodes import denied_mounts, masked_proc, old_cgroups, read_only_cgroup


@pytest.fixture
def nested(namespaced: Container) -> Container:
    """The same as start-rootless.sh runs the script, with a cgroup that may not be written."""
    namespaced.env["NESTED_DOCKER_USER_NAMESPACE"] = "nested"
    namespaced.write("proc/self/uid_map", "         0          0          1\n         1          1      65535\n")
    namespaced.program("umount", '#!/bin/sh\necho "$@" >>ROOT/unmounted\n')
    read_only_cgroup(namespaced)
    return namespaced


def test_a_nested_daemon_is_rootless_and_makes_no_cgroups(nested: Container) -> None:
    run = nested.start("--flag")
    assert (run.code, run.stderr) == (0, "")
    assert run.flags[:2] == ["--rootless", f"--data-root={nested.root}/data"]
    assert not [flag for flag in run.flags if flag.startswith("--cgroup-parent")]
    assert not (nested.root / "sys/fs/cgroup/cgroup.subtree_control").exists()
    assert json.loads(nested.read("config.json"))["linux"]["cgroupsPath"] == ""


def test_a_nested_daemon_needs_no_init_and_no_version_2_of_cgroups(nested: Container) -> None:
    old_cgroups(nested)
    assert nested.start().code == 0
    assert nested.read("init") == ""


def test_a_nested_daemon_resolves_names_as_other_pods_do(nested: Container) -> None:
    nested.start()
    unmounted = [line.removeprefix(str(nested.root)) for line in nested.read("unmounted").splitlines()]
    assert unmounted[:2] == ["/etc/resolv.conf", "/etc/hosts"]
    nested.program("umount", "#!/bin/sh\nexit 32\n")
    run = nested.start()
    assert run.code == 0
    assert "/etc/resolv.conf is hidden, so names of Services may not be found" in run.stderr


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (masked_proc, "/proc is read-only in the container, so inner containers could have no network"),
        (denied_mounts, "mounts are denied: mount: --make-rshared: invalid argument"),
    ],
)
def test_a_nested_daemon_that_could_run_nothing_does_not_start(
    nested: Container, spoil: Callable[[Container], None], message: str
) -> None:
    spoil(nested)
    run = nested.start()
    assert run.code == 1
    assert f"nested-docker: {message}" in run.stderr
