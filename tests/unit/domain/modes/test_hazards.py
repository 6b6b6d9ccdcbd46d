"""What a mode costs here and now, and that it is told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import BUILD_FILES, class_spec, policy_spec
from tests.unit.world import World

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.domain.modes.dockerd import engine_hazards
from nested_docker.domain.status.events import transitions


def types(**engine: object) -> list[str]:
    given = {"storageDriver": "overlay2", "backingFilesystem": "extfs", "securityOptions": ["name=seccomp"]}
    return [hazard.type for hazard in engine_hazards(EngineStatus.model_validate(given | engine))]


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ({}, ["NoSecurityModule"]),
        ({"securityOptions": ["name=apparmor", "name=seccomp,profile=builtin"]}, ["NestedSecurityModule"]),
        ({"securityOptions": ["name=selinux"]}, ["NestedSecurityModule"]),
        ({"storageDriver": "vfs"}, ["SlowStorageDriver", "NoSecurityModule"]),
        (
            {"storageDriver": "fuse-overlayfs", "backingFilesystem": "overlayfs"},
            ["SlowStorageDriver", "NoSecurityModule"],
        ),
        ({"backingFilesystem": "overlayfs"}, ["LayeredFilesystem", "NoSecurityModule"]),
        ({"backingFilesystem": "zfs"}, ["LayeredFilesystem", "NoSecurityModule"]),
        ({"backingFilesystem": "xfs"}, ["NoSecurityModule"]),
    ],
)
def test_what_the_daemon_tells_of_itself(engine: dict[str, object], expected: list[str]) -> None:
    assert types(**engine) == expected


def test_before_it_has_answered_nothing_is_said_of_it() -> None:
    assert engine_hazards(None) == []


def test_the_raw_socket_has_a_higher_price() -> None:
    world = World({"mode": "HostSocket"}, classes={"standard": class_spec(hostSocket={"access": "Raw"})})
    world.settle()
    assert [hazard.type for hazard in world.status.hazards] == ["HostControl", "Siblings", ON_NODE]


ON_NODE = "BindMountsResolveOnNode"
IN_DAEMON = "BindMountsResolveInDaemon"
LIMITED = {"limits": {"total": {"cpu": "2", "memory": "2Gi"}}}
JOB = {"workload": {"containers": [{"name": "job", "image": "i"}]}}


@pytest.mark.parametrize(
    ("guard", "spec", "hazards"),
    [
        (LIMITED, {}, ["SharedDaemon"]),
        (LIMITED | {"build": {"allowed": True}}, {}, ["SharedDaemon", "BuildsTakeAnyImage"]),
        (LIMITED, JOB, ["SharedDaemon"]),
        ({}, {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}, ["SharedDaemon"]),
        ({}, {"resources": {"limits": {"cpu": "1"}}}, ["SharedDaemon", "Unlimited"]),
        (LIMITED | {"enforcement": "Warn"}, {}, ["HostControl", "SharedDaemon"]),
        (LIMITED | {"enforcement": "Audit"}, {}, ["HostControl", "SharedDaemon"]),
    ],
)
def test_what_a_guard_leaves_open_is_told(guard: dict[str, Any], spec: dict[str, Any], hazards: list[str]) -> None:
    grant = policy_spec(hostSocket={"allowRaw": True, "guard": guard})
    world = World({"mode": "HostSocket"} | spec, policies={"p": grant})
    world.settle()
    assert [hazard.type for hazard in world.status.hazards] == [*hazards, ON_NODE]


@pytest.mark.parametrize(
    ("spec", "hazard", "message", "remedy"),
    [
        ({"mode": "Dind"}, IN_DAEMON, "an empty directory", "run the client as spec.workload, which shares /workspace"),
        ({"mode": "Sysbox"}, IN_DAEMON, "`./` in compose files", "docker cp"),
        ({"mode": "HostSocket"}, ON_NODE, "are the node's and not the client's", "in mode Dind or Sysbox"),
        ({"mode": "Dind"} | JOB, IN_DAEMON, "Only /workspace of the workload is the same", "in /workspace"),
        ({"mode": "Sysbox"} | JOB, IN_DAEMON, "Only /workspace of the workload is the same", "in /workspace"),
        ({"mode": "HostSocket"} | JOB, ON_NODE, "not even /workspace", "docker cp"),
        (
            {"mode": "Dind", "workload": BUILD_FILES},
            IN_DAEMON,
            "Only /workspace and /builds/src of the workload are the same",
            "mount in /workspace or /builds/src.",
        ),
        ({"mode": "Dind", "connection": {"clients": []}}, IN_DAEMON, "not the client's", "docker cp"),
    ],
)
def test_mounts_that_are_silently_empty_are_a_hazard(
    spec: dict[str, Any], hazard: str, message: str, remedy: str
) -> None:
    world = World(spec, policies={"p": policy_spec()})
    world.settle()
    (found,) = [each for each in world.status.hazards if each.type.startswith("BindMounts")]
    assert found.type == hazard
    assert message in found.message
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("mode", "isolation", "hazards"),
    [
        (Mode.DIND, "None", ["Privileged", IN_DAEMON, "NoSecurityModule"]),
        (Mode.HOST_SOCKET, "SharedDaemon", ["SharedDaemon", "BuildsTakeAnyImage", "Unlimited", ON_NODE]),
        (Mode.SYSBOX, "UserNamespace", ["SharedKernel", IN_DAEMON, "NoSecurityModule"]),
        (Mode.USER_NAMESPACE, "UserNamespace", ["SharedKernel", "InnerPrivileged", IN_DAEMON, "NoSecurityModule"]),
        (
            Mode.ROOTLESS,
            "UserNamespace",
            [
                *("SharedKernel", "InnerLimitsIgnored", "UserModeNetwork", "InnerPrivileged", IN_DAEMON),
                "NoSecurityModule",
            ],
        ),
    ],
)
def test_every_mode_has_its_grade_and_its_price_each_with_a_remedy(
    mode: Mode, isolation: str, hazards: list[str]
) -> None:
    world = World({"mode": mode})
    world.settle()
    assert world.status.isolation == isolation
    assert [hazard.type for hazard in world.status.hazards] == hazards
    assert all(hazard.message and hazard.remedy for hazard in world.status.hazards)


def test_the_modes_hazards_are_told_once_at_acceptance_and_as_warnings() -> None:
    world = World()
    before = NestedDockerStatus()
    world.step()
    told = [step for step in transitions(before, world.status) if step.type == "Warning"]
    assert [step.reason for step in told] == ["Privileged", IN_DAEMON]
    assert told[0].message.startswith("The daemon's container is privileged")
    before = world.status
    world.settle()
    assert [step.reason for step in transitions(before, world.status)] == ["Ready"]
    assert [step.reason for step in transitions(world.status, world.status)] == []


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("20.10.24+dfsg1", True),
        ("23.0.6", True),
        ("24.0.0", False),
        ("26.1.5", False),
        ("29.9.3", False),
        ("dev", False),
        ("", False),
    ],
)
def test_engines_that_give_the_mtu_to_one_network_only_are_a_hazard(version: str, found: bool) -> None:
    assert ("MtuOfDefaultNetworkOnly" in types(version=version)) is found


@pytest.mark.parametrize(
    ("store", "driver", "words"),
    [
        ("Containerd", "native", "dockerd chose the snapshotter native: every layer is a full copy"),
        ("Containerd", "fuse-overlayfs", "dockerd chose the snapshotter fuse-overlayfs: file access"),
        ("GraphDriver", "vfs", "dockerd chose the storage driver vfs: every layer is a full copy"),
        ("GraphDriver", "fuse-overlayfs", "dockerd chose the storage driver fuse-overlayfs: file access"),
        (None, "vfs", "dockerd chose the storage driver vfs"),
    ],
)
def test_what_copies_is_slow_in_both_image_stores(store: str | None, driver: str, words: str) -> None:
    engine = EngineStatus.model_validate({"storageDriver": driver, "imageStore": store})
    hazard = engine_hazards(engine)[0]
    assert hazard.message.startswith(words)
    remedy = (
        "leave spec.engine.storageDriver out" if store == "Containerd" else "set spec.engine.storageDriver: overlay2"
    )
    assert f"supports overlay mounts, such as ext4 or xfs on an emptyDir or a claim, and {remedy}" in hazard.remedy
