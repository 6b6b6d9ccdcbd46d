"""The type of health checks, for probe servers with and without a web framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

HealthCheck = Callable[[], Awaitable[str]]
"""Returns what is wrong; empty: nothing."""
