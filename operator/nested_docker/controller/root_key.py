"""The root key of all certificate authorities, in a Secret of the operator's namespace."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import secrets

from nested_docker.domain.objects import Manifest
from nested_docker.domain.ports import Kube, KubeError

logger = logging.getLogger(__name__)

DATA_KEY = "key"
"""Key of the Secret."""

LEAST_BYTES = 32


class RootKeyUnusable(Exception):
    """The Secret has no root key that can be used; the message says what to change."""


class RootKey:
    """Reads the root key, and creates it if there is none.

    Args:
        kube: API server that stores it.
        namespace: the operator's namespace.
        name: name of the Secret.
    """

    def __init__(self, kube: Kube, namespace: str, name: str) -> None:
        self._kube, self._namespace, self._name = kube, namespace, name
        self._value = b""

    def __call__(self) -> bytes:
        """The root key.

        Raises:
            RootKeyUnusable: it has not been loaded.
        """
        if not self._value:
            raise RootKeyUnusable(f"Secret {self._name} in namespace {self._namespace} has not been read yet")
        return self._value

    async def load(self) -> None:
        """Read the Secret. Of several replicas that create it at once, one does, and the others read it.

        Raises:
            KubeError: the API server answered with an error.
            RootKeyUnusable: the Secret exists without a usable key.
        """
        self._value = self._key_of(await self._read() or await self._create())

    async def follow(self, interval: float) -> None:
        """Look at the Secret every `interval` seconds, until cancelled."""
        while True:
            await asyncio.sleep(interval)
            await self.look()

    async def look(self) -> None:
        """Read the Secret again, and go on with the key that it has now: somebody may have replaced or restored it.

        Without a usable key in it, the present one is used until the process ends.
        """
        where = f"Secret {self._name} in namespace {self._namespace}"
        try:
            secret = await self._read()
            key = self._key_of(secret) if secret else b""
        except (KubeError, RootKeyUnusable) as error:
            logger.warning("the operator goes on with the root key that it has: %s", error)
            return
        if not key:
            logger.warning(
                "%s does not exist, and the operator goes on with the root key that it has: restore the Secret, "
                "or the operator creates another root key at its next start",
                where,
            )
        elif key != self._value:
            logger.warning(
                "%s has another root key: new pods have other certificate authorities from now on, and running clients "
                "need the new files",
                where,
            )
            self._value = key

    async def _read(self) -> Manifest | None:
        return await self._kube.get("Secret", self._namespace, self._name)

    async def _create(self) -> Manifest:
        manifest: Manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "type": "Opaque",
            "immutable": True,
            "data": {DATA_KEY: base64.b64encode(secrets.token_bytes(LEAST_BYTES)).decode()},
        }
        try:
            return await self._kube.create(manifest)
        except KubeError as error:
            created = await self._read() if error.reason == "AlreadyExists" else None
            if created is None:
                raise
            return created

    def _key_of(self, secret: Manifest) -> bytes:
        try:
            key = base64.b64decode((secret.get("data") or {}).get(DATA_KEY, ""), validate=True)
        except binascii.Error:
            key = b""
        if len(key) < LEAST_BYTES:
            raise RootKeyUnusable(
                f"data.{DATA_KEY} of Secret {self._name} in namespace {self._namespace} has {len(key)} bytes: store at "
                f"least {LEAST_BYTES} random bytes in it, or delete the Secret, and the operator creates it again"
            )
        return key
