"""Generates key sets with the cryptography library.

The key of an authority is derived from the root key, the uid of the NestedDocker and its rotation (HKDF, RFC 5869).
So every key set of a NestedDocker has the same authority, and no key of an authority is ever stored.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nested_docker.domain import pki

if TYPE_CHECKING:
    from datetime import datetime

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of P-256's base point: a private key is a number from 1 to one less (FIPS 186-5)."""

_DERIVED_BYTES = 48
"""64 bits more than the order has, so that every key is equally likely (FIPS 186-5, A.2.1)."""


class CertificateMaker:
    """Generates key sets on P-256: such a key takes microseconds, an RSA key a tenth of a second.

    Args:
        root_key: gives the secret that the keys of all authorities are derived from, of at least 32 bytes.
    """

    def __init__(self, root_key: Callable[[], bytes]) -> None:
        self._root_key = root_key

    def issue(self, request: pki.CertificateRequest) -> dict[str, bytes]:
        """An authority's certificate and, signed by it, the key pairs of server, client and operator, in PEM."""
        authority = _Authority(request, _derived_key(self._root_key(), request))
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in request.dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in request.ip_addresses]
        server = authority.pair(request.common_name, ExtendedKeyUsageOID.SERVER_AUTH, names)
        client = authority.pair("client", ExtendedKeyUsageOID.CLIENT_AUTH)
        operator = authority.pair("operator", ExtendedKeyUsageOID.CLIENT_AUTH)
        return {
            pki.CA_CERTIFICATE: _pem(authority.certificate),
            pki.SERVER_CERTIFICATE: server[0],
            pki.SERVER_KEY: server[1],
            pki.CLIENT_CERTIFICATE: client[0],
            pki.CLIENT_KEY: client[1],
            pki.OPERATOR_CERTIFICATE: operator[0],
            pki.OPERATOR_KEY: operator[1],
        }


class _Authority:
    def __init__(self, request: pki.CertificateRequest, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._name = _name(f"NestedDocker {request.common_name}")
        self._validity = (request.not_before, request.not_after)
        validity = (request.not_before, max(request.not_before + pki.AUTHORITY_LIFETIME, request.not_after))
        self.certificate = (
            _builder(self._name, self._name, self._key.public_key(), validity)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def pair(
        self, common_name: str, purpose: x509.ObjectIdentifier, names: list[x509.GeneralName] | None = None
    ) -> tuple[bytes, bytes]:
        """A certificate and its key, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_name(common_name), self._name, key.public_key(), self._validity)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return _pem(builder.sign(self._key, hashes.SHA256())), private


def _derived_key(root_key: bytes, request: pki.CertificateRequest) -> ec.EllipticCurvePrivateKey:
    info = f"nesteddocker.dev/authority/v1/{request.owner_uid}/{request.rotation}".encode()
    derived = HKDF(hashes.SHA256(), _DERIVED_BYTES, salt=None, info=info).derive(root_key)
    return ec.derive_private_key(int.from_bytes(derived) % (_ORDER - 1) + 1, ec.SECP256R1())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, validity: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
