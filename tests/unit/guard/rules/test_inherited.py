"""What a container inherits from its image: labels, variables and anonymous volumes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.guard.decisions import UID, created

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.ownership import UID_LABEL


def completed(
    host: dict[str, Any] | None = None, image: dict[str, Any] | None = None, *, mounted: frozenset[str] = frozenset(),
    **config: Any,
) -> tuple[dict[str, Any], int]:  # fmt: skip
    """The body for an image with this configuration, and the number of its anonymous volumes."""
    plan = created(host, **config)
    assert plan.body is not None
    assert plan.complete is not None
    return plan.body, plan.complete(plan.body, {"Config": image or {}}, mounted)


@pytest.mark.parametrize(
    ("label", "prefix"),
    [
        ("io.kubernetes.container.logpath", "io.kubernetes."),
        ("IO.Kubernetes.pod.name", "io.kubernetes."),
        ("annotation.io.kubernetes.container.hash", "annotation.io.kubernetes."),
        ("io.cri-containerd.kind", "io.cri-containerd."),
        ("com.docker.swarm.service.id", "com.docker."),
        ("com.docker.composed", "com.docker."),
    ],
)
def test_an_image_with_a_label_that_other_software_obeys_is_denied(label: str, prefix: str) -> None:
    with pytest.raises(GuardDenied) as denied:
        completed(image={"Labels": {"a": "b", label: "x"}})
    assert denied.value.rule == "owner"
    assert denied.value.message == (
        f"image busybox has the label {label}, and labels with the prefix {prefix} are reserved: "
        "use an image without it"
    )


@pytest.mark.parametrize(
    "label", ["com.docker.compose.project", "nesteddocker.dev/uid", "org.opencontainers.image.url"]
)
def test_other_labels_of_an_image_pass(label: str) -> None:
    body, _ = completed(image={"Labels": {label: "x"}})
    assert body["Labels"] == {UID_LABEL: UID}


@pytest.mark.parametrize("variables", [None, ["NVIDIA_VISIBLE_DEVICES=all"], ["CUDA_VERSION=12"], ["A=b"]])
def test_no_image_gives_a_container_devices(variables: list[str] | None) -> None:
    body, _ = completed(image={"Env": variables}, Env=["X=y", "CUDA_VERSION=12"])
    assert body["Env"] == ["X=y", "CUDA_VERSION=12", "NVIDIA_VISIBLE_DEVICES=void"]


def anonymous(target: str) -> dict[str, Any]:
    return {"Type": "volume", "Target": target, "VolumeOptions": {"Labels": {UID_LABEL: UID}}}


@pytest.mark.parametrize(
    ("host", "config", "image", "mounted", "targets"),
    [
        ({}, {}, {}, (), []),
        ({}, {}, {"Volumes": {"/data": {}, "relative/": {}}}, (), ["/data", "/relative"]),
        ({}, {"Volumes": {"/a": {}, "/data/": {}}}, {"Volumes": {"/data": {}}}, (), ["/a", "/data"]),
        ({"Binds": ["/a", "v1:/data/:ro"]}, {}, {"Volumes": {"/data": {}}}, (), ["/a"]),
        ({"Tmpfs": {"/data": ""}}, {}, {"Volumes": {"/data/.": {}}}, (), []),
        ({"Mounts": [{"Type": "tmpfs", "Target": "/data"}]}, {}, {"Volumes": {"/data": {}}}, (), []),
        ({"VolumesFrom": ["x1"]}, {}, {"Volumes": {"/data": {}, "/b": {}}}, ("/data",), ["/b"]),
    ],
)
def test_an_anonymous_volume_becomes_a_mount_with_the_owner_label(
    host: dict[str, Any], config: dict[str, Any], image: dict[str, Any], mounted: tuple[str, ...], targets: list[str]
) -> None:
    body, count = completed(host, image, mounted=frozenset(mounted), **config)
    added = [each for each in body["HostConfig"].get("Mounts", ()) if each["Type"] == "volume"]
    assert added == [anonymous(each) for each in targets]
    assert count == len(targets)
    assert all(":" in each for each in body["HostConfig"].get("Binds", ()))


def test_a_mount_without_a_source_counts() -> None:
    mounts = [{"Type": "volume", "Target": "/a"}, {"Type": "volume", "Source": "v1", "Target": "/b"}]
    body, count = completed({"Mounts": mounts}, {"Volumes": {"/a": {}, "/c": {}}})
    assert count == 2
    assert [each["Target"] for each in body["HostConfig"]["Mounts"]] == ["/a", "/b", "/c"]
