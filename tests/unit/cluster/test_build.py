from pathlib import Path

import pytest
from embedded import build, golang, packages, rootfs
from embedded.catalogue import IMAGES
from embedded.layout import Home
from embedded.report import Clock, ClusterError


def test_go_versions_are_compared_by_number(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.25.0\n\nrequire example.test/m v1.2.3\n")
    assert golang.wanted_go(tmp_path / "go.mod") == (1, 25, 0)
    assert (1, 25) < golang.wanted_go(tmp_path / "go.mod") < (1, 100)
    assert golang.pinned(tmp_path / "go.mod", "example.test/m") == "v1.2.3"
    with pytest.raises(ClusterError, match=r"requires no example\.test/other"):
        golang.pinned(tmp_path / "go.mod", "example.test/other")


def test_the_modules_here_pin_what_is_promised() -> None:
    assert golang.pinned(golang.SOURCES / "kubenode/go.mod", "k8s.io/kubernetes") == "v1.37.2"
    assert golang.pinned(golang.SOURCES / "kubenode/1.34.mod", "k8s.io/kubernetes") == "v1.34.4"
    assert golang.pinned(golang.SOURCES / "runtime/go.mod", "github.com/containerd/containerd/v2") == "v2.4.2"
    assert golang.pinned(golang.SOURCES / "runtime/go.mod", "github.com/opencontainers/runc") == "v1.5.2"
    engine = golang.SOURCES / "engine/go.mod"
    assert golang.pinned(engine, "github.com/moby/moby/v2").removeprefix("v2.0.0-") == golang.ENGINE.partition("-")[2]
    assert golang.pinned(engine, "github.com/docker/cli") == "v29.8.1+incompatible"
    assert golang.pinned(golang.SOURCES / "plugins/go.mod", "github.com/docker/compose/v2") == "v2.40.3"
    assert golang.pinned(golang.SOURCES / "plugins/go.mod", "github.com/docker/buildx") == "v0.29.1"


@pytest.mark.parametrize(
    ("lines", "chosen"),
    [
        (
            ["http://m.test/debian-security/ bookworm-security", "http://m.test/debian/ bookworm"],
            "http://m.test/debian/",
        ),
        (["http://m.test/debian bookworm-updates"], ""),
        ([], ""),
    ],
)
def test_the_mirror_is_one_with_whole_releases(lines: list[str], chosen: str) -> None:
    assert rootfs.choose_mirror(lines) == chosen


def test_every_root_that_an_image_needs_is_made(tmp_path: Path) -> None:
    assert {image.name for image in IMAGES if image.make is None} < set(rootfs.DEBIANS)
    home = Home(tmp_path)
    steps = {step.name for step in (*build.programs(home, Clock()), *build.debians(home))}
    assert {step for image in IMAGES for step in image.made_of} <= steps
    tags = [tag for image in IMAGES for tag in image.tags]
    assert len(tags) == len(set(tags))
    assert "docker.io/library/docker:29-dind" in tags


def test_only_what_is_missing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "FILES", {"/": "base-files", "/absent": "absent-package"})
    monkeypatch.setattr(packages, "PROGRAMS", {"sh": "dash", "absent-a": "two-in-one", "absent-b": "two-in-one"})
    assert packages.missing() == ["absent-package", "two-in-one"]
