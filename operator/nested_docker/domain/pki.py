"""Which certificates a daemon needs, and for how long; an adapter issues them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from nested_docker.domain.object_names import ObjectNames

AUTHORITY_LIFETIME = timedelta(days=3650)
"""Lifetime of what the pod mounts, the certificates of authority and server: a pod cannot live longer."""

LIFETIME = timedelta(days=365)
"""Lifetime of the certificates of client and operator if the daemon has no deadline."""

MARGIN = timedelta(hours=1)
"""How long certificates are valid after their daemon's deadline, and how early the operator acts on an expiry."""

BACKDATED = timedelta(minutes=5)
"""How far `notBefore` is in the past, for clocks that differ."""

RENEW_BEFORE = timedelta(days=30)
"""How early the pairs of client and operator are renewed, so that clients have time to read the new one."""

CA_CERTIFICATE = "ca.pem"
SERVER_CERTIFICATE, SERVER_KEY = "server-cert.pem", "server-key.pem"
CLIENT_CERTIFICATE, CLIENT_KEY = "client-cert.pem", "client-key.pem"
OPERATOR_CERTIFICATE, OPERATOR_KEY = "operator-cert.pem", "operator-key.pem"

MOUNTED = (CA_CERTIFICATE, SERVER_CERTIFICATE, SERVER_KEY)
"""Keys of the `-tls` Secret that the pod mounts. dockerd reads them once, so they never change."""

RENEWED = (CLIENT_CERTIFICATE, CLIENT_KEY, OPERATOR_CERTIFICATE, OPERATOR_KEY)
"""Keys of the `-tls` Secret that are renewed while the pod runs."""

KEYS = MOUNTED + RENEWED
"""Keys of the `-tls` Secret. The private key of the authority is not among them: the operator derives it."""


@dataclass(frozen=True)
class CertificateRequest:
    """A key set to issue: the certificate of an authority, and the certificates that it signs.

    Attributes:
        owner_uid: uid of the NestedDocker.
        rotation: value of its annotation `nesteddocker.dev/rotate-authority`; each value has another authority.
        common_name: subject of the authority, which clients' error messages show.
        dns_names: names that the server certificate is for.
        ip_addresses: addresses that the server certificate is for.
        not_before: start of every certificate's validity.
        not_after: end of the validity of the certificates of client and operator.
        server_not_after: end of the validity of the certificates of authority and server.
    """

    owner_uid: str
    rotation: str
    common_name: str
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    server_not_after: datetime


@dataclass(frozen=True)
class RenewalRequest:
    """New pairs of client and operator for a key set.

    Attributes:
        owner_uid: uid of the NestedDocker.
        rotation: value of its annotation for which the authority was made.
        not_after: end of their validity; they are valid as early as the authority's certificate, so that an operator
            whose clock is ahead does no harm.
    """

    owner_uid: str
    rotation: str
    not_after: datetime


def pairs_expiry(now: datetime, deadline: datetime | None) -> datetime:
    """Until when pairs that are made now are valid: a little longer than the daemon may live."""
    return (deadline or now + LIFETIME) + MARGIN


def certificate_request(
    object_names: ObjectNames, *, cluster_domain: str, now: datetime, deadline: datetime | None, rotation: str = ""
) -> CertificateRequest:
    """The key set of a NestedDocker's next pod, for the names of its Service.

    Args:
        object_names: names of the children.
        cluster_domain: DNS domain of the cluster.
        now: the current time.
        deadline: when the daemon is stopped at the latest; None: never.
        rotation: value of the NestedDocker's annotation `nesteddocker.dev/rotate-authority`; empty: it has none.
    """
    not_before, not_after = now - BACKDATED, pairs_expiry(now, deadline)
    owner, service, host = object_names.owner, object_names.service, object_names.host
    return CertificateRequest(
        owner_uid=owner.uid,
        rotation=rotation,
        common_name=f"{owner.namespace}/{owner.name}",
        dns_names=(service.name, f"{service.name}.{service.namespace}", host, f"{host}.{cluster_domain}", "localhost"),
        ip_addresses=("127.0.0.1", "::1"),
        not_before=not_before,
        not_after=not_after,
        server_not_after=max(not_before + AUTHORITY_LIFETIME, not_after),
    )
