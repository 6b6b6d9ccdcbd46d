"""Images for a daemon that has no registry to pull them from."""

from __future__ import annotations

import base64

from tests.e2e.environment import Environment
from tests.support.cluster import HOME

BUILD_AND_RUN = """
cd $(mktemp -d)
busybox=$(command -v busybox)
for file in $busybox $(ldd $busybox | grep -o '/[^ )]*'); do
    mkdir -p root$(dirname $file) && cp -L $file root$file
done
printf 'FROM scratch\\nCOPY root /\\nCMD ["%s", "echo", "built and run"]\\n' $busybox > Dockerfile
docker build -q -t app . && docker run --rm app
"""
"""Builds an image of the client's own busybox and its libraries: there is no registry to pull another from."""


def give_busybox(env: Environment, pod: str, container: str = "") -> None:
    """Put busybox into a daemon: there is no registry to pull it from."""
    archive = (HOME / "images/busybox.tar").read_bytes()
    text = base64.b64encode(archive).decode()
    env.exec(pod, "sh", "-c", "base64 -d | docker load -q", container=container, stdin=text)
