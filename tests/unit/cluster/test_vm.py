import configparser
import json
import os
import stat
import tomllib
from pathlib import Path
from typing import cast

import pytest
from embedded import build, components, config, hostdocker, initramfs, lifecycle, pki, vm, vm_build, vm_config
from embedded.catalogue import IMAGES
from embedded.layout import VM_NODE, Cluster, Home
from embedded.node_client import Node
from embedded.report import Clock, ClusterError


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(Home(tmp_path), "default", 3)


def unpacked(archive: bytes) -> list[tuple[str, int, bytes]]:
    """Entries of a cpio archive: path, mode, content, as the kernel reads them."""
    found, at = [], 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * index : at + 14 + 8 * index], 16) for index in range(13)]
        mode, size, length = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + length - 1].decode()
        start = (at + 110 + length + 3) // 4 * 4
        at = (start + size + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert at == len(archive)
            return found
        found.append((name, mode, archive[start : start + size]))


def test_an_initramfs_has_each_folder_before_what_is_in_it() -> None:
    files = [
        initramfs.File("init", b"#!\n", 0o755),
        initramfs.File("files/etc/a/key", b"secret", 0o600),
        initramfs.File("files/etc/b", b""),
    ]
    assert unpacked(initramfs.archive(files)) == [
        ("files", stat.S_IFDIR | 0o755, b""),
        ("files/etc", stat.S_IFDIR | 0o755, b""),
        ("files/etc/a", stat.S_IFDIR | 0o755, b""),
        ("files/etc/a/key", stat.S_IFREG | 0o600, b"secret"),
        ("files/etc/b", stat.S_IFREG | 0o644, b""),
        ("init", stat.S_IFREG | 0o755, b"#!\n"),
    ]


def test_initramfs_archives_can_be_joined() -> None:
    assert len(initramfs.archive([initramfs.File("a", b"12345")])) % 4 == 0


def test_the_node_has_its_addresses_certificates_and_units(cluster: Cluster) -> None:
    pki.ensure(cluster)
    files = vm_config.files(cluster)
    cni = json.loads(files["/etc/cni/net.d/10-bridge.conflist"])
    assert cni["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.223.65.0/24"}]]
    assert "ip addr replace 10.223.1.2/24 dev eth0" in files["/etc/nested-docker/setup.sh"]
    assert "default via 10.223.1.1" in files["/etc/nested-docker/setup.sh"]
    kubeconfig = json.loads(files["/etc/nested-docker/kubelet.kubeconfig"])
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://10.223.0.2:6443"
    kubelet = json.loads(files["/etc/nested-docker/kubelet.json"])
    assert {kubelet["tlsCertFile"], kubelet["tlsPrivateKeyFile"]} <= set(files)
    for unit in vm_config.UNITS:
        assert f"/etc/systemd/system/{unit}.service" in files
        assert f"systemd.wants={unit}.service" in " ".join(vm.command(cluster))


def test_its_kubelet_uses_systemd_and_refuses_version_1_of_cgroups(cluster: Cluster) -> None:
    kubelet = vm_config.kubelet(cluster)
    assert kubelet["cgroupDriver"] == "systemd"
    assert "cgroupRoot" not in kubelet
    assert "failCgroupV1" not in kubelet
    assert kubelet["registerWithTaints"] == [vm_config.TAINT]
    assert kubelet["authentication"]["webhook"] == {"enabled": True}
    assert vm_config.proxy(cluster)["hostnameOverride"] == VM_NODE


def test_its_containerd_has_handlers_with_writable_cgroups() -> None:
    parsed = tomllib.loads(vm_config.containerd())
    runtimes = parsed["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"]
    assert {name for name, runtime in runtimes.items() if runtime["cgroup_writable"]} == {
        "writable-cgroups",
        "writable-cgroups-crun",
    }
    assert all(runtime["options"]["SystemdCgroup"] for runtime in runtimes.values())
    assert runtimes["writable-cgroups-crun"]["options"]["BinaryName"] == runtimes["crun"]["options"]["BinaryName"]


def test_one_handler_has_the_device_of_rootless_daemons(cluster: Cluster) -> None:
    pki.ensure(cluster)
    runtimes = tomllib.loads(vm_config.containerd())["plugins"]["io.containerd.cri.v1.runtime"]["containerd"][
        "runtimes"
    ]
    specs = {name: runtime["base_runtime_spec"] for name, runtime in runtimes.items() if "base_runtime_spec" in runtime}
    assert specs == {"tun": "/etc/nested-docker/tun.json"}
    linux = json.loads(vm_config.files(cluster)["/etc/nested-docker/tun.json"])["linux"]
    assert [device["path"] for device in linux["devices"]] == ["/dev/net/tun"]
    assert [rule["allow"] for rule in linux["resources"]["devices"]] == [False, True]
    assert "chmod 666 /dev/net/tun" in vm_config.setup(cluster)


def test_its_runtime_classes_lead_to_it_alone() -> None:
    handlers = tomllib.loads(vm_config.containerd())["plugins"]["io.containerd.cri.v1.runtime"]["containerd"][
        "runtimes"
    ]
    for path, manifest in vm.objects().items():
        assert path.endswith(f"/{manifest['metadata']['name']}")
        assert manifest["handler"] in handlers
        assert manifest["scheduling"]["nodeSelector"] == {"nested-docker.test/node": "cgroup-v2"}
        assert manifest["scheduling"]["tolerations"] == [{"operator": "Equal", **vm_config.TAINT}]


