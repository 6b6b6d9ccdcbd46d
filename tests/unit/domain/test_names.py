"""Names: stable, distinct, and of a form that Kubernetes takes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nested_docker.domain import names

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@given(st.dictionaries(st.text(), st.integers()))
def test_a_digest_does_not_depend_on_the_order_of_keys(value: dict[str, int]) -> None:
    assert names.digest(value) == names.digest(dict(reversed(value.items())))


@pytest.mark.parametrize("length", [1, 10, 64])
def test_a_digest_has_as_many_digits_as_requested(length: int) -> None:
    assert re.fullmatch(f"[0-9a-f]{{{length}}}", names.digest("x", length))


@pytest.mark.parametrize(("one", "other"), [("1", 1), ([], {}), (None, ""), ({"a": 1}, {"a": 2})])
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    assert names.digest(one) != names.digest(other)


@given(st.uuids().map(str))
def test_the_prefix_of_a_uid_is_recognised_and_fits(uid: str) -> None:
    prefix = names.name_prefix(uid)
    assert names.has_name_prefix(prefix)
    for name in (names.pod_name(prefix, "0123456789"), names.cleanup_pod(uid), names.tls_secret(prefix, "0123456789")):
        assert names.has_name_prefix(name)
        assert DNS_LABEL.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["nd-", "nd-build", "nd-0123456789x", "x-nd-0123456789", "nd-012345678", "ND-0123456789"]
)
def test_other_names_are_not_recognised(name: str) -> None:
    assert not names.has_name_prefix(name)


def test_every_key_set_has_its_pod() -> None:
    assert names.pod_name("build", "abcdef0123") == "build-abcde"


def test_the_names_beside_a_nested_docker_differ() -> None:
    of_one = [f("build") for f in (names.files_secret, names.env_secret, names.data_claim_name)]
    assert of_one == ["build-docker", "build-docker-env", "build-data"]


def test_the_endpoint_is_what_docker_host_takes() -> None:
    assert names.endpoint("build", "team-a") == "tcp://build.team-a.svc:2376"


def test_every_common_label_is_the_operators() -> None:
    labels = names.common_labels("build", "uid")
    assert labels.keys() <= names.OWN_LABELS
    assert f"{names.MANAGED_BY}={labels[names.MANAGED_BY]}" == names.WATCH_SELECTOR
