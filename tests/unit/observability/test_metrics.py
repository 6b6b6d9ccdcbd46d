"""The metrics that replicas export."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hack.metrics_reference import exported_series, sample_metrics
from prometheus_client import generate_latest

from nested_docker.domain import pki
from nested_docker.observability.metrics import Metrics

LEADERS = (
    "nested_docker_queue_depth",
    "nested_docker_queue_oldest_seconds",
    "nested_docker_objects",
    "nested_docker_unreadable_objects",
    "nested_docker_hazards",
    "nested_docker_not_ready_seconds",
    "nested_docker_certificate_expiration_timestamp_seconds",
    "nested_docker_certificate_renewal_timestamp_seconds",
)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def exported(*nested_dockers: Mapping[str, Any], leading: bool = True) -> str:
    metrics = Metrics(
        nested_dockers=lambda: nested_dockers or [{"status": {"mode": "Dind"}}, {}],
        requests=lambda: {("get", "Pod"): 3},
        queue_depth=lambda: 2,
        queue_oldest=lambda: 7,
        leading=lambda: leading,
        unreadable=lambda: {"Secret": 1},
        webhook_certificate=lambda: (NOW, NOW + timedelta(days=90)),
        now=lambda: NOW,
    )
    return generate_latest(metrics.registry).decode()


def known(status: str, reason: str, *, mode: str = "Dind", since: str = "2026-03-01T11:59:00Z", **more: Any) -> Any:
    ready = {"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": since}
    return {"status": {"mode": mode, "conditions": [ready]} | more}


def test_the_leader_exports_the_state_of_the_cluster() -> None:
    text = exported(leading=True)
    assert "nested_docker_leading 1.0" in text
    assert "nested_docker_queue_depth 2.0" in text
    assert "nested_docker_queue_oldest_seconds 7.0" in text
    assert 'nested_docker_objects{mode="Dind",ready="Unknown",reason=""} 1.0' in text
    assert 'nested_docker_unreadable_objects{kind="Secret"} 1.0' in text


@pytest.mark.parametrize("name", LEADERS)
def test_a_standby_exports_nothing_that_doubles_a_sum(name: str) -> None:
    text = exported(known("True", "Ready"), leading=False)
    assert "nested_docker_leading 0.0" in text
    assert 'nested_docker_api_requests_total{kind="Pod",verb="get"} 3.0' in text
    assert name not in text


def test_only_what_belongs_to_one_replica_comes_from_each() -> None:
    leaders = exported_series(sample_metrics()).keys() - exported_series(sample_metrics(leading=False)).keys()
    assert leaders == set(LEADERS)


def test_who_is_meant_to_have_a_daemon_and_has_none_counts_and_nobody_else() -> None:
    text = exported(
        known("False", "DaemonStarting", since="2026-03-01T11:50:00Z"),
        known("Unknown", "DaemonStarting"),
        known("False", "ImagePullFailed", mode="Sysbox"),
        *(
            known(status, reason, mode="Rootless")
            for status, reason in (
                ("True", "Ready"),
                ("False", "Suspended"),
                ("False", "DeadlineExceeded"),
                ("False", "NotGranted"),
                ("False", "WorkloadFailed"),
            )
        ),
    )
    assert 'nested_docker_not_ready_seconds{mode="Dind"} 600.0' in text
    assert 'nested_docker_not_ready_seconds{mode="Sysbox"} 60.0' in text
    assert 'nested_docker_not_ready_seconds{mode="Rootless"}' not in text


def test_hazards_and_certificates_are_those_of_ready_daemons() -> None:
    text = exported(
        known("True", "Ready", hazards=[{"type": "Privileged"}], certificateExpirationTime="2026-05-01T00:00:00Z"),
        known("True", "Ready", hazards=[{"type": "Privileged"}], certificateExpirationTime="2026-04-01T00:00:00Z"),
        known("False", "Suspended", hazards=[{"type": "Raw"}], certificateExpirationTime="2026-01-01T00:00:00Z"),
    )
    assert 'nested_docker_hazards{hazard="Privileged"} 2.0' in text
    assert "Raw" not in text
    expires = datetime(2026, 4, 1, tzinfo=UTC).timestamp()
    (line,) = [
        line for line in text.splitlines() if line.startswith("nested_docker_certificate_expiration_timestamp_seconds ")
    ]
    assert float(line.split()[1]) == expires


def value(text: str, name: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def test_the_renewal_is_due_before_the_certificate_ends() -> None:
    text = exported(
        known("True", "Ready", certificateExpirationTime="2026-05-01T00:00:00Z"),
        known("True", "Ready", certificateExpirationTime="2026-06-01T00:00:00Z", expirationTime="2026-08-01T00:00:00Z"),
        known("False", "Suspended", certificateExpirationTime="2026-03-02T00:00:00Z"),
    )
    due = datetime(2026, 5, 1, tzinfo=UTC) - pki.RENEW_BEFORE
    assert value(text, "nested_docker_certificate_renewal_timestamp_seconds") == due.timestamp()


def test_a_daemon_that_ends_before_its_certificate_needs_no_renewal() -> None:
    ends = datetime(2026, 3, 1, 13, tzinfo=UTC)
    expires = pki.pairs_expiry(NOW, ends)
    text = exported(
        known("True", "Ready", certificateExpirationTime=expires.isoformat(), expirationTime=ends.isoformat())
    )
    assert "certificate_renewal" not in text
    assert value(text, "nested_docker_certificate_expiration_timestamp_seconds") == expires.timestamp()


def test_the_webhook_s_certificate_has_a_life() -> None:
    text = exported()
    assert value(text, "nested_docker_webhook_certificate_start_timestamp_seconds") == NOW.timestamp()
    end = (NOW + timedelta(days=90)).timestamp()
    assert value(text, "nested_docker_webhook_certificate_expiration_timestamp_seconds") == end


@pytest.mark.parametrize("time", ["", "soon", "2026-03-01T11:59:00"])
def test_a_time_that_is_none_costs_no_other_metric(time: str) -> None:
    text = exported(
        known("False", "DaemonStarting", since=time), known("True", "Ready", certificateExpirationTime=time)
    )
    assert 'nested_docker_objects{mode="Dind",ready="True",reason="Ready"} 1.0' in text


def test_reviews_events_and_passes_are_counted() -> None:
    text = generate_latest(sample_metrics().registry).decode()
    assert 'nested_docker_webhook_seconds_count{code="200",path="/validate-nested-dockers"} 1.0' in text
    assert 'nested_docker_events_total{reason="Ready",type="Normal"} 1.0' in text
    assert 'nested_docker_reconciles_total{outcome="ok"} 1.0' in text


def test_a_replica_without_a_webhook_has_no_certificate() -> None:
    metrics = Metrics(
        nested_dockers=list, requests=dict, queue_depth=lambda: 0, queue_oldest=lambda: 0, leading=lambda: True
    )
    assert "webhook_certificate" not in generate_latest(metrics.registry).decode()
