"""The start script, run by a real shell in a folder that plays the container."""

from __future__ import annotations

import re

from tests.unit.domain.modes.start_dockerd.container import Container

from nested_docker.domain.modes.dockerd import START_SCRIPT


def test_the_kubelet_expands_nothing_in_it() -> None:
    """In a command, two dollar signs become one, and a variable's name in parentheses its value."""
    assert re.findall(r"\$\$|\$\(\w+\)", START_SCRIPT) == []


def test_it_starts_dockerd_with_the_flags_that_it_gets(container: Container) -> None:
    done = container.start("--flag=a b")
    assert (done.code, done.stderr) == (0, "")
    mtu = ["--mtu=1450", "--default-network-opt=bridge=com.docker.network.driver.mtu=1450"]
    assert done.flags == [f"--data-root={container.root}/data", "--flag=a b", *mtu]
