"""A world in memory: plans are carried out by the real executor, on a fake API server, one write at a time."""

from __future__ import annotations

import asyncio
import atexit
import base64
import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.support.factory import DEFAULTS, NOW, observed
from tests.unit.fakes import FakeKube, Location

from nested_docker.api.v1alpha1 import API_VERSION, NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, ImageStore
from nested_docker.controller.cache import CHILD_KINDS, Cache
from nested_docker.controller.credentials_reader import CredentialsReader
from nested_docker.controller.executor import Executor
from nested_docker.controller.outcome import Stale, Written
from nested_docker.controller.reconciler import PLANS_PER_PASS
from nested_docker.controller.session import Session, Sessions
from nested_docker.domain import names, pki
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.manifests.secrets import value_digest
from nested_docker.domain.manifests.storage import claim_users
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import Observed, ProbeResult
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.child_diff import Action, Apply, Create, Delete
from nested_docker.domain.planning.node_cleanup import CleanupOutcome, ReleasePod, Start
from nested_docker.domain.planning.plan import plan
from nested_docker.domain.planning.planned import Plan
from nested_docker.domain.planning.pod_state import PodState
from nested_docker.domain.status.conditions import timestamp
from nested_docker.domain.status.reasons import Type

ENGINE = EngineStatus(
    version="28.5.2",
    api_version="1.51",
    image_store=ImageStore.GRAPH_DRIVER,
    storage_driver="overlay2",
    backing_filesystem="extfs",
    cgroup_version="2",
)

_LOOP = asyncio.new_event_loop()
atexit.register(_LOOP.close)


class Crashed(Exception):
    """The operator was killed."""


