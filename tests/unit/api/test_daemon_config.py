"""Keys of daemon.json that are not free, and ranges that dockerd does not take."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from nested_docker.api.daemon_config import OPERATOR_OWNED_CONFIG, DaemonFlag, owned_keys
from nested_docker.api.v1alpha1.engine import EngineSpec


def problem(**engine: Any) -> str:
    with pytest.raises(ValidationError) as error:
        EngineSpec.model_validate(engine)
    (found,) = error.value.errors()
    return str(found["msg"])


@pytest.mark.parametrize("flag", list(DaemonFlag))
def test_the_key_of_every_flag_is_the_operators(flag: DaemonFlag) -> None:
    assert {flag.key, str(flag)} <= OPERATOR_OWNED_CONFIG


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("default-network-opts", "use spec.engine.mtu"),
        ("default-address-pools", "use spec.engine.addressPools"),
        ("bip", "use spec.engine.addressPools"),
        ("fixed-cidr", "use spec.engine.addressPools"),
        ("dns", "use spec.engine.dns"),
        ("DNS", "use spec.engine.dns"),
        ("proxies", "use spec.engine.proxy"),
        ("hosts", "remove it, since the operator sets it"),
        ("exec-opts", "remove it, since the operator sets it"),
        ("cgroup-parent", "remove it, since the operator sets it"),
        ("userns-remap", "remove it, since the operator sets it"),
    ],
)
def test_a_key_that_is_not_free_is_refused_with_what_to_do(key: str, remedy: str) -> None:
    assert f"{key}: a key of daemon.json that may not be here: {remedy}" in problem(config={key: "x"})


def test_every_key_has_its_own_remedy() -> None:
    message = problem(config={"dns": [], "hosts": [], "debug": True})
    assert "dns: " in message
    assert "; hosts: " in message
    assert "debug" not in message


def test_other_keys_are_free() -> None:
    assert owned_keys(["debug", "features", "default-ulimits", "bridge", "ipv6", "log-opts", "mirror"]) == []


@pytest.mark.parametrize(
    ("pools", "message"),
    [
        ([{"base": "10.1.0.0/24", "size": 16}], "may not be less than that of base: raise it"),
        ([{"base": "10.0.0.0/8", "size": 8}, {"base": "10.1.0.0/24", "size": 23}], "may not be less than that of base"),
        ([{"base": "10.1.0.0/24", "size": 31}], "has no address for a container: lower size"),
        ([{"base": "10.1.0.0/24", "size": 64}], "has no address for a container: lower size"),
        ([{"base": "10.128.0.0/9", "size": 30}], "at most 65536 networks: lower size"),
        ([{"base": "10.1.0.0/16", "size": 24}, {"base": "fd00::/8", "size": 64}], "at most 65536 networks"),
        ([{"base": "300.1.0.0/16", "size": 24}], "base 300.1.0.0/16 is not a range in CIDR form"),
        ([{"base": "10.1.0.0/33", "size": 33}], "base 10.1.0.0/33 is not a range in CIDR form"),
        ([{"base": "1:2:3/16", "size": 24}], "base 1:2:3/16 is not a range in CIDR form"),
        ([{"base": "fd00::/48", "size": 64}], "the first range of addressPools must be IPv4"),
        ([{"base": "fd00::/48", "size": 64}, {"base": "10.1.0.0/16", "size": 24}], "move one to the front"),
    ],
)
def test_a_range_on_which_dockerd_ends_is_refused(pools: list[dict[str, Any]], message: str) -> None:
    assert message in problem(addressPools=pools)


@pytest.mark.parametrize(
    "pools",
    [
        [],
        [{"base": "10.9.0.0/30", "size": 30}],
        [{"base": "10.9.0.7/24", "size": 26}],
        [{"base": "10.0.0.0/8", "size": 24}],
        [{"base": "10.9.0.0/16", "size": 24}, {"base": "10.9.1.0/24", "size": 26}],
        [{"base": "10.9.0.0/16", "size": 24}, {"base": "fd00::/48", "size": 64}],
    ],
)
def test_a_range_that_dockerd_takes_is_accepted(pools: list[dict[str, Any]]) -> None:
    assert EngineSpec.model_validate({"addressPools": pools}).dump()["addressPools"] == pools
