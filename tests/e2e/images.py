"""Images for a daemon that has no registry to pull them from."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

from tests.e2e.environment import NAME, Environment
from tests.support.cluster import HOME, TOOL, run

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


ODD_ENGINE = "docker:odd-dind"
_ODD_DOCKERFILE = r"""
FROM docker:29-dind
RUN mkdir -p /etc/pki/tls/certs \
    && mv /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
    && rm -f /usr/local/bin/docker-init /usr/bin/tini /usr/bin/tini-static \
    && for tool in iptables ip6tables; do \
           printf '#!/bin/sh\necho "Protocol not supported" >&2\nexit 3\n' >/usr/local/sbin/$tool \
           && chmod +x /usr/local/sbin/$tool; \
       done
USER 1000
"""


def odd_engine() -> None:
    """Build an image that differs from Docker's own where a start script could rely on it, and load it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(_ODD_DOCKERFILE)
        run(str(TOOL), "image", "build", "--name", NAME, "--tag", ODD_ENGINE, folder, timeout=600)


def give_busybox(env: Environment, pod: str, container: str = "") -> None:
    """Put busybox into a daemon: there is no registry to pull it from."""
    archive = (HOME / "images/busybox.tar").read_bytes()
    text = base64.b64encode(archive).decode()
    env.exec(pod, "sh", "-c", "base64 -d | docker load -q", container=container, stdin=text)