def test_no_run_writes_to_the_disk_that_was_built(cluster: Cluster) -> None:
    assert f"file={cluster.vm_disk},if=none,id=disk,format=qcow2" in " ".join(vm.command(cluster))
    assert str(vm_build.disk(cluster.home)) not in " ".join(vm.command(cluster))
    made = " ".join(vm.new_disk(cluster))
    assert made.endswith(f"create -q -f qcow2 -b {vm_build.disk(cluster.home)} -F raw {cluster.vm_disk}")


def test_a_disk_is_kept_as_long_as_it_fits_the_one_that_was_built(cluster: Cluster) -> None:
    assert not vm.has_disk(cluster)
    for path, time in ((vm_build.disk(cluster.home), 1), (cluster.vm_disk, 2)):
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (time, time))
    assert vm.has_disk(cluster)
    os.utime(vm_build.disk(cluster.home), (3, 3))
    with pytest.raises(ClusterError, match="start without --keep"):
        vm.has_disk(cluster)


def test_its_dockerd_waits_until_it_is_asked_for_and_then_starts_with_the_machine(cluster: Cluster) -> None:
    pki.ensure(cluster)
    files = vm_config.files(cluster)
    unit = files[f"/etc/systemd/system/{vm_config.DOCKERD}.service"]
    assert vm_config.DOCKERD not in vm_config.UNITS
    assert "WantedBy=multi-user.target" in unit
    presets = [text for path, text in files.items() if path.startswith("/etc/systemd/system-preset/")]
    assert presets == [f"disable {vm_config.DOCKERD}.service\n"]
    (path,) = [word for word in unit.split() if word.endswith("dockerd.json")]
    own, native = json.loads(files[path]), json.loads(config.files(cluster)[cluster.conf / "dockerd.json"])
    assert native == {**own, "cgroup-parent": "/ndc3/docker"}
    assert own["hosts"] == [f"unix://{hostdocker.SOCKET}"]


def test_it_has_programs_and_images_that_are_built(tmp_path: Path) -> None:
    built = {output.name for step in build.programs(Home(tmp_path), Clock()) for output in step.outputs}
    assert set(vm_build.PROGRAMS) <= built
    assert set(vm_build.IMAGES) <= {image.name for image in IMAGES}
    assert vm_config.shell()["spec"]["containers"][0]["image"] in {tag for image in IMAGES for tag in image.tags}
    store = tomllib.loads(vm_build.containerd_config(tmp_path / "store", tmp_path / "run"))
    assert store["root"] == str(tmp_path / "store")
    assert config.CONTAINERD_SOCKET not in store["grpc"]["address"]


def test_a_metapackage_names_its_package() -> None:
    said = "linux-image-cloud-amd64\n  Depends: linux-image-6.12.1+deb13-cloud-amd64\n  Conflicts: x\n"
    assert vm_build.real_package(said) == "linux-image-6.12.1+deb13-cloud-amd64"
    with pytest.raises(ClusterError, match="trixie has no package linux-image-cloud-amd64"):
        vm_build.real_package("")


def test_it_is_a_component_that_can_be_ended() -> None:
    assert vm.NAME in components.NAMES


class Machine:
    """A first node whose virtual machine comes up with one of its starts, or never."""

    def __init__(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, *, up_at: int) -> None:
        self.cluster = cluster
        self.starts: list[bool] = []
        self.running = False
        self.last_word = "Starting containerd"
        cluster.logs.mkdir(parents=True)
        monkeypatch.setattr(vm, "SECONDS", 0.0)
        monkeypatch.setattr(vm, "start", self.start)
        monkeypatch.setattr(vm, "alive", lambda _: self.running)
        monkeypatch.setattr(vm, "ready", lambda _: self.running and len(self.starts) == up_at)
        monkeypatch.setattr(lifecycle, "Api", lambda _: self)

    def start(self, _: object, *, keep: bool) -> None:
        self.running = True
        self.starts.append(keep)
        (self.cluster.logs / "vm-console.log").write_text(f"{self.last_word} {len(self.starts)}\n")

    def ask(self, verb: str, name: str) -> None:
        assert (verb, name) == ("stop", vm.NAME)
        self.running = False

    def apply(self, *_: object) -> None:
        """RuntimeClasses, which no machine here reads."""

    def ended(self) -> list[str]:
        return []


@pytest.mark.parametrize("keep", [False, True])
def test_a_machine_that_hangs_starts_again_with_the_disk_that_was_asked_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keep: bool
) -> None:
    machine = Machine(cluster, monkeypatch, up_at=3)
    lifecycle.start_vm(cast("Node", machine), Clock(), keep=keep)
    assert machine.starts == [keep] * 3
    said = capsys.readouterr().err
    assert "starts left: 2" in said
    assert "Starting containerd 1" in said


def test_a_machine_that_never_comes_up_is_reported_with_its_last_words(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(cluster, monkeypatch, up_at=9)
    with pytest.raises(ClusterError, match=rf"the node {VM_NODE}(.|\n)*Starting containerd {vm.STARTS}$"):
        lifecycle.start_vm(cast("Node", machine), Clock())


def test_a_machine_that_says_nothing_is_reported_too(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(cluster, monkeypatch, up_at=9)
    monkeypatch.setattr(vm, "start", lambda *_, **__: None)
    with pytest.raises(ClusterError, match=r"vm-console\.log, ends with:\n\(nothing\)$"):
        lifecycle.start_vm(cast("Node", machine), Clock())


def test_no_unit_of_its_node_gives_up(cluster: Cluster) -> None:
    for name, text in vm_config.units(cluster).items():
        unit = configparser.ConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment, method-assign]
        unit.read_string(text)
        assert unit["Unit"]["StartLimitIntervalSec"] == "0", name
        assert "Requires" not in unit["Unit"], f"{name} would not start after what it needs failed once"
        assert unit["Service"]["Restart"] == "on-failure", name
        assert unit["Service"]["TimeoutStartSec"] == "infinity", name
