"""A key set: named after what its pod mounts, so that the rest can be renewed while the pod runs."""

from __future__ import annotations

import pytest
from tests.support.factory import NOW

from nested_docker.domain import pki
from nested_docker.domain.key_set import KeySet, key_set_id

DIGESTS = {key: f"digest of {key}" for key in pki.KEYS}


def made(**digests: str) -> KeySet:
    return KeySet(DIGESTS | digests, NOW, server_not_after=NOW)


@pytest.mark.parametrize("key", pki.MOUNTED)
def test_what_the_pod_mounts_names_it(key: str) -> None:
    assert made(**{key: "other"}).id != made().id
    assert made(**{key: "other"}).pairs == made().pairs


@pytest.mark.parametrize("key", pki.RENEWED)
def test_the_pairs_do_not(key: str) -> None:
    assert made(**{key: "other"}).id == made().id
    assert made(**{key: "other"}).pairs != made().pairs


def test_what_else_is_in_the_secret_does_not_matter() -> None:
    assert key_set_id(DIGESTS | {"x": "y"}) == made().id
    assert len(made().id) == 10


def test_every_key_is_either_mounted_or_renewed() -> None:
    assert not {*pki.MOUNTED} & {*pki.RENEWED}
    assert {*pki.MOUNTED, *pki.RENEWED} == {*pki.KEYS}
