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
    assert pki.RENEW_BEFORE > pki.MARGIN, "a renewal comes before a replacement"


def test_what_the_pod_mounts_lasts_ten_years_whatever_the_deadline() -> None:
    for made in (request(), request(hours=2), request(hours=24 * 365)):
        assert made.server_not_after - made.not_before == timedelta(days=3650)


def test_renewed_pairs_last_as_long_as_new_ones() -> None:
    assert pki.pairs_expiry(NOW, None) == request().not_after
    assert pki.pairs_expiry(NOW, NOW + timedelta(hours=2)) == request(hours=2).not_after
