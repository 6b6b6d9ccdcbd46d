"""What has failed in a run, in few and short lines: pytest's own summary can be longer than what a CI system keeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

CAUSES = 8
"""So many causes are told."""
TESTS = 2
"""So many tests of a cause are named."""
WIDTH = 200
"""Characters of a line."""


def summary(failures: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A line for each cause, the most frequent first, and one for tests that have failed by it.

    Args:
        failures: of each failed setup, call or teardown the test's name and the message, which is cut to its first and
            its last line.
    """
    causes: defaultdict[str, list[str]] = defaultdict(list)
    for test, message in failures:
        causes[_cause(message)].append(test)
    ordered = sorted(causes.items(), key=lambda item: -len(item[1]))
    for cause, tests in ordered[:CAUSES]:
        yield f"{len(tests)} × {cause}"[:WIDTH]
        yield f"    {_named(tests)}"[:WIDTH]
    if ordered[CAUSES:]:
        yield f"and {len(ordered) - CAUSES} other causes"


def _cause(message: str) -> str:
    first, *others = message.strip().splitlines() or ["no message"]
    half = WIDTH // 2 - len(" … 999 × ")
    return f"{first[:half]} … {others[-1][:half]}" if others else first


def _named(tests: Sequence[str]) -> str:
    return ", ".join([*tests[:TESTS], *(["…"] if tests[TESTS:] else [])])
