"""Orphans: objects whose NestedDocker is gone."""

from __future__ import annotations

import asyncio
import logging

from nested_docker.controller.cache import Cache
from nested_docker.controller.failure import requesting
from nested_docker.controller.workqueue import Key
from nested_docker.domain import names
from nested_docker.domain.objects import Identity, Manifest, controller_of
from nested_docker.domain.ports import Kube, KubeError

logger = logging.getLogger(__name__)


class Orphans:
    """Finds and removes them.

    Finalizers and owner references prevent orphans. But anyone who may edit a NestedDocker may remove its finalizer,
    or delete it with `--cascade=orphan`, and then a daemon would keep running that belongs to nobody. The garbage
    collector is not relied on for pods.
    """

    def __init__(self, kube: Kube, cache: Cache) -> None:
        self._kube, self._cache = kube, cache

    async def collect(self, key: Key) -> None:
        """Remove objects that have a NestedDocker's labels, if that NestedDocker does not exist.

        Raises:
            RequestFailed: try again later.
        """
        suspects = self._suspects(key)
        if not suspects:
            return
        try:
            with requesting("read", Identity("NestedDocker", *key)):
                owner = await self._kube.get("NestedDocker", *key)
        except KubeError as error:
            if error.status != 403:
                raise
            # They belong to another installation, which has its pods in the same namespace.
            logger.info("objects stay, because the operator may not read their NestedDocker", extra=_context(key))
            return
        living = owner["metadata"]["uid"] if owner else None
        await asyncio.gather(*(self._remove(key, child) for child in suspects if _owner_uid(child) != living))

    def _suspects(self, key: Key) -> list[Manifest]:
        """Objects that belong to no known NestedDocker."""
        known = self._cache.get("NestedDocker", *key)
        own = known["metadata"]["uid"] if known else None
        found = [
            child
            for identity, child in self._cache.children(key).items()
            if (_is_orphan_at_home(child) if identity.namespace == key[0] else names.has_name_prefix(identity.name))
            and "deletionTimestamp" not in child["metadata"]
            and _owner_uid(child) not in (own, *([""] if known else []))
        ]
        # Somebody may have changed the name label; then the owner by UID corrects it, but never a key set: the next one
        # is another Secret.
        living = {obj["metadata"]["uid"] for obj in self._cache.all("NestedDocker")} if found else set()
        return [child for child in found if _owner_uid(child) not in living or _has_key_set(child)]

    async def _remove(self, key: Key, child: Manifest) -> None:
        kind, metadata = child["kind"], child["metadata"]
        where = f"{metadata['namespace']}/{metadata['name']}"
        # A pod with an owner reference is the normal course: the garbage collector comes second.
        level = logging.WARNING if controller_of(child["metadata"]) is None else logging.INFO
        logger.log(level, "removing %s %s: its NestedDocker is gone", kind, where, extra=_context(key))
        with requesting("delete", Identity.of(child)):
            await self._kube.delete(kind, metadata["namespace"], metadata["name"], metadata["uid"])


def _is_orphan_at_home(child: Manifest) -> bool:
    """Whether nobody else removes a child in the namespace of its NestedDocker, once that is gone.

    A claim is kept. Objects without the UID that the operator gives to its children are somebody else's.
    """
    if child["kind"] == "Pod":
        return True
    labelled = names.LABEL_UID in child["metadata"].get("labels", {})
    return child["kind"] != "PersistentVolumeClaim" and labelled and controller_of(child["metadata"]) is None


def _has_key_set(child: Manifest) -> bool:
    return child["kind"] == "Secret" and names.is_tls_secret(child["metadata"]["name"])


def _owner_uid(child: Manifest) -> str:
    controller = controller_of(child["metadata"])
    if controller is not None:
        return str(controller.get("uid", ""))
    return str(child["metadata"].get("labels", {}).get(names.LABEL_UID, ""))


def _context(key: Key) -> dict[str, str]:
    return {"namespace": key[0], "nested_docker": key[1]}
