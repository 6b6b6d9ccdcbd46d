"""A world in memory: it carries plans out as a cluster would, one write at a time."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.unit.factory import DEFAULTS, NOW, observed

from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.controller.trim import trim
from nested_docker.domain import names, pki
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.manifests.secrets import SecretManifest
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import DATA_DIGESTS, KeySet, Observed, ProbeResult
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.child_diff import Action, AddFinalizer, Apply, Create, Delete, RemoveFinalizer
from nested_docker.domain.planning.node_cleanup import CleanupOutcome, ReleasePod, Start
from nested_docker.domain.planning.plan import plan
from nested_docker.domain.planning.planned import Plan
from nested_docker.domain.planning.pod_state import PodState

ENGINE = EngineStatus(
    version="28.5.2", api_version="1.51", storage_driver="overlay2", backing_filesystem="extfs", cgroup_version="2"
)


class Crashed(Exception):
    """The operator was killed."""


class World:
    """One NestedDocker and its children. `writes_left` kills the operator after that many writes.

    Attributes:
        gone: whether the NestedDocker is no more.
        cleanups: pods that clean nodes up; they succeed at once.
        settled: how pods have come to be let go.
        node: where pods run from now on.
        leftovers: nodes on which something of a guarded pod's may be left.
    """

    def __init__(self, spec: dict[str, Any] | None = None, **fields: Any) -> None:
        self.base = observed(spec, **fields)
        self.children: dict[Identity, dict[str, Any]] = dict(self.base.children)
        self.cleanups: dict[Identity, dict[str, Any]] = {}
        self.outcome: list[CleanupOutcome] = []
        self.node = "node-1"
        self.leftovers: set[str] = set()
        self.status = NestedDockerStatus()
        self.now = NOW
        self.defaults: OperatorDefaults = DEFAULTS
        self.probe_result: ProbeResult | None = None
        self.finalizers = self.base.finalizers
        self.deleted = False
        self.gone = False
        self.writes = 0
        self.writes_left: int | None = None
        self._issued: KeySet | None = None
        self._numbers = itertools.count(1)
        self._key_sets = itertools.count(1)

    # --- what the engine does -----------------------------------------------------------------

    def observe(self, issued: KeySet | None = None) -> Observed:
        return replace(
            self.base,
            children=copy.deepcopy(self.children),
            status=self.status,
            issued=issued,
            probe_result=self.probe_result,
            finalizers=self.finalizers,
            deleted=self.deleted,
        )

    def plan(self) -> Plan:
        """The next plan, with a key set made where it asks for one."""
        self._issued = None
        planned = plan(self.observe(), self.now, self.defaults)
        if planned.issue is not None:
            number = next(self._key_sets)
            issued = KeySet({key: f"{key}-{number}" for key in pki.KEYS}, planned.issue.not_after)
            planned = plan(self.observe(issued), self.now, self.defaults)
            self._issued = issued
        return planned

    def step(self) -> bool:
        """Plan once and carry it out; whether anything was written."""
        if self.gone:
            return False
        before = self.writes
        planned = self.plan()
        for stage in planned.stages:
            for action in stage:
                self._write()
                self._carry_out(action)
        if planned.status is not None:
            self._write()
            self.status = planned.status
        if planned.delete_self:
            self._write()
            self.delete()
        if planned.probe is not None:
            self.probe_result = ProbeResult(planned.probe.pod_uid, planned.probe.restarts, ENGINE)
            return True
        return self.writes > before

    def settle(self, limit: int = 12) -> None:
        """Step, with pods that start at once, until nothing is written any more."""
        for _ in range(limit):
            self.run_pods()
            self.finish_deletions()
            cleaned = self.clean()
            if not self.step() and not cleaned:
                return
        raise AssertionError(f"not settled after {limit} steps: {self.plan()}")

    # --- what somebody does ---------------------------------------------------------------------

    def delete(self) -> None:
        """Delete the NestedDocker, which goes as soon as it has no finalizer."""
        self.deleted = True
        self.strip(*({*self.finalizers} - {names.FINALIZER}))

    def strip(self, *finalizers: str) -> None:
        """Take finalizers off."""
        self._set_finalizers(tuple(each for each in self.finalizers if each not in finalizers))

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
        """The one pod that is not on its way out."""
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
        """Names of pods that something may be left of on their nodes."""
        return sorted(identity.name for identity, _ in cleanup.pods_needing_cleanup(self.children.items()))

    def secret(self, name: str) -> dict[str, Any] | None:
        return self.children.get(Identity("Secret", self.base.owner.namespace, name))

    def elsewhere(self) -> list[Identity]:
        """Children in other namespaces."""
        return sorted(identity for identity in self.children if identity.namespace != self.base.owner.namespace)

    def kinds(self) -> list[str]:
        return sorted(f"{identity.kind}/{identity.name}" for identity in self.children)

    def advance(self, **delta: float) -> None:
        self.now += timedelta(**delta)

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
                self._write()
                self._remove_leftovers(PodState(pod).node)
                metadata = step.manifest["metadata"] | {"creationTimestamp": _stamp(self.now)}
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
        self._write()
        self.outcome.append(outcome)
        metadata = self.children[identity]["metadata"]
        metadata["finalizers"] = [each for each in metadata["finalizers"] if each != names.FINALIZER]
        if "deletionTimestamp" in metadata and not metadata["finalizers"]:
            del self.children[identity]

    def _write(self) -> None:
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise Crashed
            self.writes_left -= 1
        self.writes += 1

    def _set_finalizers(self, finalizers: tuple[str, ...]) -> None:
        self.finalizers = finalizers
        if self.deleted and not finalizers and not self.gone:
            self.gone = True
            owned = [each for each, child in self.children.items() if child["metadata"].get("ownerReferences")]
            for identity in owned:
                if self.children[identity]["metadata"].get("finalizers"):
                    self.children[identity]["metadata"]["deletionTimestamp"] = _stamp(self.now)
                else:
                    del self.children[identity]

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, AddFinalizer | RemoveFinalizer):
            assert not self.deleted or isinstance(action, RemoveFinalizer), "a deleted object takes no new finalizers"
            if isinstance(action, RemoveFinalizer):
                ours = dict(self.observe().ours())
                assert all("deletionTimestamp" in ours[each]["metadata"] for each in self.elsewhere() if each in ours)
                assert cleanup.pods_needing_cleanup(ours.items()) == [], "nobody would wait for its nodes to be clean"
            self._set_finalizers(action.finalizers)
            return
        if isinstance(action, Delete):
            child = self.children.get(action.identity)
            if child is not None and child["metadata"]["uid"] == action.uid:
                if action.identity.kind == "Pod":
                    child["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
                else:
                    del self.children[action.identity]
            return
        manifest = action.desired.manifest if isinstance(action.desired, SecretManifest) else action.desired
        identity = Identity.of(manifest)
        if identity.namespace != self.base.owner.namespace:
            assert names.FINALIZER in self.finalizers, f"nothing would see to the end of {identity}"
            assert not self.base.pod_namespaces[identity.namespace].terminating
        if manifest["metadata"].get("finalizers"):
            assert names.FINALIZER in self.finalizers, f"nothing would wait for the node of {identity}"
        assert isinstance(action, Apply) == (identity in self.children), f"{action} on {self.kinds()}"
        self.children[identity] = self._merged(identity, manifest, action)

    def _merged(self, identity: Identity, manifest: dict[str, Any], action: Create | Apply) -> dict[str, Any]:
        existing = self.children.get(identity)
        stored = trim(copy.deepcopy(manifest), identity.kind)
        metadata = stored["metadata"] | {"uid": f"uid-{next(self._numbers)}", "creationTimestamp": _stamp(self.now)}
        if existing is not None:
            metadata |= {key: existing["metadata"][key] for key in ("uid", "creationTimestamp")}
        if isinstance(action.desired, SecretManifest):
            key_set = self.observe(self._issued).key_set()
            stored[DATA_DIGESTS] = action.desired.digests(dict(key_set.digests) if key_set else {})
        if existing is not None and identity.kind == "Pod":
            return existing | {"metadata": existing["metadata"] | metadata}
        return stored | {"metadata": metadata}


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


EVERYTHING = [
    "NetworkPolicy/build",
    "Pod/*",
    f"Secret/{names.files_secret('build')}",
    f"Secret/{names.env_secret('build')}",
    f"Secret/{names.tls_secret('build')}",
    "Service/build",
]