class World:
    """One NestedDocker, its children, and the operator. What governs it is in `base`.

    Attributes:
        server: the API server.
        base: what is observed, without what the server has.
        cleanups: pods that clean nodes up; they succeed at once.
        outcome: why the finalizers of pods were removed.
        node: where pods run from now on.
        leftovers: nodes on which something that clients made through a guarded pod may remain.
        created_pods: when each pod was created.
        writes_left: writes until the operator is killed; None: it is not.
    """

    def __init__(self, spec: dict[str, Any] | None = None, **fields: Any) -> None:
        self.base = observed(spec, **fields)
        self.now = NOW
        self.server = _Server(self)
        self.cleanups: dict[Identity, dict[str, Any]] = {}
        self.outcome: list[CleanupOutcome] = []
        self.node = "node-1"
        self.leftovers: set[str] = set()
        self.status = NestedDockerStatus()
        self.defaults: OperatorDefaults = DEFAULTS
        self.probe_result: ProbeResult | None = None
        self.writes = 0
        self.created_pods: list[datetime] = []
        self.writes_left: int | None = None
        self._sessions = Sessions()
        self._key_sets = itertools.count(1)

    # --- what there is ------------------------------------------------------------------------

    @property
    def children(self) -> MutableMapping[Identity, dict[str, Any]]:
        """The children on the server: what a test changes, somebody has changed there."""
        return self.server.children

    @property
    def finalizers(self) -> tuple[str, ...]:
        return tuple(self.server.nested_docker["metadata"]["finalizers"]) if not self.gone else ()

    @finalizers.setter
    def finalizers(self, finalizers: tuple[str, ...]) -> None:
        self.server.write_finalizers(finalizers)

    @property
    def deleted(self) -> bool:
        return self.gone or "deletionTimestamp" in self.server.nested_docker["metadata"]

    @property
    def gone(self) -> bool:
        return self.server.location not in self.server.objects

    # --- what the operator does ---------------------------------------------------------------

    def observe(self, issued: KeySet | None = None) -> Observed:
        return self._observe(self._watched(), issued)

    def plan(self) -> Plan:
        """The next plan, with a new key set if it needs one."""
        return self._plan(self._watched())[1]

    def step(self) -> bool:
        """Plan once and carry it out; whether anything was written."""
        if self.gone:
            return False
        before, cache = self.writes, self._watched()
        planned = self._carry_out(cache)
        self._write_status(planned)
        if planned.delete_self:
            self.write()
            self.delete()
        if planned.probe is not None:
            self.probe_result = ProbeResult(planned.probe.pod_uid, planned.probe.restarts, ENGINE, timestamp(self.now))
            return True
        return self.writes > before

    def _carry_out(self, cache: Cache) -> Plan:
        """Carry plans out until one has nothing more to create or correct; that one."""
        deleted: set[Delete] = set()
        self._session.keys = self._session.admitted = None
        for _ in range(PLANS_PER_PASS):
            seen, planned = self._plan(cache, write_status=True)
            writes = [action for stage in planned.stages for action in stage]
            stages = tuple(tuple(each for each in stage if not _requested(each, deleted)) for stage in planned.stages)
            executor = Executor(self.server, cache, self._sessions, _WorldClock(self))
            outcome = _LOOP.run_until_complete(executor.run(seen, stages))
            assert outcome == Written(), "the plan was made from what the server has"
            deleted |= {action for action in writes if isinstance(action, Delete)}
            if not any(isinstance(action, Create | Apply) for action in writes):
                return planned
        raise AssertionError(f"after {PLANS_PER_PASS} plans there is still something to write: {planned.stages}")

    def _write_status(self, planned: Plan) -> None:
        if planned.status is not None:
            self.write()
            self.status = planned.status

    def settle(self, limit: int = 12) -> None:
        """Step, with pods that start at once, until nothing is written any more."""
        for _ in range(limit):
            self.run_pods()
            self.finish_deletions()
            cleaned = self.clean()
            if not self.step() and not cleaned:
                return
        raise AssertionError(f"not settled after {limit} steps: {self.plan()}")

    def write(self) -> None:
        """Count a write, before which the operator may be killed."""
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise Crashed
            self.writes_left -= 1
        self.writes += 1

    def restart_operator(self) -> None:
        """Forget what only the operator's process knows."""
        self._sessions = Sessions()

    # --- what somebody does -------------------------------------------------------------------

    def delete(self) -> None:
        """Delete the NestedDocker. Foreign finalizers go at once, and it goes with the last finalizer."""
        self.mark_deleted()
        self.strip(*({*self.finalizers} - {names.FINALIZER}))

    def mark_deleted(self) -> None:
        """Delete the NestedDocker, and leave its finalizers alone."""
        self.server.mark_deleted()

    def strip(self, *finalizers: str) -> None:
        """Remove finalizers of the NestedDocker."""
        self.finalizers = tuple(each for each in self.finalizers if each not in finalizers)

    def edit_secret(self, identity: Identity, key: str) -> None:
        """Change a value in a Secret."""
        self.children[identity].setdefault("data", {})[key] = base64.b64encode(b"edited").decode()

    def delete_namespace(self, name: str) -> None:
        """Begin to delete a pod namespace: everything in it goes, and nothing new comes in."""
        known = dict(self.base.pod_namespaces)
        known[name] = replace(known[name], terminating=True)
        self.base = replace(self.base, pod_namespaces=known)
        for identity in self.elsewhere():
            if identity.namespace == name:
                del self.children[identity]

    # --- what the cluster does ----------------------------------------------------------------

    def pod(self) -> dict[str, Any]:
        """The one pod that does not terminate."""
        (pod,) = [
            child
            for identity, child in self.children.items()
            if identity.kind == "Pod" and "deletionTimestamp" not in child["metadata"]
        ]
        return pod

    def run_pods(self) -> None:
        """Every pod that has no status yet runs, and its daemon is ready."""
        for identity, pod in self.children.items():
            if identity.kind == "Pod" and not pod["status"].get("phase") and "deletionTimestamp" not in pod["metadata"]:
                pod["spec"]["nodeName"] = self.node
                self.leftovers |= {self.node} if cleanup.needs_cleanup(pod) else set()
                pod["status"] = {"phase": "Running", "podIP": "10.0.0.7"}
                self.set_daemon(pod, state={"running": {"startedAt": "2026-03-01T12:00:01Z"}}, ready=True)

    def set_daemon(self, pod: dict[str, Any], **fields: Any) -> None:
        """Change the status of the daemon's container."""
        beside = "initContainerStatuses" if "initContainers" in pod["spec"] else "containerStatuses"
        before = next(iter(pod["status"].get(beside, [])), {"name": "daemon", "restartCount": 0})
        pod["status"][beside] = [before | fields]

    def end(self, pod: dict[str, Any], phase: str = "Failed") -> None:
        """A pod will never run again."""
        pod["status"]["phase"] = phase
        statuses = [*pod["status"].get("initContainerStatuses", []), *pod["status"].get("containerStatuses", [])]
        for status in statuses:
            running = status.get("state", {}).get("running")
            if running:
                status |= {"state": {"terminated": running | {"exitCode": 0}}, "ready": False}

    def finish_deletions(self) -> None:
        """What is deleted ends, and goes unless a finalizer keeps it."""
        for identity, child in [*self.children.items()]:
            if "deletionTimestamp" not in child["metadata"]:
                continue
            if identity.kind == "Pod" and child["spec"].get("nodeName"):
                self.end(child)
            if not child["metadata"].get("finalizers"):
                del self.children[identity]

    def clean(self) -> bool:
        """What the cleaner and the kubelets of its pods do until they are at rest; whether that is anything."""
        steps = 0
        while (taken := self._clean_once()) and steps < 20:
            steps += taken
        return steps > 0

    def pods_needing_cleanup(self) -> list[str]:
        """Names of pods whose nodes may need cleanup."""
        return sorted(identity.name for identity, _ in cleanup.pods_needing_cleanup(self.children.items()))

    def secret(self, name: str) -> dict[str, Any] | None:
        return self.children.get(Identity("Secret", self.base.owner.namespace, name))

    def key_secrets(self) -> list[Identity]:
        """The Secrets with a key set."""
        return [each for each in self.children if each.kind == "Secret" and each.name.endswith("-tls")]

    def key_secret(self) -> Identity:
        """The one Secret with a key set."""
        (found,) = self.key_secrets()
        return found

    def elsewhere(self) -> list[Identity]:
        """Children in other namespaces."""
        return sorted(identity for identity in self.children if identity.namespace != self.base.owner.namespace)

    def kinds(self) -> list[str]:
        return sorted(f"{identity.kind}/{identity.name}" for identity in self.children)

    def advance(self, **delta: float) -> None:
        self.now += timedelta(**delta)

    # --- within -------------------------------------------------------------------------------

    def _watched(self) -> Cache:
        """A cache as a new operator has it, after its watches have brought everything."""
        cache = Cache(self.defaults.cleanup_namespace)
        for (kind, _, _), obj in self.server.objects.items():
            cache.put(copy.deepcopy(obj), kind)
        return cache

    def _observe(self, cache: Cache, issued: KeySet | None) -> Observed:
        return replace(
            self.base,
            children={
                each: seen for each in self.children if (seen := cache.get(each.kind, each.namespace, each.name))
            },
            status=self.status,
            issued=issued,
            probe_result=self.probe_result,
            admitted=self._session.admitted,
            corrections=self._session.corrections,
            claim_users=claim_users(
                (child for each, child in self.children.items() if each.kind == "Pod"),
                names.data_claim_name(self.base.owner.name),
            ),
            finalizers=self.finalizers,
            deleted=self.deleted,
        )

    def _plan(self, cache: Cache, *, write_status: bool = False) -> tuple[Observed, Plan]:
        """What is seen, and the plan; the operator keeps no keys but those that it has made in this pass."""
        seen = self._observe(cache, None)
        credentials = _LOOP.run_until_complete(CredentialsReader(self.server).look(seen))
        seen = replace(seen, registry_credentials=credentials)
        planned = plan(seen, self.now, self.defaults)
        if planned.issue is not None:
            if write_status:
                self._write_status(planned)
            number = next(self._key_sets)
            keys = {key: f"{key}-{number}".encode() for key in pki.KEYS}
            self._session.keys = keys
            digests = {key: value_digest(value) for key, value in keys.items()}
            ends = planned.issue
            issued = KeySet(digests, ends.not_after, rotation=ends.rotation, server_not_after=ends.server_not_after)
            seen = replace(seen, issued=issued, status=self.status)
            planned = plan(seen, self.now, self.defaults)
        elif planned.renew is not None:
            seen = replace(seen, issued=self._renewed(seen, cache, planned.renew.not_after))
            planned = plan(seen, self.now, self.defaults)
        return seen, planned

    def _renewed(self, seen: Observed, cache: Cache, not_after: datetime) -> KeySet:
        """The key set with new pairs, without cryptography."""
        executor = Executor(self.server, cache, self._sessions, _WorldClock(self))
        keys, key_set, number = _LOOP.run_until_complete(executor.keys(seen)), seen.key_set(), next(self._key_sets)
        assert not isinstance(keys, Stale)
        assert key_set is not None
        keys = {**keys, **{key: f"{key}-{number}".encode() for key in pki.RENEWED}}
        self._session.keys = keys
        digests = {key: value_digest(value) for key, value in keys.items()}
        return replace(key_set, digests=digests, not_after=not_after)

    @property
    def _session(self) -> Session:
        return self._sessions.of((self.base.owner.namespace, self.base.owner.name))

    def _clean_once(self) -> bool:
        pods_needing_cleanup = cleanup.pods_needing_cleanup(self.children.items())
        owner = (self.base.owner.namespace, self.base.owner.name)
        for identity, pod in pods_needing_cleanup:
            mine = cleanup.identity(pod, self.defaults)
            step = cleanup.step(
                pod,
                self.cleanups.get(mine),
                owner=owner,
                others=[other for _, other in pods_needing_cleanup if other is not pod],
                node_exists=PodState(pod).node in self.base.cluster.nodes,
                now=self.now,
                defaults=self.defaults,
            )
            if isinstance(step, Start):
                self.write()
                self._remove_leftovers(PodState(pod).node)
                metadata = step.manifest["metadata"] | {"creationTimestamp": timestamp(self.now)}
                self.cleanups[mine] = step.manifest | {"metadata": metadata, "status": {"phase": "Succeeded"}}
            elif isinstance(step, ReleasePod):
                self._release_pod(identity, step.outcome)
            else:
                continue
            return True
        return False

    def _remove_leftovers(self, node: str) -> None:
        guarded = [PodState(pod) for _, pod in cleanup.pods_needing_cleanup(self.children.items())]
        living = [pod.name for pod in guarded if pod.node == node and not pod.ended]
        assert not living, f"what {living} have made on {node} would be removed"
        self.leftovers.discard(node)

    def _release_pod(self, identity: Identity, outcome: CleanupOutcome) -> None:
        self.write()
        self.outcome.append(outcome)
        metadata = self.children[identity]["metadata"]
        metadata["finalizers"] = [each for each in metadata["finalizers"] if each != names.FINALIZER]
        if "deletionTimestamp" in metadata and not metadata["finalizers"]:
            del self.children[identity]


