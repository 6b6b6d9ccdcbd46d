"""Certificates for tests, signed by authorities of one root key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from nested_docker.adapters.certificates import CertificateMaker
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.manifests.secrets import tls, value_digest
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner

ROOT_KEY = b"a root key that only tests use..."


def certificate_maker(root_key: bytes = ROOT_KEY) -> CertificateMaker:
    """What issues key sets without a Secret with a root key."""
    return CertificateMaker(lambda: root_key)


def key_set_of(
    keys: Mapping[str, bytes], end: datetime = datetime(2036, 1, 1, tzinfo=UTC), revision: int = 1
) -> KeySet:
    """A key set with these keys, all of which expire at the same time."""
    digests = {key: value_digest(value) for key, value in keys.items()}
    return KeySet(digests, end, revision, server_not_after=end)


def key_set_annotations(key_set: KeySet) -> dict[str, str]:
    """The annotations of the Secret with that key set."""
    manifest = tls(ObjectNames(Owner("any", "any", "any")), key_set).manifest
    annotations: dict[str, str] = manifest["metadata"]["annotations"]
    return annotations
