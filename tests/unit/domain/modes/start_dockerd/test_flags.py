"""The keys of daemon.json that flags take."""

from __future__ import annotations

from collections.abc import Mapping

from tests.unit.domain.modes.start_dockerd.container import Container, cgroup

from nested_docker.api.daemon_config import OPERATOR_OWNED_CONFIG, DaemonFlag
from nested_docker.domain.modes.dockerd import dockerd_flags


def every_flag(container: Container) -> Mapping[str, str]:
    """Every flag that dockerd can get, by its name, with the key of daemon.json that means the same."""
    cgroup(container, "/")
    done = container.start(*dockerd_flags(), KUBERNETES_SERVICE_HOST="172.20.0.1", NESTED_DOCKER_MTU="1400")
    found = {flag.split("=")[0].removeprefix("--") for flag in done.flags}
    return {name: DaemonFlag(name).key for name in sorted(found)}


def test_no_key_is_both_a_flag_and_free(container: Container) -> None:
    """dockerd ends when a key is in its configuration and among its flags."""
    flags = every_flag(container)
    assert set(flags) >= {"host", "mtu", "default-network-opt", "default-address-pool", "cgroup-parent", "exec-opt"}
    assert set(flags.values()) - set(OPERATOR_OWNED_CONFIG) == set()
