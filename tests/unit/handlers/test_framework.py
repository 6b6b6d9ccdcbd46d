"""How kopf's errors at the end of the event loop are logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import uvloop

from nested_docker.handlers.framework import handle_loop_error


async def stream() -> AsyncIterator[int]:
    """A generator that fails when it is closed."""
    try:
        while True:
            yield 1
    finally:
        raise RuntimeError("generator didn't stop after athrow()")


def run_to_the_end(last: str) -> None:
    """Run a loop that ends with that error pending."""
    streams = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(handle_loop_error)
        if last == "stream":
            streams.append(stream())
            await anext(streams[0])
        else:
            loop.call_soon(lambda: 1 / 0)
            await asyncio.sleep(0.01)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_stream_that_fails_when_the_loop_closes_it_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    run_to_the_end("stream")
    logged = [(record.levelno, record.exc_info) for record in caplog.records if "asynchronous gen" in record.message]
    assert logged == [(logging.DEBUG, None)]


def test_every_other_error_of_the_loop_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    run_to_the_end("callback")
    (record,) = [record for record in caplog.records if record.name == "asyncio"]
    assert record.levelno == logging.ERROR
    assert record.exc_info
