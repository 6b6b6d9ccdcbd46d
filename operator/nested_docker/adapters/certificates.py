"""Generates key sets with the cryptography library.

The key of an authority is derived from the root key, the uid of the NestedDocker and its rotation (HKDF, RFC 5869).
So every key set of a NestedDocker has the same authority, and no key of an authority is ever stored.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nested_docker.domain import pki

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of P-256's base point: a private key is a number from 1 to one less (FIPS 186-5)."""

_DERIVED_BYTES = 48
"""64 bits more than the order has, so that every key is equally likely (FIPS 186-5, A.2.1)."""


Validity = tuple[datetime, datetime]
"""Start and end of the validity of a certificate."""


class CertificateMaker:
    """Generates key sets on P-256: such a key takes microseconds, an RSA key a tenth of a second.

    Args:
        root_key: gives the secret that the keys of all authorities are derived from, of at least 32 bytes.
    """

    def __init__(self, root_key: Callable[[], bytes]) -> None:
        self._root_key = root_key

    def issue(self, request: pki.CertificateRequest) -> dict[str, bytes]:
        """An authority's certificate and, signed by it, the key pairs of server, client and operator, in PEM."""
        key = _derived_key(self._root_key(), request.owner_uid, request.rotation)
        validity = (request.not_before, request.server_not_after)
        authority = _Authority(key, _certificate_of_authority(key, request.common_name, validity))
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in request.dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in request.ip_addresses]
        server = authority.pair(request.common_name, ExtendedKeyUsageOID.SERVER_AUTH, validity, names)
        mounted = (_pem(authority.certificate), *server)
        pairs = authority.client_pairs((request.not_before, request.not_after))
        return dict(zip(pki.KEYS, (*mounted, *pairs), strict=True))

    def renew(self, request: pki.RenewalRequest, keys: Mapping[str, bytes]) -> dict[str, bytes] | None:
        """The key set with new pairs of client and operator; None: its authority does not have the derived key."""
        key = _derived_key(self._root_key(), request.owner_uid, request.rotation)
        try:
            certificate = x509.load_pem_x509_certificate(keys[pki.CA_CERTIFICATE])
        except ValueError:
            return None
        if certificate.public_key() != key.public_key():
            return None
        validity = (certificate.not_valid_before_utc, min(request.not_after, certificate.not_valid_after_utc))
        return {**keys, **dict(zip(pki.RENEWED, _Authority(key, certificate).client_pairs(validity), strict=True))}


class _Authority:
    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key, self.certificate = key, certificate

    def client_pairs(self, validity: Validity) -> tuple[bytes, ...]:
        """Certificate and key of client and operator, in PEM."""
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH
        return (*self.pair("client", purpose, validity), *self.pair("operator", purpose, validity))

    def pair(
        self,
        common_name: str,
        purpose: x509.ObjectIdentifier,
        validity: Validity,
        names: list[x509.GeneralName] | None = None,
    ) -> tuple[bytes, bytes]:
        """A certificate and its key, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_name(common_name), self.certificate.subject, key.public_key(), validity)
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


def _certificate_of_authority(
    key: ec.EllipticCurvePrivateKey, common_name: str, validity: Validity
) -> x509.Certificate:
    name = _name(f"NestedDocker {common_name}")
    return (
        _builder(name, name, key.public_key(), validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _derived_key(root_key: bytes, owner_uid: str, rotation: str) -> ec.EllipticCurvePrivateKey:
    info = f"nesteddocker.dev/authority/v1/{owner_uid}/{rotation}".encode()
    derived = HKDF(hashes.SHA256(), _DERIVED_BYTES, salt=None, info=info).derive(root_key)
    return ec.derive_private_key(int.from_bytes(derived) % (_ORDER - 1) + 1, ec.SECP256R1())


def injection_key(root_key: bytes) -> bytes:
    """The key with which the webhook signs the ids of pods, derived apart from those of authorities."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"nesteddocker.dev/injection/v1").derive(root_key)


def validity_of(pem: bytes) -> Validity | None:
    """When the first certificate is valid; None: it is one that OpenSSL may take, but cryptography cannot read."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


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
