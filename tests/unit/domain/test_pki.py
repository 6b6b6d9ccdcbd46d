"""Which certificates a daemon gets, and for how long."""

from __future__ import annotations

from datetime import timedelta

from tests.support.factory import HOME, NOW

from nested_docker.domain import pki


def request(hours: float | None = None) -> pki.CertificateRequest:
    deadline = None if hours is None else NOW + timedelta(hours=hours)
    return pki.certificate_request(HOME, cluster_domain="example.internal", now=NOW, deadline=deadline)


def test_names_are_those_of_the_service_and_of_the_pod_itself() -> None:
    assert request().dns_names == (
        "build",
        "build.team-a",
        "build.team-a.svc",
        "build.team-a.svc.example.internal",
        "localhost",
    )
    assert request().ip_addresses == ("127.0.0.1", "::1")
    assert request().common_name == "team-a/build"


def test_they_outlast_the_deadline_and_begin_before_now() -> None:
    made = request(hours=2)
    assert made.not_after == NOW + timedelta(hours=3)
    assert made.not_before == NOW - timedelta(minutes=5)


def test_without_a_deadline_they_last_a_year() -> None:
    assert request().not_after == NOW + timedelta(days=365, hours=1)
    assert pki.RENEW_BEFORE > pki.MARGIN, "a renewal is announced before it is forced"
