import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from embedded import oci
from embedded.report import ClusterError

TAGS = ("docker.io/library/thing:1", "docker.io/library/thing:latest")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/sh").write_text("#!")
    (folder / "bin/sh").chmod(0o755)
    (folder / "bin/link").symlink_to("/bin/sh")
    return folder


def packed(root: Path, name: str = "thing.tar") -> Path:
    archive = root.parent / name
    oci.pack(root, archive, TAGS, oci.ImageConfig(cmd=("sh",), volumes=("/data",)))
    return archive


def test_archive_is_what_docker_load_takes(root: Path) -> None:
    with tarfile.open(packed(root)) as tar:
        names = tar.getnames()
        [entry] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
        config_text = tar.extractfile(entry["Config"]).read()  # type: ignore[union-attr]
        layer = tar.extractfile(entry["Layers"][0]).read()  # type: ignore[union-attr]
    assert set(names) == {"manifest.json", entry["Config"], *entry["Layers"]}
    assert entry["RepoTags"] == list(TAGS)
    assert entry["Config"] == f"{hashlib.sha256(config_text).hexdigest()}.json"
    config = json.loads(config_text)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert config["config"]["Cmd"] == ["sh"]
    assert config["config"]["Volumes"] == {"/data": {}}
    assert "Entrypoint" not in config["config"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getnames() == ["bin", "bin/link", "bin/sh"]
        assert tar.getmember("bin/sh").mode & 0o777 == 0o755
        assert tar.getmember("bin/link").linkname == "/bin/sh"
        assert tar.getmember("bin/sh").uname == ""


def test_identity_is_the_contents(root: Path) -> None:
    first = packed(root)
    assert oci.identity(packed(root, "again.tar")) == oci.identity(first)
    (root / "bin/new").write_text("")
    assert oci.identity(packed(root, "changed.tar")) != oci.identity(first)
    assert sorted(path.name for path in root.parent.iterdir()) == ["again.tar", "changed.tar", "root", "thing.tar"]


def test_tags_of_docker_and_oci_archives(root: Path, tmp_path: Path) -> None:
    assert oci.tags_of(packed(root)) == list(TAGS)
    index = json.dumps({"manifests": [{"annotations": {"io.containerd.image.name": TAGS[0]}}, {}]}).encode()
    with tarfile.open(tmp_path / "oci.tar", "w") as tar:
        member = tarfile.TarInfo("index.json")
        member.size = len(index)
        tar.addfile(member, io.BytesIO(index))
    assert oci.tags_of(tmp_path / "oci.tar") == [TAGS[0]]


def test_what_is_no_archive_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    with pytest.raises(ClusterError, match=r"text is no image archive .*docker save"):
        oci.tags_of(tmp_path / "text")


def test_architectures() -> None:
    assert oci.architecture("x86_64") == "amd64"
    with pytest.raises(ClusterError, match="riscv64"):
        oci.architecture("riscv64")
