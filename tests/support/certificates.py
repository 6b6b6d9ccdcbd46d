"""Certificates for tests, signed by authorities of one root key."""

from __future__ import annotations

from nested_docker.adapters.certificates import CertificateMaker

ROOT_KEY = b"a root key that only tests use..."


def certificate_maker(root_key: bytes = ROOT_KEY) -> CertificateMaker:
    """What issues key sets without a Secret with a root key."""
    return CertificateMaker(lambda: root_key)
