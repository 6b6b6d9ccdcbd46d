"""The images of the cluster: names, how they start, and the root each is packed from."""

from collections.abc import Callable
from dataclasses import dataclass

from embedded import rootfs
from embedded.config import PAUSE_IMAGE
from embedded.layout import Home
from embedded.oci import ImageConfig

_HUB = "docker.io/library"


@dataclass(frozen=True)
class Image:
    """An image that `up` imports; its archive is NAME.tar, its root NAME.

    `make` creates the root again each time the image is packed. If it is None, the root is a Debian,
    which takes long to create and is a separate build step.
    """

    name: str
    tags: tuple[str, ...]
    config: ImageConfig
    make: Callable[[Home], None] | None = None
    program: str = ""
    """The program of the home that the root is made of, if it is."""


IMAGES = (
    Image("pause", (PAUSE_IMAGE,), ImageConfig(entrypoint=("/pause",)), rootfs.pause, "pause"),
    Image("busybox", (f"{_HUB}/busybox:1.37", f"{_HUB}/busybox:latest"), ImageConfig(cmd=("sh",)), rootfs.busybox),
    Image("docker", (f"{_HUB}/docker:28-dind", f"{_HUB}/docker:28-cli"), ImageConfig(cmd=("dockerd",))),
    Image("python", (f"{_HUB}/python:3.13-slim-trixie",), ImageConfig(cmd=("python3",))),
    Image(
        "registry",
        (f"{_HUB}/registry:3",),
        ImageConfig(entrypoint=("/bin/registry",), volumes=("/var/lib/registry",)),
        rootfs.registry,
        "registry",
    ),
)
