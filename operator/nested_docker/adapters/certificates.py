"""Generates key sets with the cryptography library."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nested_docker.domain import pki

if TYPE_CHECKING:
    from datetime import datetime


class CertificateMaker:
    """Generates key sets on P-256: such a key takes microseconds, an RSA key a tenth of a second."""

    def issue(self, request: pki.CertificateRequest) -> dict[str, bytes]:
        """A certificate authority and, signed by it, the key pairs of server, client and operator, in PEM.

        The authority's key is discarded, so that nobody can ever issue another client certificate.
        """
        authority = _Authority(request)
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
    def __init__(self, request: pki.CertificateRequest) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"NestedDocker {request.common_name}")
        self._validity = (request.not_before, request.not_after)
        self.certificate = (
            _builder(self._name, self._name, self._key.public_key(), self._validity)
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
