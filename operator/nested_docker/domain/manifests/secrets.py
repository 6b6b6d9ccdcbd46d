"""The three Secrets: the operator's, and the two connection Secrets with clients' environment and files.

Key material and credentials never pass through here. A Secret whose data comes from the key set, or from a
Secret of the user's, names what each of its keys is made from; the executor fills the values in when it writes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from nested_docker.api.v1alpha1.nested_docker import SecretTemplate
from nested_docker.domain import names, pki
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity, Manifest, Owner, child
from nested_docker.domain.registry_credentials import VARIABLE, RegistryCredentials
from nested_docker.domain.status.conditions import timestamp

CERT_PATH = "/certs/client"
"""Where clients mount the files Secret: the value of DOCKER_CERT_PATH."""

DIGEST_LENGTH = 16


@dataclass(frozen=True)
class ForeignValue:
    """A value made from a Secret that is not the operator's.

    Attributes:
        secret: that Secret.
        digest: of the value.
    """

    secret: Identity
    digest: str


@dataclass(frozen=True)
class SecretManifest:
    """A Secret to write.

    Attributes:
        manifest: metadata and type, without data.
        literals: data that is not secret.
        copies: key of the Secret → key of the key set.
        foreign: key of the Secret → value from elsewhere.
    """

    manifest: Manifest
    literals: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, ForeignValue] = field(default_factory=dict)

    def digests(self, key_set: dict[str, str]) -> dict[str, str]:
        """Key of the Secret → digest of its value, given the digests of the key set."""
        known = {key: value_digest(value.encode()) for key, value in self.literals.items()}
        return known | self.digests_of_foreign | {own: key_set[source] for own, source in self.copies.items()}

    @property
    def digests_of_foreign(self) -> dict[str, str]:
        """Key of the Secret → digest of its value from elsewhere."""
        return {key: value.digest for key, value in self.foreign.items()}

    def filled(self, key_set: Mapping[str, bytes], foreign: Mapping[str, bytes] | None = None) -> Manifest:
        """The whole manifest, with the key material and the values from elsewhere filled in."""
        data = {key: value.encode() for key, value in self.literals.items()} | dict(foreign or {})
        data |= {own: key_set[source] for own, source in self.copies.items()}
        return self.manifest | {"data": {key: base64.b64encode(value).decode() for key, value in sorted(data.items())}}


def value_digest(value: bytes) -> str:
    """What the operator remembers of a Secret's value: enough to detect a change, and no more."""
    return hashlib.sha256(value).hexdigest()[:DIGEST_LENGTH]


def tls(object_names: ObjectNames, key_set: KeySet) -> SecretManifest:
    """The operator's Secret: one write creates it before the pod, so that half a key set cannot exist.

    Its name contains the key set's. It has its own digests as annotations, so that an edited key set is detected.

    Args:
        object_names: names of the children.
        key_set: the key set, by its digests.
    """
    annotations = {
        names.ANNOTATION_NOT_AFTER: timestamp(key_set.not_after),
        names.ANNOTATION_SERVER_NOT_AFTER: timestamp(key_set.server_not_after),
        names.ANNOTATION_DATA_DIGEST: key_set.id,
        names.ANNOTATION_PAIRS_DIGEST: key_set.pairs,
        names.ANNOTATION_REVISION: str(key_set.revision),
    }
    if key_set.rotation:
        annotations[names.ANNOTATION_ROTATE_AUTHORITY] = key_set.rotation
    manifest = child("v1", object_names.tls_secret(key_set.id), object_names.owner, annotations=annotations)
    manifest["type"] = "Opaque"
    return SecretManifest(manifest, copies={key: key for key in pki.KEYS})


def env(
    object_names: ObjectNames,
    template: SecretTemplate,
    further: Mapping[str, str] | None = None,
    credentials: RegistryCredentials | None = None,
) -> SecretManifest:
    """The client's environment.

    Args:
        object_names: names of the children.
        template: further labels and annotations.
        further: environment variables that the mode adds.
        credentials: registry credentials for clients.
    """
    literals = dict(further or {}) | {
        "DOCKER_HOST": object_names.endpoint,
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": CERT_PATH,
    }
    manifest = _connection(object_names.env_secret, object_names.owner, template, {})
    foreign = {VARIABLE: ForeignValue(credentials.secret, credentials.digest)} if credentials else {}
    return SecretManifest(manifest, literals=literals, foreign=foreign)


def files(object_names: ObjectNames, template: SecretTemplate, probe_result: str) -> SecretManifest:
    """The client's key pair, and the keys of the Service Binding specification.

    Args:
        object_names: names of the children.
        template: further labels and annotations.
        probe_result: which start of which pod has answered; kept as an annotation, so that the Secret
            itself shows whether it belongs to the present daemon.
    """
    literals = {
        "type": "docker",
        "provider": "nested-docker",
        "host": object_names.host,
        "port": str(names.DOCKER_PORT),
        "uri": object_names.endpoint,
    }
    copies = {
        "ca.pem": pki.CA_CERTIFICATE,
        "cert.pem": pki.CLIENT_CERTIFICATE,
        "key.pem": pki.CLIENT_KEY,
        "certificates": pki.CA_CERTIFICATE,
        "private-key": pki.CLIENT_KEY,
    }
    annotations = {names.ANNOTATION_PROBED: probe_result}
    manifest = _connection(object_names.files_secret, object_names.owner, template, annotations)
    return SecretManifest(manifest | {"type": "servicebinding.io/docker"}, literals=literals, copies=copies)


def _connection(identity: Identity, owner: Owner, template: SecretTemplate, annotations: dict[str, str]) -> Manifest:
    manifest = child(
        "v1",
        identity,
        owner,
        labels=dict(template.labels),
        annotations=dict(template.annotations) | annotations,
    )
    manifest["type"] = "Opaque"
    return manifest
