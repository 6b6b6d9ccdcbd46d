"""Leadership by a Lease: at most one replica writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from nested_docker.domain.objects import Manifest
from nested_docker.domain.ports import Clock, Kube, KubeError

logger = logging.getLogger(__name__)


class NotLeader(Exception):
    """This replica has no valid lease, so it may not write."""


class Leader:
    """Holds a Lease, and knows by the boot clock how long it is valid.

    A holder renews every third of the lease's length and counts the validity from before it sent the renewal, so
    that it stops before another replica may start. The others measure how long the Lease has not changed for them,
    so that clocks need not agree.

    Args:
        kube: API server that stores the Lease.
        clock: wall clock for timestamps, boot clock for validity.
        namespace: namespace of the Lease.
        name: name of the Lease.
        identity: identity of this replica.
        seconds: duration of the lease.
    """

    def __init__(self, kube: Kube, clock: Clock, *, namespace: str, name: str, identity: str, seconds: float) -> None:
        self._kube, self._clock = kube, clock
        self._namespace, self._name, self._identity, self._seconds = namespace, name, identity, seconds
        self._valid_until = 0.0
        self._seen: tuple[str, float] | None = None

    @property
    def leading(self) -> bool:
        """Whether this replica may write now."""
        return self._clock.monotonic() < self._valid_until

    def assert_leading(self) -> None:
        """Check the lease before a write.

        Raises:
            NotLeader: this replica does not hold the lease.
        """
        if not self.leading:
            raise NotLeader(f"lease {self._name} is not held by {self._identity}")

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for leadership, then lead until it is lost; returns when it is lost.

        `lead` is cancelled and awaited on loss, and on cancellation, after which the Lease is
        released so that another replica need not wait for its end.
        """
        while not await self._try():
            await asyncio.sleep(self._seconds / 6)
        logger.info("this replica leads", extra={"identity": self._identity})
        leading = asyncio.ensure_future(lead())
        try:
            await self._renew_until_lost(leading)
        finally:
            leading.cancel()
            await asyncio.gather(leading, return_exceptions=True)
            if self.leading:
                await self._release()

    async def _renew_until_lost(self, leading: asyncio.Future[None]) -> None:
        held = True
        while self.leading:
            await asyncio.wait([leading], timeout=self._seconds / (3 if held else 15))
            if leading.done():
                leading.result()
                return
            held = await self._try()
        logger.error("the lease was lost; this replica stops", extra={"identity": self._identity})

    async def _try(self) -> bool:
        """Acquire or renew the lease; whether that succeeded."""
        asked = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._seconds / 4):
                held = await self._acquire()
        except (KubeError, TimeoutError) as error:
            logger.warning("the lease could not be renewed: %s", str(error) or "no answer in time")
            return False
        if held:
            self._valid_until = asked + self._seconds * 2 / 3
        return held

    async def _acquire(self) -> bool:
        lease = await self._kube.get("Lease", self._namespace, self._name)
        now = self._clock.now()
        if lease is None:
            await self._kube.create(self._manifest(now, {}))
            return True
        spec = lease.get("spec", {})
        holder = spec.get("holderIdentity") or ""
        if holder not in {"", self._identity} and not self._expired(lease):
            return False
        await self._kube.replace(self._manifest(now, lease))
        return True

    def _expired(self, lease: Manifest) -> bool:
        """Whether the Lease has stood unchanged before our eyes for its whole length."""
        version = lease["metadata"]["resourceVersion"]
        moment = self._clock.monotonic()
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, moment)
        length = float(lease["spec"].get("leaseDurationSeconds", self._seconds))
        return moment - self._seen[1] >= length

    def _manifest(self, now: datetime, before: Manifest, *, holder: str | None = None) -> Manifest:
        spec = before.get("spec", {})
        identity = self._identity if holder is None else holder
        ours = spec.get("holderIdentity") == self._identity
        stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": before.get("metadata") or {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": identity,
                "leaseDurationSeconds": max(1, round(self._seconds)),
                "acquireTime": spec.get("acquireTime", stamp) if ours else stamp,
                "renewTime": stamp,
                "leaseTransitions": spec.get("leaseTransitions", 0) + (not ours and bool(before)),
            },
        }

    async def _release(self) -> None:
        self._valid_until = 0.0
        try:
            async with asyncio.timeout(self._seconds / 4):
                lease = await self._kube.get("Lease", self._namespace, self._name)
                if lease is not None and lease.get("spec", {}).get("holderIdentity") == self._identity:
                    await self._kube.replace(self._manifest(self._clock.now(), lease, holder=""))
        except (KubeError, TimeoutError) as error:
            logger.warning("the lease could not be released and will run out: %s", str(error) or "no answer in time")
