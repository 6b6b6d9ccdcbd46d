"""Reads the registry credentials that a NestedDocker names; their content stays in memory only for one write."""

from __future__ import annotations

from nested_docker.controller.failure import requesting
from nested_docker.domain.manifests.secrets import ForeignValue, value_digest
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import Observed
from nested_docker.domain.ports import Kube
from nested_docker.domain.registry_credentials import CredentialsError, RegistryCredentials, auth_config


class CredentialsReader:
    """Looks at Secrets that others own."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def look(self, observed: Observed) -> RegistryCredentials | None:
        """What the named Secret has; None: none is named.

        Raises:
            RequestFailed: it cannot be read; try again later.
        """
        name = ((observed.spec.get("connection") or {}).get("registryCredentials") or {}).get("name")
        if not name or observed.deleted:
            return None
        secret = Identity("Secret", observed.owner.namespace, name)
        try:
            return RegistryCredentials(secret, digest=value_digest(await self._value(secret)))
        except CredentialsError as error:
            return RegistryCredentials(secret, problem=f"Secret {name} of spec.connection.registryCredentials {error}")

    async def value(self, wanted: ForeignValue) -> bytes | None:
        """The value, if it is the one that was looked at; None: it has changed.

        Raises:
            RequestFailed: it cannot be read; try again later.
        """
        try:
            value = await self._value(wanted.secret)
        except CredentialsError:
            return None
        return value if value_digest(value) == wanted.digest else None

    async def _value(self, secret: Identity) -> bytes:
        with requesting("read", secret):
            found = await self._kube.get("Secret", secret.namespace, secret.name)
        return auth_config(found, secret.name)
