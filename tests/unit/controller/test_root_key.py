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


# --- a Secret that changes while the operator runs ----------------------------------------------------


async def loaded() -> tuple[FakeKube, RootKey, bytes]:
    kube = FakeKube()
    key = root_key(kube)
    await key.load()
    return kube, key, key()


def replace_data(kube: FakeKube, value: str | None) -> None:
    kube.objects[SECRET] = kube.objects[SECRET] | {"data": {} if value is None else {"key": value}}


async def test_another_root_key_is_used_from_the_next_look_on(caplog: pytest.LogCaptureFixture) -> None:
    kube, key, before = await loaded()
    replace_data(kube, base64.b64encode(b"restored from a backup, 32 bytes").decode())
    assert key() == before
    await key.look()
    assert key() == b"restored from a backup, 32 bytes"
    assert "Secret root-key in namespace system has another root key" in caplog.text
    assert "restored" not in caplog.text, "the key is never logged"
    caplog.clear()
    await key.look()
    assert caplog.text == ""


@pytest.mark.parametrize("value", [None, "", "eA==", "no base64"])
async def test_an_unusable_one_is_reported_and_not_used(value: str | None, caplog: pytest.LogCaptureFixture) -> None:
    kube, key, before = await loaded()
    replace_data(kube, value)
    await key.look()
    assert key() == before
    assert "goes on with the root key that it has: data.key of Secret root-key" in caplog.text


async def test_a_deleted_one_is_reported_and_not_created_again(caplog: pytest.LogCaptureFixture) -> None:
    """Who deletes it to get another one restarts the operator next."""
    kube, key, before = await loaded()
    kube.writes.clear()
    del kube.objects[SECRET]
    await key.look()
    assert key() == before
    assert kube.writes == []
    assert "does not exist, and the operator goes on with the root key that it has: restore the Secret" in caplog.text


async def test_a_failed_look_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    kube, key, before = await loaded()

    async def fails(*_location: Any) -> Any:
        raise KubeError(503, "ServiceUnavailable", "try later")

    kube.get = fails  # type: ignore[method-assign]
    await key.look()
    assert key() == before
    assert "try later" in caplog.text


async def test_it_looks_from_time_to_time() -> None:
    kube, key, _ = await loaded()
    replace_data(kube, base64.b64encode(b"x" * LEAST_BYTES).decode())
    following = asyncio.create_task(key.follow(0.01))
    async with asyncio.timeout(5):
        while key() != b"x" * LEAST_BYTES:
            await asyncio.sleep(0.01)
    following.cancel()
