"""What has failed, as it is printed at the very end of a run."""

from __future__ import annotations

from tests.support.failures import CAUSES, WIDTH, summary


def test_the_most_frequent_cause_first_with_some_of_its_tests() -> None:
    failures = [
        ("tests/unit/test_a.py::test_a", "AssertionError: not within 15 s: Ready\nthe log ends:\n{}\nlast look: None"),
        *((f"tests/chart/test_x.py::test_{number}", "CommandFailed: cluster up --name chart") for number in range(52)),
        ("tests/unit/test_b.py::test_b", ""),
    ]
    assert list(summary(failures)) == [
        "52 × CommandFailed: cluster up --name chart",
        "    tests/chart/test_x.py::test_0, tests/chart/test_x.py::test_1, …",
        "1 × AssertionError: not within 15 s: Ready … last look: None",
        "    tests/unit/test_a.py::test_a",
        "1 × no message",
        "    tests/unit/test_b.py::test_b",
    ]


def test_it_is_short_whatever_has_failed() -> None:
    lines = list(summary((f"test_{number}" * 99, f"{number}: {'x' * 999}") for number in range(100)))
    assert len(lines) == 2 * CAUSES + 1
    assert lines[-1] == f"and {100 - CAUSES} other causes"
    assert max(map(len, lines)) == WIDTH


def test_nothing_has_failed() -> None:
    assert list(summary([])) == []
