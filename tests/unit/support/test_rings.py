"""The time per ring, as it is printed at the end of a run."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.rings import SLOWEST, summary


@dataclass(frozen=True)
class Report:
    nodeid: str
    duration: float


def test_rings_with_the_longest_first_then_slow_tests() -> None:
    reports = [
        Report("tests/unit/domain/test_names.py::test_a", 0.25),
        Report("tests/unit/domain/test_names.py::test_b[x/y]", 0.5),
        Report("tests/e2e/test_dind.py::test_c", 60.0),
        Report("tests/e2e/test_dind.py::test_c", 2.5),
        Report("tests/unit/test_threat_model.py::test_d", 1.25),
    ]
    assert list(summary(reports)) == [
        "    62.5 s  e2e (1 test)",
        "     2.0 s  unit (3 tests)",
        "    62.5 s  tests/e2e/test_dind.py::test_c",
        "     1.2 s  tests/unit/test_threat_model.py::test_d",
    ]


def test_no_more_than_the_slowest() -> None:
    reports = [Report(f"tests/chart/test_x.py::test_{number}", 5.0) for number in range(2 * SLOWEST)]
    assert len(list(summary(reports))) == 1 + SLOWEST
