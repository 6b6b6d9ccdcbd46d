"""The root key: created once, read by every replica, and refused if it is unusable."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from tests.unit.fakes import FakeKube

from nested_docker.controller.root_key import LEAST_BYTES, RootKey, RootKeyUnusable
from nested_docker.domain.ports import KubeError

SECRET = ("Secret", "system", "root-key")


def root_key(kube: FakeKube) -> RootKey:
    return RootKey(kube, "system", "root-key")


def stored(data: dict[str, str] | None) -> FakeKube:
    kube = FakeKube()
    kube.objects[SECRET] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "root-key", "namespace": "system"},
        "data": data,
    }
    return kube


async def test_it_is_created_once() -> None:
    kube = FakeKube()
    first, second = root_key(kube), root_key(kube)
    await first.load()
    await second.load()
    assert first() == second()
    assert len(first()) == LEAST_BYTES
    assert kube.writes == ["create Secret/root-key"]
    assert kube.objects[SECRET]["immutable"] is True


async def test_two_installations_have_different_ones() -> None:
    first, second = root_key(FakeKube()), root_key(FakeKube())
    await first.load()
    await second.load()
    assert first() != second()


async def test_replicas_that_create_it_at_once_agree() -> None:
    class Late(FakeKube):
        async def get(self, *location: Any) -> Any:
            found = await super().get(*location)
            await asyncio.sleep(0.01)
            return found

    kube = Late()
    keys = [root_key(kube) for _ in range(4)]
    await asyncio.gather(*(each.load() for each in keys))
    assert len({each() for each in keys}) == 1


async def test_an_admins_own_key_is_used() -> None:
    own = root_key(stored({"key": base64.b64encode(b"k" * 64).decode()}))
    await own.load()
    assert own() == b"k" * 64


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (None, 0),
        ({}, 0),
        ({"other": "eA=="}, 0),
        ({"key": ""}, 0),
        ({"key": "not base64"}, 0),
        ({"key": base64.b64encode(b"k" * 31).decode()}, 31),
    ],
)
async def test_an_unusable_one_is_refused(data: dict[str, str] | None, size: int) -> None:
    key = root_key(stored(data))
    with pytest.raises(RootKeyUnusable) as refused:
        await key.load()
    assert str(refused.value) == (
        f"data.key of Secret root-key in namespace system has {size} bytes: store at least 32 random bytes in it, "
        "or delete the Secret, and the operator creates it again"
    )
    with pytest.raises(RootKeyUnusable, match="has not been read yet"):
        key()


async def test_a_failure_of_the_api_server_is_passed_on() -> None:
    kube = FakeKube()
    kube.failure = KubeError(403, "Forbidden", "no")
    with pytest.raises(KubeError):
        await root_key(kube).load()
