"""A whole operator without its queue, before an API server in memory, in a cluster whose pods run at once."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.certificates import certificate_maker
from tests.support.factory import DEFAULTS
from tests.unit.fakes import KEY, FakeClock, WatchedKube

from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.controller.reconciler import Reconciler
from nested_docker.controller.routing import Router
from nested_docker.controller.session import Sessions
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.ports import Daemons, KubeError

Manifest = dict[str, Any]
TEMPLATE = {"metadata": {"labels": {"team": "ci"}, "annotations": {"example.com/note": "x"}}}
RUNNING = {"running": {"startedAt": "2026-03-01T00:00:01Z"}}


async def pods_run(kube: WatchedKube) -> None:
    """The kubelet starts new pods, and the daemons in them answer."""
    for location, obj in [*kube.objects.items()]:
        if location[0] == "Pod" and "status" not in obj:
            container = {"name": "daemon", "state": RUNNING, "ready": True, "restartCount": 0}
            status = {"phase": "Running", "podIP": "192.0.2.1", "containerStatuses": [container]}
            kube.again(obj | {"status": status})
    for _ in range(3):
        await asyncio.sleep(0)


class Answering:
    """Daemons that answer at once."""

    async def ask(self, *_: Any) -> EngineStatus:
        return EngineStatus(version="28.5.2")


class Lab:
    """A NestedDocker with a claim, an operator, and a cluster whose pods run at once.

    Attributes:
        events: type, reason and message of each Event.
    """

    def __init__(
        self,
        kube: WatchedKube | None = None,
        daemons: Daemons | None = None,
        defaults: OperatorDefaults = DEFAULTS,
    ) -> None:
        self.kube, self.clock, self._daemons = kube or WatchedKube(), FakeClock(), daemons or Answering()
        self._defaults = defaults
        self.events: list[tuple[str, str, str]] = []
        grant = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": ["Dind"]}
        self.kube.put("NestedDockerClass", "", "standard", spec={"modes": ["Dind"], "childTemplate": TEMPLATE})
        self.kube.put("NestedDockerPolicy", "", "all", spec=grant)
        self.kube.put("Namespace", "", "team-a")
        spec = {"className": "standard", "storage": {"type": "Claim", "claim": {"size": "1Gi"}}}
        self.kube.put("NestedDocker", *KEY, spec=spec)
        self.kube.writes.clear()
        self.restart()

    def restart(self) -> None:
        """A new operator, which knows only what the API server has."""
        self.sessions = Sessions()
        self.reconciler = Reconciler(
            cache=self.kube.cache,
            router=Router(self.kube.cache, WorkQueue()),
            kube=self.kube,
            certificates=certificate_maker(),
            prober=DaemonProber(self._daemons, lambda _key: None, self.clock.now),
            recorder=self,
            clock=self.clock,
            defaults=self._defaults,
            sessions=self.sessions,
        )

    def record(self, _regarding: Any, type_: str, reason: str, message: str) -> None:
        """Record an Event."""
        self.events.append((type_, reason, message))

    async def passes(self, count: int, *, seconds: float = 1.0) -> None:
        """So many passes, with that time between them."""
        for _ in range(count):
            await self.reconcile()
            await pods_run(self.kube)
            self.clock.seconds += seconds

    async def reconcile(self) -> KubeError | None:
        """One pass, with the count of failures in a row that the workers keep; what it failed with."""
        session = self.sessions.of(KEY)
        try:
            await self.reconciler.reconcile(KEY)
        except KubeError as error:
            session.failures += 1
            return error
        session.failures = 0
        return None

    def change(self, **spec: Any) -> None:
        """Somebody changes the spec."""
        obj = self.kube.objects["NestedDocker", *KEY]
        metadata = obj["metadata"] | {"generation": obj["metadata"].get("generation", 1) + 1}
        self.kube.again(obj | {"spec": obj["spec"] | spec, "metadata": metadata})

    def pods(self) -> list[Manifest]:
        """The pods that there are."""
        return [obj for (kind, _, _), obj in self.kube.objects.items() if kind == "Pod"]

    def ready(self) -> tuple[str, str]:
        """Status and reason of the condition Ready."""
        condition = self.kube.conditions()["Ready"]
        return condition["status"], condition["reason"]

    def made(self, kind: str) -> int:
        """How many objects of a kind were created."""
        return sum(write.startswith(f"create {kind}/") for write in self.kube.writes)

    def changes(self) -> list[str]:
        """Writes other than of the NestedDocker's status."""
        return [write for write in self.kube.writes if not write.startswith("status")]
