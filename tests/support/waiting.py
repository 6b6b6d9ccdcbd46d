"""Waiting for what other processes bring about."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

INTERVAL = 0.03
"""Seconds between two looks."""


async def wait_for(
    predicate: Callable[[], Any | Awaitable[Any]], timeout: float, what: str | Callable[[], str | Awaitable[str]]
) -> Any:
    """The first true value of `predicate`.

    Args:
        predicate: what is looked at; an AssertionError counts as false, and is told at the end.
        timeout: seconds to wait at most.
        what: what is waited for, or a function that also tells what there is instead.
    """
    started = time.monotonic()
    while True:
        try:
            seen = await _value(predicate())
        except AssertionError as error:
            seen, last = None, str(error)
        else:
            last = repr(seen)
        if seen:
            return seen
        if time.monotonic() - started > timeout:
            told = what if isinstance(what, str) else await _value(what())
            raise AssertionError(f"not within {timeout:g} s: {told}\nlast look: {last[:2000]}")
        await asyncio.sleep(INTERVAL)


async def holds(predicate: Callable[[], Any | Awaitable[Any]], seconds: float, what: str) -> None:
    """Fail as soon as `predicate` is false within `seconds`."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        assert await _value(predicate()), f"no longer true after {time.monotonic() - started:.1f} s: {what}"
        await asyncio.sleep(INTERVAL)


async def _value(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result
