"""Keys of daemon.json that are not free, and ranges that dockerd does not take."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.daemon_values import CONFIGS, NOT_CONFIGS

from nested_docker.api.daemon_config import FORMS, OPERATOR_OWNED_CONFIG, DaemonFlag, owned_keys
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


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("log-opt", "use log-opts, since dockerd ignores it"),
        ("label", "use labels, since dockerd ignores it"),
        ("add-runtime", "use runtimes, since dockerd ignores it"),
        ("http-proxy", "use spec.engine.proxy"),
        ("no-proxy", "use spec.engine.proxy"),
        ("insecure-registry", "use spec.engine.insecureRegistries"),
        ("authorization-plugin", "remove it, since the operator sets it"),
        ("config-file", "remove it, since dockerd ignores it"),
        ("validate", "remove it, since dockerd ignores it"),
    ],
)
def test_a_key_that_dockerd_ignores_is_refused_with_the_right_one(key: str, remedy: str) -> None:
    assert problem(config={key: "x"}).endswith(f"{key}: a key of daemon.json that may not be here: {remedy}")


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in CONFIGS.items() for value in values])
def test_a_value_that_dockerd_takes_is_accepted(key: str, value: Any) -> None:
    assert EngineSpec.model_validate({"config": {key: value}}).config == {key: value}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in NOT_CONFIGS.items() for value in values])
def test_a_value_on_which_dockerd_ends_is_refused(key: str, value: Any) -> None:
    assert f"{key}: dockerd takes " in problem(config={key: value})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"debug": "yes"}, "debug: dockerd takes true or false here"),
        ({"log-opts": {"max-size": 1}}, 'takes a mapping of text to text, such as {"max-size": "10m"} here'),
        ({"log-level": "loud"}, "one of trace, debug, info, warn, error, fatal, panic"),
        ({"ip": "x"}, "ip: dockerd takes an IP address, such as 10.0.0.53 here"),
        ({"labels": ["team"]}, 'labels: dockerd takes a list of key=value, such as ["team=ci"] here'),
        ({"debug": 1, "ip": "x"}, "debug: dockerd takes true or false here; ip: dockerd takes an IP address"),
    ],
)
def test_the_message_says_what_dockerd_takes(config: dict[str, Any], message: str) -> None:
    assert message in problem(config=config)


def test_a_key_that_only_some_versions_know_is_dockerds_to_judge() -> None:
    assert EngineSpec.model_validate({"config": {"min-api-version": "1.24", "nobody-knows": 1}}).config is not None


def test_no_key_is_both_refused_and_judged() -> None:
    assert not FORMS.keys() & OPERATOR_OWNED_CONFIG


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
