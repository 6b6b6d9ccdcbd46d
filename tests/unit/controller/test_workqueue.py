"""The work queue: once each, urgent first, one worker per key."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nested_docker.controller.workqueue import Backoff, Key, Priority, WorkQueue


def key(name: str) -> Key:
    return ("ns", name)


async def drain(queue: WorkQueue) -> list[str]:
    taken = []
    while len(queue):
        item = await queue.get()
        taken.append(item[1])
        queue.done(item)
    return taken


async def test_a_key_waits_once() -> None:
    queue = WorkQueue()
    for name in "abab":
        queue.add(key(name))
    assert await drain(queue) == ["a", "b"]


async def test_the_age_is_of_the_key_that_has_waited_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [100.0]
    monkeypatch.setattr("nested_docker.controller.workqueue.time.monotonic", lambda: seconds[0])
    queue = WorkQueue()
    assert queue.oldest() == 0
    queue.add(key("a"), Priority.BACKGROUND)
    seconds[0] = 103.0
    queue.add(key("b"))
    queue.add(key("a"), Priority.NEARLY_READY)
    assert queue.oldest() == 3
    assert (await queue.get())[1] == "a"
    seconds[0] = 105.0
    assert queue.oldest() == 2
    await queue.get()
    assert queue.oldest() == 0


async def test_the_urgent_come_first_and_equals_in_order() -> None:
    queue = WorkQueue()
    queue.add(key("background"), Priority.BACKGROUND)
    queue.add(key("first"))
    queue.add(key("second"))
    queue.add(key("urgent"), Priority.NEARLY_READY)
    assert await drain(queue) == ["urgent", "first", "second", "background"]


async def test_a_waiting_key_is_raised_and_never_lowered() -> None:
    queue = WorkQueue()
    queue.add(key("a"))
    queue.add(key("b"), Priority.BACKGROUND)
    queue.add(key("b"), Priority.NEARLY_READY)
    queue.add(key("b"), Priority.BACKGROUND)
    assert await drain(queue) == ["b", "a"]


async def test_a_key_being_worked_on_waits_for_its_worker() -> None:
    queue = WorkQueue()
    queue.add(key("a"))
    taken = await queue.get()
    queue.add(key("a"))
    queue.add(key("a"), Priority.NEARLY_READY)
    assert len(queue) == 0
    assert not queue.idle
    queue.done(taken)
    assert await drain(queue) == ["a"]
    assert queue.idle


async def test_get_waits_for_a_key() -> None:
    queue = WorkQueue()
    getting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not getting.done()
    queue.add(key("a"))
    assert await getting == key("a")


async def test_the_last_schedule_counts() -> None:
    queue = WorkQueue()
    queue.schedule(key("a"), 0.0)
    queue.schedule(key("a"), 60.0)
    queue.schedule(key("b"), 0.0)
    assert await queue.get() == key("b")
    queue.schedule(key("a"), None)
    await asyncio.sleep(0)
    assert len(queue) == 0


def test_backoff_grows_to_its_cap() -> None:
    backoff = Backoff(first=1.0, cap=8.0)
    for failures, ceiling in enumerate([1, 2, 4, 8, 8, 8], start=1):
        assert ceiling / 2 <= backoff.delay(failures) <= ceiling
    assert 4.0 <= backoff.delay(10**9) <= 8.0


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(list(Priority)))))
def test_whatever_is_added_comes_out_once_by_its_best_priority(added: list[tuple[str, Priority]]) -> None:
    async def scenario() -> list[str]:
        queue = WorkQueue()
        for name, priority in added:
            queue.add(key(name), priority)
        return await drain(queue)

    best = {name: min(p for n, p in added if n == name) for name, _ in added}
    taken = asyncio.run(scenario())
    assert sorted(taken) == sorted(best)
    assert [best[name] for name in taken] == sorted(best.values())
