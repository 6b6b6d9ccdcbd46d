"""Packing a root folder into an image archive that both `docker load` and `ctr images import` take."""

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedded.report import ClusterError

_MADE = "2026-01-01T00:00:00Z"  # fixed: equal roots shall give equal images
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class ImageConfig:
    """How containers of an image start by default."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object `config` of the image specification."""
        values = {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Env": list(self.env),
            "Volumes": {path: {} for path in self.volumes},
            "Labels": self.labels,
        }
        return {key: value for key, value in values.items() if value}


def architecture(machine: str = "") -> str:
    """This machine's architecture as images name it.

    Raises:
        ClusterError: Images for it can't be made.
    """
    machine = machine or platform.machine()
    if machine not in _ARCHITECTURES:
        raise ClusterError(f"no images for architecture {machine}; there are {', '.join(_ARCHITECTURES)}")
    return _ARCHITECTURES[machine]


def pack(root: Path, archive: Path, tags: Sequence[str], config: ImageConfig) -> None:
    """Write an archive with one image of one layer: the whole of a root folder.

    Args:
        root: The folder; owners, modes, links and devices are kept, sockets left out.
        archive: The file, replaced in one step when complete.
        tags: Full names, as "docker.io/library/busybox:latest".
        config: How containers start.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=archive.parent) as layer:
        with tarfile.open(fileobj=layer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for entry in sorted(root.iterdir()):
                tar.add(entry, arcname=entry.name, filter=_nameless)
        size = layer.tell()
        layer.seek(0)
        digest = hashlib.file_digest(layer, "sha256").hexdigest()
        description = _encode(
            {
                "architecture": architecture(),
                "os": "linux",
                "created": _MADE,
                "config": config.as_json(),
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                "history": [{"created": _MADE, "created_by": "hack/cluster"}],
            }
        )
        described_in = f"{hashlib.sha256(description).hexdigest()}.json"
        layer_in = f"{digest}/layer.tar"
        manifest = _encode([{"Config": described_in, "RepoTags": list(tags), "Layers": [layer_in]}])
        partial = archive.with_suffix(".partial")
        layer.seek(0)
        with tarfile.open(partial, "w") as tar:
            tar.addfile(_member(described_in, len(description)), io.BytesIO(description))
            tar.addfile(_member("manifest.json", len(manifest)), io.BytesIO(manifest))
            tar.addfile(_member(layer_in, size), layer)
        partial.replace(archive)


def tags_of(archive: Path) -> list[str]:
    """Names of the images in an archive of docker or OCI form.

    Raises:
        ClusterError: It is neither.
    """
    try:
        with tarfile.open(archive) as tar:
            members = set(tar.getnames())
            if "manifest.json" in members:
                return [tag for entry in _read(tar, "manifest.json") for tag in entry.get("RepoTags") or []]
            manifests = _read(tar, "index.json")["manifests"]
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        reason = str(error).splitlines()[0].rstrip(":")  # tarfile goes on with a line per compression tried
        raise ClusterError(f"{archive} is no image archive ({reason}); make one with `docker save`") from error
    named = [manifest.get("annotations", {}).get("io.containerd.image.name", "") for manifest in manifests]
    return [name for name in named if name]


def identity(archive: Path) -> str:
    """What changes exactly when the images or names in an archive made by `pack` do: its manifest, with hashes."""
    with tarfile.open(archive) as tar:
        return json.dumps(_read(tar, "manifest.json"))


def _read(tar: tarfile.TarFile, member: str) -> Any:
    content = tar.extractfile(member)
    return json.load(content) if content else None


def _nameless(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owners by number alone: this machine's names for them mean nothing in the image."""
    member.uname = member.gname = ""
    return member


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member


def _encode(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
