"""The clock of denials: short ones add up, and a grant that lasts sets it back."""

from __future__ import annotations

from datetime import timedelta

from tests.support.factory import NOW

from nested_docker.api.v1alpha1.nested_docker import Denial
from nested_docker.domain.admission.denial_clock import CALM, denied, granted
from nested_docker.domain.status.conditions import timestamp


def test_the_clock_of_denials_close_together() -> None:
    first = denied(None, NOW)
    assert denied(first, NOW + timedelta(seconds=9)) == first
    passed = granted(first, NOW + timedelta(seconds=10))
    assert passed == Denial(since=timestamp(NOW), until=timestamp(NOW + timedelta(seconds=10)))
    later = NOW + timedelta(seconds=100)
    assert granted(passed, later) == passed
    assert denied(passed, later) == Denial(since=timestamp(later - timedelta(seconds=11)))
    calm = NOW + timedelta(seconds=10) + CALM
    assert granted(passed, calm) is None
    assert denied(passed, calm) == Denial(since=timestamp(calm))
