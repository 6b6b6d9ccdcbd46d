import json
import shutil
import tomllib
from pathlib import Path

import pytest
from embedded import components, config, imagebuild, pki, vm
from embedded.layout import Cluster, Home


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(Home(tmp_path), "default", 3)


def test_containerd_has_both_handlers_and_lowers_no_oom_score(cluster: Cluster) -> None:
    parsed = tomllib.loads(config.containerd(cluster))
    runtime = parsed["plugins"]["io.containerd.cri.v1.runtime"]
    runtimes = runtime["containerd"]["runtimes"]
    assert runtime["restrict_oom_score_adj"] is True
    assert runtimes["runc"]["options"]["BinaryName"] == str(cluster.home.bin / "runc")
    assert runtimes["sysbox-runc"]["options"]["BinaryName"].endswith("/sysbox-stand-in")
    pinned = parsed["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]
    assert pinned["sandbox"] == config.PAUSE_IMAGE


def test_json_files_are_json_and_name_this_clusters_paths_and_nets(cluster: Cluster) -> None:
    texts = config.files(cluster)
    for path, text in texts.items():
        if path.suffix in (".json", ".conflist"):
            json.loads(text)
    kubelet = json.loads(texts[cluster.conf / "kubelet.json"])
    assert kubelet["cgroupRoot"] == "/ndc3"
    assert kubelet["failCgroupV1"] is False
    assert kubelet["clusterDNS"] == ["10.223.0.2"]
    cni = json.loads(texts[cluster.conf / "cni/10-bridge.conflist"])
    assert cni["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.223.64.0/24"}]]


def test_audit_log_has_one_line_per_request(cluster: Cluster) -> None:
    policy = config.audit_policy()
    assert policy["rules"] == [{"level": "Metadata"}]
    assert set(policy["omitStages"]) == {"RequestReceived", "ResponseStarted", "Panic"}
    plain = components.command(cluster, "kube-apiserver")
    audited = components.command(cluster, "kube-apiserver", audit=True)
    assert set(plain) < set(audited)
    assert f"--audit-log-path={cluster.logs}/audit.log" in audited


@pytest.mark.parametrize("name", components.NAMES)
def test_every_component_has_a_command(cluster: Cluster, name: str) -> None:
    command = components.command(cluster, name)
    assert command[0].startswith(str(cluster.home.roots / "qemu" if name == vm.NAME else cluster.home.bin))


def test_the_builder_leaves_firewall_and_kubelets_containerd_alone(cluster: Cluster) -> None:
    store = cluster.home.path / "builder"
    parsed = tomllib.loads(imagebuild.containerd_config(store))
    assert "io.containerd.grpc.v1.cri" in parsed["disabled_plugins"]
    dockerd = imagebuild.dockerd_config(store, cluster.cgroup)
    assert dockerd["iptables"] is False
    assert dockerd["containerd"] != config.CONTAINERD_SOCKET
    assert config.dockerd(cluster)["hosts"] != dockerd["hosts"]


@pytest.mark.parametrize(
    ("tag", "name"), [("demo", "demo"), ("example.test/demo:1", "example.test_demo_1"), ("../x", ".._x")]
)
def test_an_images_archive_is_one_file_in_the_folder(tag: str, name: str) -> None:
    assert imagebuild.file_name(tag) == name


def test_certificates_are_kept_until_an_address_changes(cluster: Cluster) -> None:
    assert shutil.which("openssl"), "there is no openssl: install Debian's package openssl"
    pki.ensure(cluster)
    before = (cluster.pki / "apiserver.crt").read_bytes()
    assert (cluster.pki / "ca.key").stat().st_mode & 0o777 == 0o600
    pki.ensure(cluster)
    assert (cluster.pki / "apiserver.crt").read_bytes() == before
    config.write(cluster)
    kubeconfig = json.loads(cluster.kubeconfig.read_text())
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://10.223.0.2:6443"
    assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600

    pki.ensure(Cluster(cluster.home, cluster.name, 4))
    assert (cluster.pki / "apiserver.crt").read_bytes() != before


def test_servers_are_named_and_clients_are_not(cluster: Cluster) -> None:
    by_file = {identity.file: identity for identity in pki.identities(cluster)}
    assert "IP:10.223.128.1" in by_file["apiserver"].names
    assert "extendedKeyUsage=serverAuth" in by_file["kubelet-server"].extensions
    assert "extendedKeyUsage=clientAuth" in by_file["admin"].extensions
    assert by_file["kubelet"].subject == "/O=system:nodes/CN=system:node:nested-docker-node"
