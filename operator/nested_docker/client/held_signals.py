"""Signals that arrive while something has to be completed: their exceptions wait until its end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SignalHandler = Callable[[int, FrameType | None], object]

ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # fmt: skip
"""Those that end a process."""


class HeldSignals:
    """What handlers of signals have raised meanwhile."""

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._then: Callable[[], object] = lambda: None
        self._is_over = False

    def then(self, react: Callable[[], object]) -> None:
        """Call this when a handler raises, at once if one has."""
        self._then = react
        if self._error is not None:
            react()

    def raise_error(self) -> None:
        """Raise what the first handler has raised, if one has."""
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """From now on handlers raise."""
        self._is_over = True

    def holding(self, handler: SignalHandler) -> SignalHandler:
        """A handler that keeps what another one raises. One that raises nothing has done all it wants."""

        def hold(number: int, frame: FrameType | None) -> None:
            try:
                handler(number, frame)
            except BaseException as error:
                if self._is_over:
                    raise
                self._error = self._error or error
                self._then()

        return hold


@contextlib.contextmanager
def signals_held() -> Iterator[HeldSignals]:
    """Hold the exceptions of signal handlers, such as KeyboardInterrupt, until the end of the block.

    The block must end by itself within a bounded time. In another thread than the main one no handler runs, so nothing
    is held there.
    """
    held, before = HeldSignals(), {}
    if threading.current_thread() is threading.main_thread():
        for number in ENDING_SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, held.holding(handler))
    try:
        yield held
    finally:
        held.end()
        for number, handler in before.items():
            signal.signal(number, handler)
    held.raise_error()
