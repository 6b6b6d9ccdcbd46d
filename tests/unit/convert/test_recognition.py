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
