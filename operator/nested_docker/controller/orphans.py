"""Children in pod namespaces that have outlived their NestedDocker: no owner reference leads to them."""

from __future__ import annotations

import asyncio
import logging

from nested_docker.controller.cache import Cache
from nested_docker.controller.workqueue import Key
from nested_docker.domain import names
from nested_docker.domain.objects import Manifest
from nested_docker.domain.ports import Kube, KubeError

logger = logging.getLogger(__name__)


class Orphans:
    """Finds and removes them.

    The finalizer sees to it that there are none. But anyone who may edit a NestedDocker may take the
    finalizer off, and then a daemon would run on that belongs to nobody.
    """

    def __init__(self, kube: Kube, cache: Cache) -> None:
        self._kube, self._cache = kube, cache

    async def collect(self, key: Key) -> None:
        """Remove what bears a NestedDocker's marks in another namespace, and is no living one's.

        Raises:
            KubeError: the API server did not do its part.
        """
        suspects = self._suspects(key)
        if not suspects:
            return
        try:
            owner = await self._kube.get("NestedDocker", *key)
        except KubeError as error:
            if error.status != 403:
                raise
            # Another installation's, which has its pods in the same namespace: it knows better.
            logger.info("children of a NestedDocker that may not be read are left alone", extra=_context(key))
            return
        living = owner["metadata"]["uid"] if owner else None
        await asyncio.gather(*(self._remove(key, child) for child in suspects if _owner_uid(child) != living))

    def _suspects(self, key: Key) -> list[Manifest]:
        """Children elsewhere that are no known NestedDocker's."""
        known = self._cache.get("NestedDocker", *key)
        own = known["metadata"]["uid"] if known else None
        found = [
            child
            for identity, child in self._cache.children(key).items()
            if identity.namespace != key[0]
            and names.has_name_prefix(identity.name)
            and "deletionTimestamp" not in child["metadata"]
            and _owner_uid(child) != own
        ]
        # A label may have been changed to another's name, and then its true owner puts it right.
        living = {obj["metadata"]["uid"] for obj in self._cache.all("NestedDocker")} if found else set()
        return [child for child in found if _owner_uid(child) not in living]

    async def _remove(self, key: Key, child: Manifest) -> None:
        kind, metadata = child["kind"], child["metadata"]
        where = f"{metadata['namespace']}/{metadata['name']}"
        logger.warning("%s %s is removed: its NestedDocker is gone", kind, where, extra=_context(key))
        await self._kube.delete(kind, metadata["namespace"], metadata["name"], metadata["uid"])


def _owner_uid(child: Manifest) -> str:
    return str(child["metadata"].get("labels", {}).get(names.LABEL_UID, ""))


def _context(key: Key) -> dict[str, str]:
    return {"namespace": key[0], "nested_docker": key[1]}
