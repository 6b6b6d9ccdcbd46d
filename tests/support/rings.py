"""How long each ring of the tests took, for the end of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Protocol

SLOWEST = 10
SLOW_SECONDS = 1.0
"""A test that takes less is not listed among the slowest."""


class Report(Protocol):
    """Of pytest's report on a test's setup, call or teardown, what is read here."""

    nodeid: str
    duration: float


def summary(reports: Iterable[Report]) -> Iterator[str]:
    """A line for each ring, then one for each of the slowest tests; fixtures count for the test that needs them first.

    Args:
        reports: pytest's, of all phases of all tests.
    """
    seconds: defaultdict[str, float] = defaultdict(float)
    for report in reports:
        seconds[report.nodeid] += report.duration
    rings: defaultdict[str, list[float]] = defaultdict(list)
    for test, took in seconds.items():
        rings[_ring(test)].append(took)
    for ring, each in sorted(rings.items(), key=lambda item: -sum(item[1])):
        yield f"{sum(each):8.1f} s  {ring} ({len(each)} test{'s' if len(each) > 1 else ''})"
    slowest = sorted(seconds.items(), key=lambda item: -item[1])[:SLOWEST]
    yield from (f"{took:8.1f} s  {test}" for test, took in slowest if took >= SLOW_SECONDS)


def _ring(test: str) -> str:
    """`unit` of `tests/unit/domain/test_names.py::test_x`."""
    folders = test.partition("::")[0].split("/")
    return folders[1] if len(folders) > 2 else folders[0]
