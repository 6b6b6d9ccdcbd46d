"""Which certificates a daemon needs, and for how long; an adapter issues them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from nested_docker.domain.object_names import ObjectNames

LIFETIME = timedelta(days=365)
"""Lifetime of certificates whose daemon has no deadline."""

MARGIN = timedelta(hours=1)
"""How long certificates are valid after their daemon's deadline, and how early the operator acts on an expiry."""

BACKDATED = timedelta(minutes=5)
"""How far `notBefore` is in the past, for clocks that differ."""

RENEW_BEFORE = timedelta(days=30)
"""How early a pending renewal is reported."""

CA_CERTIFICATE = "ca.pem"
SERVER_CERTIFICATE, SERVER_KEY = "server-cert.pem", "server-key.pem"
CLIENT_CERTIFICATE, CLIENT_KEY = "client-cert.pem", "client-key.pem"
OPERATOR_CERTIFICATE, OPERATOR_KEY = "operator-cert.pem", "operator-key.pem"

KEYS = (
    CA_CERTIFICATE,
    SERVER_CERTIFICATE,
    SERVER_KEY,
    CLIENT_CERTIFICATE,
    CLIENT_KEY,
    OPERATOR_CERTIFICATE,
    OPERATOR_KEY,
)
"""Keys of the `-tls` Secret. The private key of the authority is not among them: it is never stored."""


@dataclass(frozen=True)
class CertificateRequest:
    """A key set to issue: a certificate authority, and the certificates that it signs before its key is discarded.

    Attributes:
        common_name: subject of the authority, which clients' error messages show.
        dns_names: names that the server certificate is for.
        ip_addresses: addresses that the server certificate is for.
        not_before: start of every certificate's validity.
        not_after: end of every certificate's validity.
    """

    common_name: str
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    not_before: datetime
    not_after: datetime


def certificate_request(
    object_names: ObjectNames, *, cluster_domain: str, now: datetime, deadline: datetime | None
) -> CertificateRequest:
    """The key set of a NestedDocker's next pod, for the names of its Service."""
    owner, service, host = object_names.owner, object_names.service, object_names.host
    return CertificateRequest(
        common_name=f"{owner.namespace}/{owner.name}",
        dns_names=(service.name, f"{service.name}.{service.namespace}", host, f"{host}.{cluster_domain}", "localhost"),
        ip_addresses=("127.0.0.1", "::1"),
        not_before=now - BACKDATED,
        not_after=(deadline or now + LIFETIME) + MARGIN,
    )
