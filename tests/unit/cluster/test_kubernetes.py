from pathlib import Path

import pytest
from embedded import build, components, golang, kubernetes, vm
from embedded.layout import Cluster, Home
from embedded.report import Clock, ClusterError


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    cluster = Cluster(Home(tmp_path), "default", 3)
    cluster.state.mkdir(parents=True)
    return cluster


@pytest.mark.parametrize("version", [kubernetes.NEWEST, *kubernetes.older()])
def test_every_version_is_of_one_release_of_kubernetes(version: str) -> None:
    gomod = kubernetes.module_file(version)
    pinned = golang.pinned(gomod, "k8s.io/kubernetes")
    assert pinned.startswith(f"v{version}"), pinned
    staged = [line.split()[-1] for line in gomod.read_text().splitlines() if " => k8s.io/" in line]
    assert set(staged) == {pinned.replace("v1.", "v0.")}
    assert gomod.with_name("go.sum" if version == kubernetes.NEWEST else f"{version}.sum").exists()


def test_the_newest_version_is_newer_than_the_ones_with_a_name() -> None:
    newest = golang.pinned(kubernetes.module_file(kubernetes.NEWEST), "k8s.io/kubernetes")
    minors = [int(version.partition(".")[2]) for version in kubernetes.older()]
    assert minors
    assert max(minors) < int(newest.split(".")[1])


@pytest.mark.parametrize("version", ["1.34", ""])
def test_the_environment_names_the_version(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv(kubernetes.VARIABLE, version)
    assert kubernetes.wanted() == version


def test_no_name_is_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(kubernetes.VARIABLE, raising=False)
    assert kubernetes.wanted() == kubernetes.NEWEST


@pytest.mark.parametrize("name", ["1.2", "1.37", "v1.34", "1.34.4", "newest", "go", "../go"])
def test_a_version_without_a_module_file_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(kubernetes.VARIABLE, name)
    with pytest.raises(ClusterError, match=rf"NESTED_DOCKER_KUBERNETES={name}: set it to 1\.34, or unset it"):
        kubernetes.wanted()


def test_versions_do_not_replace_each_others_programs(tmp_path: Path) -> None:
    home = Home(tmp_path)
    steps = {version: build.programs(home, Clock(), version)[0] for version in (kubernetes.NEWEST, "1.34")}
    newest, old = steps[kubernetes.NEWEST], steps["1.34"]
    assert newest.name != old.name
    assert newest.outputs == (home.bin / "kubenode", home.bin / "kubectl")
    assert old.outputs == (home.bin / "1.34/kubenode", home.bin / "1.34/kubectl")


@pytest.mark.parametrize(("version", "folder"), [(kubernetes.NEWEST, "bin"), ("1.34", "bin/1.34")])
def test_a_cluster_keeps_the_version_that_it_was_started_with(cluster: Cluster, version: str, folder: str) -> None:
    kubernetes.record(cluster, version)
    program = str(cluster.home.path / folder / "kubenode")
    of_kubernetes = [name for name in components.NAMES if name not in ("containerd", components.DOCKERD, vm.NAME)]
    assert {components.command(cluster, name)[0] for name in of_kubernetes} == {program}


@pytest.mark.parametrize(
    ("has", "asked", "message"),
    [
        ("1.34", kubernetes.NEWEST, "has Kubernetes 1.34, and NESTED_DOCKER_KUBERNETES asks for the newest Kubernetes"),
        (kubernetes.NEWEST, "1.34", "has the newest Kubernetes, and NESTED_DOCKER_KUBERNETES asks for Kubernetes 1.34"),
    ],
)
def test_a_cluster_of_another_version_is_not_taken_for_one_of_this(
    cluster: Cluster, has: str, asked: str, message: str
) -> None:
    kubernetes.record(cluster, has)
    kubernetes.require(cluster, has)
    with pytest.raises(ClusterError, match=message) as refused:
        kubernetes.require(cluster, asked)
    assert "cluster down --name default" in str(refused.value)
