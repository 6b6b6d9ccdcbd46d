"""When a certificate is valid."""

from __future__ import annotations

import trustme
from cryptography import x509

from nested_docker.adapters.certificates import validity_of


def test_the_first_certificate_counts_and_one_that_cannot_be_read_has_no_validity() -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost").cert_chain_pems[0].bytes()
    expected = x509.load_pem_x509_certificate(leaf)
    validity = (expected.not_valid_before_utc, expected.not_valid_after_utc)
    assert validity_of(leaf + authority.cert_pem.bytes()) == validity
    assert validity_of(b"broken") is None
