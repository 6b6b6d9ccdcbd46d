"""The composition root: builds the operator from settings, adapters, controller and handlers."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import uuid
from collections.abc import Awaitable, Callable

import kopf

from nested_docker.adapters.certificates import CertificateMaker, injection_key
from nested_docker.adapters.clock import SystemClock
from nested_docker.adapters.dockerd import DaemonClient
from nested_docker.adapters.events import EventRecorder
from nested_docker.adapters.kube import KubeClient, connect_to_cluster
from nested_docker.controller.admission_reviewer import AdmissionReviewer
from nested_docker.controller.audit import Audit
from nested_docker.controller.cache import Cache
from nested_docker.controller.client_pod_watch import ClientPodWatch
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.controller.fresh_look import FreshLook
from nested_docker.controller.injection_turns import InjectionTurns
from nested_docker.controller.injections import Injections
from nested_docker.controller.leader import Leader, NotLeader
from nested_docker.controller.lease_fence import Fenced
from nested_docker.controller.node_prober import NodeProber
from nested_docker.controller.pod_injector import PodInjector
from nested_docker.controller.reconciler import Reconciler
from nested_docker.controller.resync import Resync
from nested_docker.controller.root_key import RootKey, RootKeyUnusable
from nested_docker.controller.routing import Router
from nested_docker.controller.session import Sessions
from nested_docker.controller.sidecars import Sidecars
from nested_docker.controller.unreadable import UnreadableObjects
from nested_docker.controller.workers import Workers
from nested_docker.controller.workqueue import Priority, WorkQueue
from nested_docker.domain.ports import Kube, KubeError
from nested_docker.handlers import admission, framework, watching
from nested_docker.observability import logs, server
from nested_docker.observability.metrics import Metrics
from nested_docker.settings import Settings

logger = logging.getLogger(__name__)

INITIAL_SYNC_DELAY = 0.5
"""Seconds before a failed initial sync is repeated; the delay doubles each time, up to 30 s."""

STUCK_SECONDS = 300.0
"""A reconciliation that takes longer than this is stuck: the liveness probe fails, and the kubelet restarts the pod."""


async def run_operator(settings: Settings) -> bool:
    """Run the operator until a signal or the loss of leadership.

    Returns:
        True after a signal, False after the loss of leadership.
    """
    logs.configure(settings.log_format, settings.log_level)
    asyncio.get_running_loop().set_exception_handler(framework.handle_loop_error)
    kube = await connect_to_cluster()
    try:
        return await Operator(settings, kube).run()
    finally:
        await kube.close()


class Operator:
    """One replica of the operator: its components, and the tasks that run them."""

    def __init__(self, settings: Settings, kube: KubeClient) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._cache = Cache(settings.cleanup_namespace)
        self._queue, self._sidecar_queue = WorkQueue(), WorkQueue()
        self._identity = f"{os.uname().nodename}_{uuid.uuid4().hex[:8]}"
        self._leader = Leader(
            kube,
            self._clock,
            namespace=settings.operator_namespace,
            name=settings.lease_name,
            identity=self._identity,
            seconds=settings.lease_seconds,
        )
        fenced = Fenced(kube, self._leader.assert_leading) if settings.leader_election else kube
        self._recorder = EventRecorder(fenced, self._clock)
        unreadable = UnreadableObjects(self._recorder.record)
        self._router = Router(self._cache, self._queue, unreadable, self._sidecar_queue)
        self._resync = Resync(kube, self._cache, self._router, settings.namespaces, injection=settings.injection)
        self._client_pods = ClientPodWatch(kube, self._router, self._resync, settings.namespaces)
        self._metrics = Metrics(
            nested_dockers=lambda: self._cache.all("NestedDocker"),
            requests=lambda: kube.requests,
            queue_depth=lambda: len(self._queue) + len(self._sidecar_queue),
            queue_oldest=lambda: max(self._queue.oldest(), self._sidecar_queue.oldest()),
            leading=lambda: self._leader.leading or not settings.leader_election,
            unreadable=unreadable.counts,
            webhook_certificate=lambda: self._webhook.server.validity if self._webhook else None,
            now=self._clock.now,
        )
        prober = DaemonProber(
            DaemonClient(),
            lambda key: self._queue.add(key, Priority.NEARLY_READY),
            self._clock.now,
            self._metrics.probe_failed,
        )
        audit = Audit(self._recorder, self._cache, self._metrics.decided, self._metrics.recorded)
        self._admission_reviewer = AdmissionReviewer(
            self._cache, self._router, kube, settings.defaults(), audit.admitted
        )
        self._root_key = RootKey(kube, settings.operator_namespace, settings.root_key_secret)
        self._webhook = (
            admission.AdmissionServer(
                settings.webhook_port, settings.webhook_certificates, self._reviews(), self._metrics.reviewed
            )
            if settings.webhook_port
            else None
        )
        self._sessions = Sessions()
        reconciler = Reconciler(
            cache=self._cache,
            router=self._router,
            kube=fenced,
            certificates=CertificateMaker(self._root_key),
            prober=prober,
            recorder=audit,
            clock=self._clock,
            defaults=settings.defaults(),
            sessions=self._sessions,
            injections=self._injections(fenced) if settings.injection else None,
        )
        self._node_prober = NodeProber(fenced, self._cache, self._router, self._clock, settings.defaults())
        self._workers = Workers(self._queue, reconciler.reconcile, self._sessions, self._clock, self._metrics.observe)
        sidecars = self._sidecars(fenced, audit)
        self._sidecar_workers = Workers(
            self._sidecar_queue, sidecars.settle, Sessions(), self._clock, self._metrics.observe, subject="pod"
        )

    def _reviews(self) -> dict[str, admission.ReviewRequest]:
        """What the webhook serves, by path."""
        reviews: dict[str, admission.ReviewRequest] = {
            admission.MUTATE_PATH: self._admission_reviewer.name_class,
            admission.VALIDATE_PATH: self._admission_reviewer.review,
        }
        if self._settings.injection:
            injector = PodInjector(self._admission_reviewer, self._injection_key, self._clock)
            reviews[admission.INJECT_PATH] = injector.inject
            reviews[admission.JUDGE_PATH] = injector.judge
        return reviews

    def _injections(self, kube: Kube) -> Injections:
        turns = InjectionTurns(self._cache, self._clock, self._queue.add)
        return Injections(self._cache, kube, self._injection_key, self._clock, self._recorder, turns)

    def _sidecars(self, kube: Kube, audit: Audit) -> Sidecars:
        look = FreshLook(kube, self._cache, self._router, self._clock.monotonic)
        return Sidecars(self._cache, kube, look, self._clock, audit, audit.judged, self._settings.defaults())

    def _injection_key(self) -> bytes:
        return injection_key(self._root_key())

    async def run(self) -> bool:
        """Serve probes and watch; reconcile while this replica is the leader.

        Returns:
            True after a signal, False after the loss of leadership.
        """
        stop, watching_started = asyncio.Event(), asyncio.Event()
        synced = asyncio.create_task(self._initial_sync(), name="initial sync")
        probes = await server.start_server(
            self._settings.health_port,
            healthy=self._healthy,
            ready=functools.partial(self._ready, watching_started, synced),
            registry=self._metrics.registry,
        )
        leading = asyncio.create_task(self._lead_when_elected(stop, synced), name="leadership")
        following = asyncio.create_task(self._root_key.follow(self._settings.resync_seconds), name="root key")
        try:
            await self._watch(stop, watching_started, functools.partial(self._resign, leading))
        finally:
            await self._resign(leading)
            synced.cancel()
            following.cancel()
            await asyncio.gather(synced, following, return_exceptions=True)
            await probes.cleanup()
        if leading.cancelled():
            return True
        leading.result()
        return False

    async def _resign(self, leading: asyncio.Task[None]) -> None:
        """Stop reconciling and release the Lease; called as soon as kopf begins to stop."""
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
        self._sessions.stop_probes()

    async def _watch(self, stop: asyncio.Event, started: asyncio.Event, resign: Callable[[], Awaitable[None]]) -> None:
        registry, configuration = framework.kopf_registry(resign), framework.kopf_settings()
        watching.register_watches(registry, configuration, self._router)
        if self._webhook is not None:
            admission.register_webhook(configuration, self._webhook)
        await kopf.operator(
            registry=registry,
            settings=configuration,
            identity=self._identity,  # type: ignore[arg-type]  # kopf's default needs a user name, which a pod lacks
            standalone=True,
            clusterwide=not self._settings.namespaces,
            namespaces=self._settings.namespaces,
            stop_flag=stop,
            ready_flag=started,
        )

    async def _lead_when_elected(self, stop: asyncio.Event, synced: asyncio.Task[None]) -> None:
        lead = functools.partial(self._lead, synced)
        try:
            if self._settings.leader_election:
                await self._leader.run(lead)
            else:
                await lead()
        finally:
            stop.set()

    async def _lead(self, synced: asyncio.Task[None]) -> None:
        """Reconcile everything once, then whatever changes; return when a write finds the lease lost.

        The initial sync of this replica counts if it is still running; otherwise the cache may be stale, so sync again.
        """
        await (self._initial_sync() if synced.done() else asyncio.shield(synced))
        self._router.everything()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._workers.run(self._settings.workers), name="workers")
                group.create_task(self._resync.run(self._settings.resync_seconds), name="resync")
                if self._settings.injection:
                    group.create_task(self._client_pods.run(), name="watch of client pods")
                    group.create_task(self._sidecar_workers.run(self._settings.workers), name="workers for sidecars")
                group.create_task(self._recorder.run(), name="events")
                if self._settings.node_probe:
                    group.create_task(self._node_prober.run(), name="node probes")
        except* NotLeader as stopped:
            logger.warning("a write was stopped because this replica no longer leads: %s", stopped.exceptions[0])

    async def _initial_sync(self) -> None:
        """Read the root key and list all objects into the cache; repeat until both succeed.

        The CRDs, for example, may not be established yet.
        """
        delay = INITIAL_SYNC_DELAY
        while True:
            try:
                await self._root_key.load()
                return await self._resync.once()
            except (KubeError, RootKeyUnusable) as error:
                wait = max(delay, error.retry_after if isinstance(error, KubeError) else 0)
                logger.warning("the initial sync failed and is repeated in %.1f s: %s", wait, error)
            await asyncio.sleep(wait)
            delay = min(2 * delay, 30.0)

    async def _ready(self, watching: asyncio.Event, synced: asyncio.Task[None]) -> str:
        if not synced.done():
            return "the initial sync has not finished yet"
        if self._webhook is not None and not self._webhook.listening.is_set():
            return "the webhook is not listening yet"
        return "" if watching.is_set() else "the watches have not started yet"

    async def _healthy(self) -> str:
        longest = max(self._workers.longest_pass(), self._sidecar_workers.longest_pass())
        return f"a reconciliation has been running for {longest:.0f} s" if longest > STUCK_SECONDS else ""
