"""What counts as a daemon, whatever its image is called."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.convert.recognition import Replaced, replaced_kind

PRIVILEGED = {"privileged": True}


@pytest.mark.parametrize(
    ("container", "kind"),
    [
        ({"image": "own", "command": ["/usr/bin/dockerd"], "securityContext": PRIVILEGED}, Replaced.DIND),
        ({"image": "own", "command": ["dockerd-entrypoint.sh"], "securityContext": PRIVILEGED}, Replaced.DIND),
        ({"image": "own", "command": ["dockerd"]}, None),
        ({"image": "own", "command": ["sh", "dockerd"], "securityContext": PRIVILEGED}, None),
        ({"image": "own", "securityContext": PRIVILEGED}, None),
        ({"command": ["dockerd"], "securityContext": PRIVILEGED}, None),
    ],
    ids=["dockerd", "the entrypoint", "without privilege", "another program", "no command", "no image"],
)
def test_a_privileged_container_that_runs_dockerd_is_a_daemon(container: dict[str, Any], kind: Replaced | None) -> None:
    assert replaced_kind(container) is kind


KEYS = [{"name": "DOCKER_TLS_CERTDIR", "value": "/certs"}]
DIGEST = "mirror.example.com/library/docker@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("container", "kind"),
    [
        ({"image": DIGEST, "env": KEYS, "securityContext": PRIVILEGED}, Replaced.DIND),
        ({"image": "$(params.engine)", "args": ["--debug"], "env": KEYS, "securityContext": PRIVILEGED}, Replaced.DIND),
        ({"image": DIGEST, "env": KEYS}, None),
        ({"image": DIGEST, "securityContext": PRIVILEGED}, None),
        ({"image": DIGEST, "command": ["sleep"], "env": KEYS, "securityContext": PRIVILEGED}, None),
        ({"image": DIGEST, "args": ["build", "."], "env": KEYS, "securityContext": PRIVILEGED}, None),
        ({"image": DIGEST, "env": [*KEYS, {"name": "DOCKER_HOST"}], "securityContext": PRIVILEGED}, None),
        ({"image": "busybox", "env": KEYS, "securityContext": PRIVILEGED}, None),
    ],
    ids=["a digest", "a parameter", "no privilege", "no keys", "a program", "a command", "a client", "another image"],
)
def test_docker_s_image_is_a_daemon_if_it_makes_keys(container: dict[str, Any], kind: Replaced | None) -> None:
    assert replaced_kind(container) is kind


@pytest.mark.parametrize("program", ["buildctl", "/usr/bin/buildctl-daemonless.sh"])
def test_a_client_with_the_image_of_buildkit_is_no_daemon(program: str) -> None:
    assert replaced_kind({"image": "moby/buildkit:v0.26.2-rootless", "command": [program]}) is None
    assert replaced_kind({"image": "moby/buildkit:v0.26.2-rootless"}) is Replaced.BUILDKIT
