"""Mirrors that an engine ignores."""

from __future__ import annotations

import pytest
from tests.unit.world import World

from nested_docker.api.v1alpha1.engine import EngineSpec
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, ImageStore
from nested_docker.domain.modes.mirrors import mirror_hazards

CONTAINERD, GRAPH_DRIVER = ImageStore.CONTAINERD, ImageStore.GRAPH_DRIVER
GHCR = {"ghcr.io": ["https://m.example"]}


@pytest.mark.parametrize(
    ("version", "store", "driver", "mirrors", "ignored"),
    [
        ("26.1.5+dfsg1", GRAPH_DRIVER, "overlay2", GHCR, "ghcr.io"),
        ("27.5.1", CONTAINERD, "overlayfs", GHCR, "ghcr.io"),
        ("28.5.2", GRAPH_DRIVER, "overlay2", GHCR, "ghcr.io"),
        ("29.9.3", GRAPH_DRIVER, "vfs", GHCR, "ghcr.io"),
        ("29.9.3", GRAPH_DRIVER, "fuse-overlayfs", GHCR, "ghcr.io"),
        ("29.9.3", GRAPH_DRIVER, "overlay2", {"docker.io": ["https://m.example/v2/hub"]}, "https://m.example/v2/hub"),
        ("29.9.3", CONTAINERD, "overlayfs", GHCR, ""),
        ("28.0.0", CONTAINERD, "overlayfs", GHCR, ""),
        ("28.5.2", CONTAINERD, "native", GHCR, ""),
        ("29.9.3", CONTAINERD, "fuse-overlayfs", GHCR, ""),
        ("20.10.24", GRAPH_DRIVER, "overlay2", {"docker.io": ["https://m.example"]}, ""),
        ("20.10.24", GRAPH_DRIVER, "overlay2", {}, ""),
        ("dev", CONTAINERD, "overlayfs", GHCR, ""),
        ("29.9.3", None, "", GHCR, ""),
    ],
)
def test_mirrors_that_the_engine_ignores_are_a_hazard(
    version: str, store: ImageStore | None, driver: str, mirrors: dict[str, list[str]], ignored: str
) -> None:
    engine = EngineStatus(version=version, image_store=store, storage_driver=driver)
    kind = "snapshotter" if store is CONTAINERD else "storage driver"
    found = mirror_hazards(EngineSpec.model_validate({"mirrors": mirrors}), engine)
    assert [hazard.type for hazard in found] == (["MirrorsIgnored"] if ignored else [])
    for hazard in found:
        assert f"ignores spec.engine.mirrors of {ignored}" in hazard.message
        assert f"Docker {version} with the {kind} {driver} takes" in hazard.message
        assert "Use Docker 29 or newer on an empty data-root" in hazard.remedy


def test_nothing_is_said_before_the_daemon_has_answered() -> None:
    assert mirror_hazards(EngineSpec.model_validate({"mirrors": GHCR}), None) == []


@pytest.mark.parametrize("mode", ["Dind", "Sysbox"])
def test_the_status_says_it_in_every_mode_with_a_daemon(mode: str) -> None:
    world = World({"mode": mode, "engine": {"mirrors": GHCR}})
    world.settle()
    assert "MirrorsIgnored" in [hazard.type for hazard in world.status.hazards]
