"""Leadership: one at a time, and not a moment longer than the lease."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.fakes import FakeClock, FakeKube

from nested_docker.controller.leader import Leader, NotLeader
from nested_docker.controller.lease_fence import Fenced
from nested_docker.domain.ports import KubeError

LEASE = ("Lease", "ns", "operator")


def leader(kube: FakeKube, clock: FakeClock, identity: str, seconds: float = 0.3) -> Leader:
    return Leader(kube, clock, namespace="ns", name="operator", identity=identity, seconds=seconds)


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def until(condition, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def forever() -> None:
    await asyncio.Event().wait()


async def test_the_first_one_leads_and_the_second_waits(kube: FakeKube, clock: FakeClock) -> None:
    first, second = leader(kube, clock, "first"), leader(kube, clock, "second")
    tasks = [asyncio.create_task(first.run(forever))]
    await until(lambda: first.leading)
    tasks.append(asyncio.create_task(second.run(forever)))
    await asyncio.sleep(0.1)
    assert not second.leading
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_release_lets_the_next_one_lead_at_once(kube: FakeKube, clock: FakeClock) -> None:
    first, second = leader(kube, clock, "first"), leader(kube, clock, "second")
    leading = asyncio.create_task(first.run(forever))
    await until(lambda: first.leading)
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    assert kube.objects[LEASE]["spec"]["holderIdentity"] == ""
    following = asyncio.create_task(second.run(forever))
    await until(lambda: second.leading)
    assert kube.objects[LEASE]["spec"]["leaseTransitions"] == 1
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_silent_leader_is_replaced_after_the_whole_lease(kube: FakeKube, clock: FakeClock) -> None:
    dead = leader(kube, clock, "dead")
    assert await dead._try()
    successor = leader(kube, clock, "heir")
    assert not await successor._try()
    clock.seconds = 0.9
    assert not await successor._try()
    clock.seconds = 1.0
    assert await successor._try()


async def test_validity_ends_before_anyone_else_may_start(kube: FakeKube, clock: FakeClock) -> None:
    holder = leader(kube, clock, "holder", seconds=15)
    assert await holder._try()
    clock.seconds = 10.1
    assert not holder.leading
    with pytest.raises(NotLeader):
        await Fenced(kube, holder.assert_leading).create({"kind": "Pod", "metadata": {"name": "p"}})
    assert "create Pod/p" not in kube.writes


async def test_what_leads_is_cancelled_and_awaited_on_loss(kube: FakeKube, clock: FakeClock) -> None:
    holder, ended = leader(kube, clock, "holder"), asyncio.Event()

    async def lead() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0.01)
            ended.set()

    running = asyncio.create_task(holder.run(lead))
    await until(lambda: holder.leading)
    kube.failure = KubeError(0, "NoAnswer", "gone")
    clock.seconds = 1.0
    await asyncio.wait_for(running, 5)
    assert ended.is_set()


async def test_a_failing_lead_is_not_hidden(kube: FakeKube, clock: FakeClock) -> None:
    async def lead() -> None:
        raise RuntimeError("defect")

    with pytest.raises(RuntimeError, match="defect"):
        await leader(kube, clock, "holder").run(lead)


async def test_an_api_server_that_does_not_answer_in_time_is_no_renewal(
    kube: FakeKube, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    holder = leader(kube, clock, "holder", seconds=0.2)
    assert await holder._try()
    kube.stall = asyncio.Event()
    clock.seconds = 1.0
    assert not await holder._try()
    await holder._release()
    assert [record.getMessage() for record in caplog.records] == [
        "the lease could not be renewed: no answer in time",
        "the lease could not be released and will run out: no answer in time",
    ]
