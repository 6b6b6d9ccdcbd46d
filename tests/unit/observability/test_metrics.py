"""The metrics that replicas export."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from nested_docker.observability.metrics import Metrics

STATE = ("nested_docker_queue_depth", "nested_docker_objects", "nested_docker_unreadable_objects")


def exported(*, leading: bool) -> str:
    metrics = Metrics(
        nested_dockers=lambda: [{"status": {"mode": "Dind"}}, {}],
        requests=lambda: {("get", "Pod"): 3},
        queue_depth=lambda: 2,
        leading=lambda: leading,
        unreadable=lambda: {"Secret": 1},
    )
    return generate_latest(metrics.registry).decode()


def test_the_leader_exports_the_state_of_the_cluster() -> None:
    text = exported(leading=True)
    assert "nested_docker_leading 1.0" in text
    assert "nested_docker_queue_depth 2.0" in text
    assert 'nested_docker_objects{mode="Dind",ready="Unknown",reason=""} 1.0' in text
    assert 'nested_docker_unreadable_objects{kind="Secret"} 1.0' in text


@pytest.mark.parametrize("name", STATE)
def test_a_standby_exports_nothing_that_doubles_a_sum(name: str) -> None:
    text = exported(leading=False)
    assert "nested_docker_leading 0.0" in text
    assert 'nested_docker_api_requests_total{kind="Pod",verb="get"} 3.0' in text
    assert name not in text
