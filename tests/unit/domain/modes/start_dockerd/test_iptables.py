"""The variant of iptables that dockerd uses."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.domain.modes.start_dockerd.container import Container, Run


def uses(done: Run, container: Container) -> str:
    """The iptables that dockerd finds first."""
    for folder in done.environment["PATH"].split(":"):
        if (found := Path(folder, "iptables")).exists():
            return found.resolve().name
    return ""


def test_an_iptables_that_works_is_kept(container: Container) -> None:
    container.iptables("legacy", "nft")
    assert uses(container.start(), container) == "iptables"
    assert container.read("modules") == ""


@pytest.mark.parametrize(("backend", "other"), [("legacy", "nft"), ("nft", "legacy")])
def test_one_that_does_not_work_is_replaced(container: Container, backend: str, other: str) -> None:
    container.iptables("legacy", "nft", broken=("iptables", f"iptables-{other}"))
    done = container.start()
    assert uses(done, container) == f"iptables-{backend}"
    assert f"uses iptables-{backend}, since the image's own iptables does not work" in done.stderr
    assert container.read("modules").split() == ["nf_tables", "ip_tables", "ip6_tables"]


def test_a_legacy_variant_in_the_folder_of_dockers_images_is_found(container: Container) -> None:
    container.iptables("", folder="usr/local/sbin/.iptables-legacy")
    container.program("iptables", "#!/bin/sh\nexit 3\n")
    done = container.start()
    assert done.code == 0
    first = done.environment["PATH"].split(":")[0]
    assert Path(first, "iptables").resolve() == container.root / "usr/local/sbin/.iptables-legacy/iptables"


@pytest.mark.parametrize("family", ["ip", "ip6", "arp"])
def test_legacy_rules_that_are_there_already_decide(container: Container, family: str) -> None:
    container.iptables("legacy", "nft")
    container.write(f"proc/net/{family}_tables_names", "nat\n")
    assert uses(container.start(), container) == "iptables-legacy"


def test_without_one_that_works_dockerd_has_the_last_word(container: Container) -> None:
    container.iptables("legacy", broken=("iptables", "iptables-legacy"))
    done = container.start()
    assert done.code == 0
    assert "no iptables of the image works on this node: iptables: Protocol not supported" in done.stderr
    assert uses(done, container) == "iptables"


@pytest.mark.parametrize("backend", ["legacy", "nft"])
def test_the_users_choice_is_not_judged(container: Container, backend: str) -> None:
    container.iptables("legacy", "nft", broken=(f"iptables-{backend}",))
    done = container.start(NESTED_DOCKER_IPTABLES=backend)
    assert uses(done, container) == f"iptables-{backend}"


def test_a_choice_that_the_image_lacks_is_refused(container: Container) -> None:
    done = container.start(NESTED_DOCKER_IPTABLES="nft")
    assert done.code == 1
    assert "the image has no iptables-nft, which spec.engine.iptables asks for: choose Auto" in done.stderr
