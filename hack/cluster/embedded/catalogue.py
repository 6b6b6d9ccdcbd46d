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
    """An image whose archive is NAME.tar, and whose root is NAME.

    Attributes:
        name: Its name among these.
        tags: Full names.
        config: How containers start.
        made_of: Steps of the build whose output is in it.
        make: Makes the root, or adds what is built here to the Debian of the same name, each time the image is packed.
        imported: Whether `up` imports it; otherwise `load` does.
    """

    name: str
    tags: tuple[str, ...]
    config: ImageConfig
    made_of: tuple[str, ...]
    make: Callable[[Home], None] | None = None
    imported: bool = True


_DOCKERD = ImageConfig(cmd=("dockerd",))

IMAGES = (
    Image("pause", (PAUSE_IMAGE,), ImageConfig(entrypoint=("/pause",)), ("node",), rootfs.pause),
    Image(
        "busybox",
        (f"{_HUB}/busybox:1.37", f"{_HUB}/busybox:latest"),
        ImageConfig(cmd=("sh",)),
        ("root-docker",),
        rootfs.busybox,
    ),
    Image(
        "docker",
        (f"{_HUB}/docker:29-dind", f"{_HUB}/docker:29-dind-rootless", f"{_HUB}/docker:29-cli"),
        _DOCKERD,
        ("root-docker", "engine", "plugins", "runtime"),
        rootfs.docker,
    ),
    Image(
        "docker-26", (f"{_HUB}/docker:26-dind", f"{_HUB}/docker:26-cli"), _DOCKERD, ("root-docker-26",), imported=False
    ),
    Image("docker-20", (f"{_HUB}/docker:20-dind",), _DOCKERD, ("root-docker-20",), imported=False),
    Image("python", (f"{_HUB}/python:3.13-slim-trixie",), ImageConfig(cmd=("python3",)), ("root-python",)),
    Image(
        "registry",
        (f"{_HUB}/registry:3",),
        ImageConfig(entrypoint=("/bin/registry",), volumes=("/var/lib/registry",)),
        ("registry",),
        rootfs.registry,
    ),
)
