"""Mounts, and the trial of one before the daemon starts."""

from __future__ import annotations

import pytest
from tests.unit.domain.modes.start_dockerd.container import FULL_DISK, MADE_NOTHING, Container


def test_mounts_are_shared_with_inner_containers(container: Container) -> None:
    container.start()
    assert container.read("mounts").splitlines()[0] == "--make-rshared /"


def test_a_container_that_may_not_share_its_mounts_starts_and_says_so(container: Container) -> None:
    container.write("unmountable", "--make-rshared")
    done = container.start()
    assert done.code == 0
    assert "docker run -v with rshared or rslave does not work" in done.stderr


@pytest.mark.parametrize("file", ["attr/apparmor/current", "attr/current"])
@pytest.mark.parametrize(
    ("label", "refused"),
    [
        ("cri-containerd.apparmor.d (enforce)\n", True),
        ("docker-default (enforce)\n", True),
        ("crio-default (enforce)\n", True),
        ("ci/dockerd//child (enforce)\n", True),
        ("cri-containerd.apparmor.d (complain)\n", False),
        ("unconfined\n", False),
        ("system_u:system_r:container_t:s0:c1,c2\n", False),
        ("", False),
    ],
)
def test_a_profile_that_denies_mounts_is_named_with_the_remedy(
    container: Container, file: str, label: str, refused: bool
) -> None:
    container.write(f"proc/self/{file}", label)
    container.write("unmountable", "tmpfs")
    done = container.start()
    assert (done.code == 1) is refused
    assert (f"AppArmor profile {label.split(maxsplit=1)[0] if label else ''} denies mounts" in done.stderr) is refused
    assert ("in the class's securityModules, set the mode's appArmorProfile" in done.stderr) is refused


def test_a_profile_that_allows_mounts_leaves_none_behind(container: Container) -> None:
    container.write("proc/self/attr/current", "ci-dockerd (enforce)\n")
    container.program("umount", '#!/bin/sh\necho "$@" >>ROOT/unmounted\n')
    assert container.start().code == 0
    assert container.read("mounts").splitlines()[0] == f"-t tmpfs tmpfs {container.root}/run/nested-docker-mount"
    assert container.read("unmounted").splitlines() == [f"{container.root}/run/nested-docker-mount"]


@pytest.mark.parametrize(
    ("enabled", "mounts", "expected"),
    [
        ("Y\n", "", True),
        ("N\n", "", False),
        (None, "", False),
        ("Y\n", "securityfs {root}/sys/kernel/security securityfs rw 0 0\n", False),
    ],
)
def test_apparmor_is_seen_where_the_kernel_has_it(
    container: Container, enabled: str | None, mounts: str, expected: bool
) -> None:
    if enabled is not None:
        container.write("sys/module/apparmor/parameters/enabled", enabled)
    container.write("proc/self/mounts", mounts.format(root=container.root))
    assert container.start().code == 0
    assert ("-t securityfs" in container.read("mounts")) is expected


def test_securityfs_that_cannot_be_mounted_is_said(container: Container) -> None:
    container.write("sys/module/apparmor/parameters/enabled", "Y\n")
    container.write("unmountable", "securityfs")
    done = container.start()
    assert done.code == 0
    assert "AppArmor does not confine inner containers" in done.stderr


@pytest.mark.parametrize(
    ("version", "config", "refused"),
    [
        ("29.0.0", "{}", True),
        ("29.9.3", '{"storage-driver":"overlay2"}', True),
        ("29.9.3", '{"features":{"containerd-snapshotter":true}}', True),
        ("29.9.3", '{"features":{"containerd-snapshotter":true},"storage-driver":"overlayfs"}', True),
        ("28.5.1", '{"features":{"containerd-snapshotter":true}}', True),
        ("26.1.5", '{"storage-driver":"overlay2"}', True),
        ("29.9.3", '{"storage-driver":"vfs"}', False),
        ("29.9.3", '{"features":{"containerd-snapshotter":true},"storage-driver":"native"}', False),
        ("29.9.3", '{"features":{"containerd-snapshotter":false}}', False),
        ("28.5.1", "{}", False),
        ("20.10.24", '{"storage-driver":"fuse-overlayfs"}', False),
    ],
)
def test_a_data_root_on_which_no_container_could_start_is_refused(
    container: Container, version: str, config: str, refused: bool
) -> None:
    container.engine(version)
    container.write("unmountable", "lowerdir")
    done = container.start(NESTED_DOCKER_CONFIG=config)
    assert done.code == (1 if refused else 0)
    message = "the data-root's filesystem does not support overlay mounts"
    assert (message in done.stderr) is refused
    assert ("invalid argument" in done.stderr and "storageDriver to vfs" in done.stderr) is refused


@pytest.mark.parametrize(
    "words",
    [
        "No space left on device",
        "Disk quota exceeded",
        "Cannot allocate memory",
        "Too many open files",
        "Resource temporarily unavailable",
    ],
)
def test_docker_29_starts_on_a_full_data_root_so_that_somebody_can_clear_it(container: Container, words: str) -> None:
    container.engine("29.9.3")
    container.program("mkdir", FULL_DISK.replace("WORDS", words))
    done = container.start()
    assert done.code == 0
    assert container.read("flags")
    assert "the trial of an overlay mount met a limit, so nothing shows that the data-root supports them" in done.stderr
    assert f"{MADE_NOTHING}: {words}" in done.stderr


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        ("overlay2/l/A", False),
        ("fuse-overlayfs/a/diff", False),
        ("btrfs/subvolumes/a", False),
        ("zfs/graph/a", False),
        ("vfs/dir/a", True),
        ("image/vfs/repositories.json", True),
        ("image/overlay2/repositories.json", True),
        ("containerd/daemon/io.containerd.snapshotter.v1.overlayfs/metadata.db", True),
        ("volumes/metadata.db", True),
    ],
)
def test_docker_29_goes_on_with_an_older_engines_data_except_for_those_of_vfs(
    container: Container, data: str, refused: bool
) -> None:
    container.engine("29.9.3")
    container.write("unmountable", "lowerdir")
    container.write(f"data/{data}")
    assert container.start().code == (1 if refused else 0)


def test_an_empty_folder_of_a_graph_driver_does_not_count(container: Container) -> None:
    container.engine("29.9.3")
    container.write("unmountable", "lowerdir")
    (container.root / "data/overlay2").mkdir(parents=True)
    assert container.start().code == 1


def test_the_trial_leaves_nothing(container: Container) -> None:
    container.engine("29.9.3")
    assert container.start().code == 0
    assert "lowerdir" in container.read("mounts")
    assert list((container.root / "data").iterdir()) == []