class _WorldClock:
    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        return self._world.now

    def monotonic(self) -> float:
        return self._world.now.timestamp()


def _requested(action: Action, deleted: set[Delete]) -> bool:
    return isinstance(action, Delete) and action in deleted


class _Server(FakeKube):
    """The API server of a world, with its garbage collector. It asserts what every write of a plan must hold to."""

    def __init__(self, world: World) -> None:
        super().__init__(lambda: world.now)
        self._world, owner = world, world.base.owner
        self.location: Location = ("NestedDocker", owner.namespace, owner.name)
        self.children = _Children(self.objects)
        self.children.update(world.base.children)
        metadata = {"name": owner.name, "namespace": owner.namespace, "uid": owner.uid}
        finalizers = {"finalizers": [*world.base.finalizers]}
        head = {"apiVersion": API_VERSION, "kind": "NestedDocker", "metadata": metadata | finalizers}
        self._store("", self.location, head)

    @property
    def nested_docker(self) -> dict[str, Any]:
        return self.objects[self.location]

    def mark_deleted(self) -> None:
        if self.location in self.objects:
            self._mark_deleted(self.location)

    def write_finalizers(self, finalizers: tuple[str, ...]) -> None:
        """Somebody writes the finalizers of the NestedDocker."""
        if self.location not in self.objects:
            return
        metadata = self.nested_docker["metadata"] | {"finalizers": [*finalizers]}
        self._store("", self.location, self.nested_docker | {"metadata": metadata})
        if "deletionTimestamp" in metadata and not metadata["finalizers"]:
            self._drop(self.location)

    async def create(self, manifest: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        self._world.write()
        self._check(manifest)
        if manifest["kind"] == "Pod" and not dry_run:
            self._world.created_pods.append(self._world.now)
        return await super().create(manifest | ({"status": {}} if manifest["kind"] == "Pod" else {}), dry_run=dry_run)

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._world.write()
        self._check(manifest)
        assert self._place(manifest) in self.objects, "what does not exist is created"
        return await super().apply(manifest)

    async def set_finalizers(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._world.write()
        if names.FINALIZER not in manifest["metadata"]["finalizers"]:
            ours = dict(self._world.observe().ours())
            elsewhere = [each for each in self._world.elsewhere() if each in ours]
            assert all("deletionTimestamp" in ours[each]["metadata"] for each in elsewhere)
            assert cleanup.pods_needing_cleanup(ours.items()) == [], "nobody would wait for its nodes to be clean"
        return await super().set_finalizers(manifest)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        self._world.write()
        await super().delete(kind, namespace, name, uid)

    def _check(self, manifest: dict[str, Any]) -> None:
        identity, world = Identity.of(manifest), self._world
        if identity.namespace != world.base.owner.namespace:
            assert names.FINALIZER in world.finalizers, f"nothing would see to the end of {identity}"
            assert not world.base.pod_namespaces[identity.namespace].terminating
        if manifest["metadata"].get("finalizers"):
            assert names.FINALIZER in world.finalizers, f"nothing would wait for the node of {identity}"

    def _stays(self, obj: dict[str, Any]) -> bool:
        """A deleted pod terminates first."""
        return obj["kind"] == "Pod" or super()._stays(obj)

    def _drop(self, location: Location) -> None:
        """Remove an object, and by the garbage collector what it owned."""
        owner = self.objects[location]["metadata"].get("uid")
        super()._drop(location)
        for each, child in [*self.children.items()]:
            if owner not in [reference.get("uid") for reference in child["metadata"].get("ownerReferences", [])]:
                continue
            if each.kind == "Pod" or child["metadata"].get("finalizers"):
                self._mark_deleted((each.kind, each.namespace, each.name))
            else:
                del self.children[each]


class _Children(MutableMapping[Identity, dict[str, Any]]):
    """The objects of a server that may be children, by their identities."""

    def __init__(self, objects: dict[Location, dict[str, Any]]) -> None:
        self._objects = objects

    def __getitem__(self, identity: Identity) -> dict[str, Any]:
        return self._objects[identity.kind, identity.namespace, identity.name]

    def __setitem__(self, identity: Identity, obj: dict[str, Any]) -> None:
        self._objects[identity.kind, identity.namespace, identity.name] = obj

    def __delitem__(self, identity: Identity) -> None:
        del self._objects[identity.kind, identity.namespace, identity.name]

    def __iter__(self) -> Iterator[Identity]:
        return (Identity(*location) for location in self._objects if location[0] in CHILD_KINDS)

    def __len__(self) -> int:
        return sum(1 for _ in self)


# --- what many tests ask and do -----------------------------------------------------------------


def change(world: World, **fields: Any) -> None:
    """Change what governs the NestedDocker, or the NestedDocker."""
    world.base = replace(world.base, **fields)


def ready(world: World) -> tuple[str, str]:
    """Status and reason of the condition Ready."""
    condition = world.status.condition(Type.READY)
    assert condition is not None
    return condition.status.value, condition.reason


def message(world: World, type_: Type = Type.READY) -> str:
    """The message of a condition."""
    condition = world.status.condition(type_)
    assert condition is not None
    return condition.message


def shape(world: World) -> dict[str, Any]:
    """Everything there is, without what differs from run to run."""
    names_of_pods = {each.name: each.name[:-5] + "KEY" for each in world.children if each.kind == "Pod"}
    names_of_pods |= {each.name: each.name[:-9] + "KEY-tls" for each in world.key_secrets()}
    children = {
        (each.kind, each.namespace, names_of_pods.get(each.name, each.name)): {
            key: value for key, value in child["metadata"]["labels"].items() if key != names.LABEL_KEY_SET
        }
        for each, child in sorted(world.children.items())
    }
    status = world.status
    return {
        "children": children,
        "finalizers": world.finalizers,
        "ready": status and ready(world),
        "where": (status.pod_namespace, status.endpoint, bool(status.pod_name)),
    }


def crash(world: World, writes: int, act: Callable[[World], None]) -> None:
    """Have the operator killed after so many writes from now on, and start again."""
    world.writes_left = writes
    with contextlib.suppress(Crashed):
        act(world)
    world.writes_left = world.probe_result = None


EVERYTHING = [
    "NetworkPolicy/build",
    "Pod/*",
    f"Secret/{names.files_secret('build')}",
    f"Secret/{names.env_secret('build')}",
    "Secret/*-tls",
    "Service/build",
]
