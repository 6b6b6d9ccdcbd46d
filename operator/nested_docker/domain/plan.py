"""The plan: from what is asked for and what there is to what must be done next.

Pure and level-based: the same observation gives the same plan, whatever happened in between, and
a plan that was carried out in part is simply planned again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from nested_docker.api.meta import Status
from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.api.v1alpha1.engine import StorageType
from nested_docker.api.v1alpha1.nested_docker import BindingReference, EngineStatus
from nested_docker.api.v1alpha1.nested_docker_class import NetworkPolicyManagement
from nested_docker.api.v1alpha1.policy import ViolationAction
from nested_docker.domain import cleanup, life, names, pki
from nested_docker.domain.acceptance import Accepted, Rejected, accept, overstepping
from nested_docker.domain.children import Children, Conflict, Stage, nonempty
from nested_docker.domain.conditions import Conditions, timestamp
from nested_docker.domain.effective import Change, OperatorDefaults, Origin, first_change
from nested_docker.domain.manifests import secrets, storage
from nested_docker.domain.manifests.base import Identity, Manifest
from nested_docker.domain.manifests.network_policy import network_policy
from nested_docker.domain.manifests.pod import pod as pod_manifest
from nested_docker.domain.manifests.service import service
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.dockerd import CONTAINER
from nested_docker.domain.observed import KeySet, Observed, Ownership, Refusal
from nested_docker.domain.placement import Placement
from nested_docker.domain.pod_state import PodState
from nested_docker.domain.reachability import Reachability, judge
from nested_docker.domain.reasons import Reason, Type

DIAGNOSE_AFTER = timedelta(seconds=4)
"""How long a pod may start in silence before the kubelet's Events are asked."""

REPLACE_INTERVAL = timedelta(seconds=20)
"""Least time from the creation of a pod that ended by itself to its replacement, so that nothing spins."""


@dataclass(frozen=True)
class Dial:
    """A daemon to make first contact with."""

    pod_uid: str
    restarts: int
    address: str
    server_name: str


@dataclass(frozen=True)
class Plan:
    """What to do next.

    Attributes:
        issue: a key set to make before anything else; the plan is then made again with it.
        stages: groups of writes, one after the other; within a group in any order.
        status: the status to write; None: it stays as it is.
        dial: the daemon to make first contact with, in the background.
        diagnose: uid of a pod whose Events may say why it does not start.
        delete_self: the NestedDocker itself has outlived its time.
        requeue_at: when to plan again at the latest, if nothing happens.
    """

    issue: pki.CertificateRequest | None = None
    stages: tuple[Stage, ...] = ()
    status: NestedDockerStatus | None = None
    dial: Dial | None = None
    diagnose: str = ""
    delete_self: bool = False
    requeue_at: datetime | None = None


def plan(observed: Observed, now: datetime, defaults: OperatorDefaults) -> Plan:
    """Plan the next step of a NestedDocker."""
    if observed.deleted:
        return _farewell(observed, now, defaults)
    verdict = accept(observed, defaults)
    if isinstance(verdict, Rejected):
        # What has finished has had its grant, and its results are not taken back.
        return Plan() if observed.status.completion_time else _rejected(observed, verdict, now)
    return _Planner(observed, verdict, now, defaults).plan()


def _rejected(observed: Observed, verdict: Rejected, now: datetime) -> Plan:
    """Nothing half-made stays, and mending the input heals it."""
    conditions = Conditions(observed.status.conditions, generation=observed.generation, now=now)
    conditions.set(Type.ACCEPTED, Status.FALSE, verdict.reason, verdict.message)
    status = NestedDockerStatus(
        observed_generation=observed.generation,
        conditions=conditions.summed_up(),
        class_name=observed.status.class_name,
        mode=observed.status.mode,
    )
    return Plan(stages=Children(observed).teardown(), status=_if_changed(observed, status))


def _farewell(observed: Observed, now: datetime, defaults: OperatorDefaults) -> Plan:
    """Nothing is wanted any more, and nothing is judged; what stands in the way of the end is told."""
    children = Children(observed)
    if observed.refusal is not None:
        return Plan(status=_hindered(observed, observed.refusal, now))
    unclean = [pod for _, pod in children.owing]
    waits = Refusal(Reason.CLEANING_UP, cleanup.told(unclean[0], defaults)) if unclean else None
    return Plan(stages=children.farewell(), status=_hindered(observed, waits, now) if waits else None)


def _hindered(observed: Observed, hindrance: Refusal, now: datetime) -> NestedDockerStatus | None:
    """The status that says why a NestedDocker that is deleted is still there."""
    conditions = Conditions(observed.status.conditions, generation=observed.generation, now=now)
    conditions.set(Type.PROVISIONED, Status.FALSE, hindrance.reason, hindrance.message)
    return _if_changed(observed, observed.status.model_copy(update={"conditions": conditions.summed_up()}))


def _if_changed(observed: Observed, status: NestedDockerStatus) -> NestedDockerStatus | None:
    return None if status == observed.status else status


class _Planner:
    """One pass over an accepted NestedDocker."""

    def __init__(self, observed: Observed, accepted: Accepted, now: datetime, defaults: OperatorDefaults) -> None:
        self.observed, self.accepted, self.now, self.defaults = observed, accepted, now, defaults
        self.owner, self.effective = observed.owner, accepted.effective
        self.mode = MODES[self.effective.mode]
        self.manages_network = accepted.offered.network_policy == NetworkPolicyManagement.MANAGED
        self.wanted = Placement(self.owner, self.effective.pod_namespace or "")
        self.placement = observed.place or self.wanted
        self.children = Children(observed)
        self.conditions = Conditions(observed.status.conditions, generation=observed.generation, now=now)
        self.conditions.set(Type.ACCEPTED, Status.TRUE, accepted.reason, accepted.message)
        self.key_set = observed.key_set()
        self.pod = self._current_pod()

    def plan(self) -> Plan:
        """The next step."""
        ending = life.ending(self.observed, self.accepted, self.pod, self.now)
        if ending is not None:
            return self._ended(ending)
        if self.accepted.spec.suspend:
            self.conditions.set(Type.READY, Status.FALSE, Reason.SUSPENDED, "spec.suspend is true")
            status = _if_changed(self.observed, self._status(serving=False))
            return Plan(stages=self.children.teardown(), status=status)
        if self.observed.refusal is not None:
            return self._refused()
        renewal = self._must_renew()
        if self.pod is None or renewal:
            hindered = self._no_new_pod()
            if hindered is not None:
                return hindered
        if renewal:
            return self._renew()
        assert self.key_set is not None  # noqa: S101 - narrows the type: no key set means renewal
        return self._serve(self.key_set)

    def _no_new_pod(self) -> Plan | None:
        """What is to be done instead, where no pod may be made although one that runs may go on; None: one may."""
        if self.placement != self.wanted:  # to leave is all that is done here: the next plan has nothing to heed
            return Plan(stages=self.children.teardown())
        if self.accepted.reason == Reason.GRANT_LOST:
            rejected: Rejected | None = Rejected(Reason.NO_POLICY, self.accepted.message)
        else:
            rejected = overstepping(self.observed, self.accepted, self.defaults)
        return None if rejected is None else _rejected(self.observed, rejected, self.now)

    # --- without a daemon ---------------------------------------------------------------------

    def _ended(self, ending: life.Ending) -> Plan:
        completion = self.observed.status.completion_time or timestamp(self.now)
        until = life.time_to_live(self.accepted, completion)
        if until is not None and until <= self.now:
            return Plan(delete_self=True)
        completed = ending.reason == Reason.COMPLETED
        self.conditions.set(Type.READY, _status(completed), ending.reason, ending.message)
        if life.one_shot(self.accepted):
            self.conditions.set(Type.COMPLETE if completed else Type.FAILED, Status.TRUE, ending.reason, ending.message)
        status = self._status(serving=False).model_copy(
            update={"completion_time": completion, "results": ending.results}
        )
        return Plan(
            stages=self.children.teardown(keep_pods=ending.keeps_pod),
            status=_if_changed(self.observed, status),
            requeue_at=until,
        )

    def _refused(self) -> Plan:
        """The API server has said no: what was made goes, and the answer is told in its own words."""
        refusal = self.observed.refusal
        assert refusal is not None  # noqa: S101 - narrows the type: the caller has looked
        self.conditions.set(Type.PROVISIONED, Status.FALSE, refusal.reason, refusal.message)
        return Plan(stages=self.children.teardown(), status=_if_changed(self.observed, self._status(serving=False)))

    def _renew(self) -> Plan:
        hold = self.pod.created + REPLACE_INTERVAL if self.pod is not None and self.pod.ended else self.now
        if hold <= self.now:
            return Plan(
                issue=pki.certificate_request(
                    self.placement,
                    cluster_domain=self.defaults.cluster_domain,
                    now=self.now,
                    deadline=life.deadline(self.observed, self.accepted),
                )
            )
        why = self.pod.ending() if self.pod else ""
        self.conditions.set(
            Type.PROVISIONED,
            Status.FALSE,
            Reason.POD_LOST,
            f"the pod ended soon after its start ({why}); another one is made at {timestamp(hold)}",
        )
        return Plan(
            stages=nonempty(self.children.withdraw()),
            status=_if_changed(self.observed, self._status(serving=True)),
            requeue_at=hold,
        )

    # --- with a daemon ------------------------------------------------------------------------

    def _current_pod(self) -> PodState | None:
        if self.key_set is None:
            return None
        expected = self.placement.pod(self.key_set.id)
        return next((PodState(pod) for identity, pod in self.observed.ours() if identity == expected), None)

    def _must_renew(self) -> bool:
        """Whether the key set, and the pod that serves with it, must give way to new ones."""
        if self.key_set is None:
            return True
        if self.pod is None or self.observed.issued is not None:
            return False
        change = self._change()
        return (
            self.pod.terminating
            or self.pod.ended
            or (change is not None and self._takes_effect_at_once(change))
            or self._restart_asked()
            or self._image_was_changed(change)
            or self.key_set.not_after - self.now < pki.MARGIN / 2
        )

    def _change(self) -> Change | None:
        if self.pod is None:
            return None
        return first_change(self._annotations().get(names.ANNOTATION_EFFECTIVE, ""), self.effective)

    def _takes_effect_at_once(self, change: Change) -> bool:
        """What the user wants does, and what policy wants unless it only reports; the class's word waits."""
        policy = self.observed.policies.get(self.accepted.policy)
        reports = policy is not None and policy.on_violation == ViolationAction.REPORT
        return change.origin == Origin.SPEC or (change.origin == Origin.POLICY and not reports)

    def _annotations(self) -> dict[str, str]:
        annotations: dict[str, str] = self.pod.manifest["metadata"].get("annotations", {}) if self.pod else {}
        return annotations

    def _restart_asked(self) -> bool:
        wanted = self.observed.annotations.get(names.ANNOTATION_RESTART)
        return wanted is not None and wanted != self._annotations().get(names.ANNOTATION_RESTART)

    def _image_was_changed(self, change: Change | None) -> bool:
        """Whether somebody has patched an image of the running pod, the one part of it that can be."""
        if self.pod is None or change is not None:
            return False
        workload = self.effective.workload
        wanted = {container.name: container.image for container in workload.containers} if workload else {}
        if self.mode.keeps_data:
            wanted[CONTAINER] = self.effective.engine.image or ""
        spec = self.pod.manifest.get("spec", {})
        present = {
            item["name"]: item["image"] for key in ("initContainers", "containers") for item in spec.get(key, [])
        }
        return any(present.get(name, image) != image for name, image in wanted.items())

    def _serve(self, key_set: KeySet) -> Plan:
        conflict = self.children.conflict(self._names_needed())
        if conflict is not None:
            return self._in_conflict(conflict)
        unclean = self._unclean()
        stages = self._provision(key_set, waits=unclean is not None or self._must_wait_for_old_pod())
        if unclean is None:
            self.conditions.set(Type.PROVISIONED, Status.TRUE, Reason.PROVISIONED, "every object exists")
        else:
            self.conditions.set(
                Type.PROVISIONED, Status.FALSE, Reason.CLEANING_UP, cleanup.told(unclean, self.defaults)
            )
        reach = judge(self.observed, self.pod, self.mode)
        self.conditions.set(Type.DAEMON_REACHABLE, _status(reach.reachable), reach.reason, reach.message)
        self._tell_pending_update(key_set)
        template = self.accepted.spec.connection.secret_template
        if reach.contact:
            stages += nonempty(
                self.children.ensure(secrets.env(self.placement, template, self.mode.client_env(self.effective))),
                self.children.ensure(secrets.files(self.placement, template, reach.contact)),
            )
        else:
            stages = nonempty(self.children.withdraw()) + stages
        return Plan(
            stages=nonempty(*((self.children.hold(),) if self._must_outlive() else ()), *stages, *self._release()),
            status=_if_changed(self.observed, self._status(serving=True, reach=reach)),
            dial=self._dial(reach),
            diagnose=self._diagnose(),
            requeue_at=self._next_look(key_set),
        )

    def _provision(self, key_set: KeySet, *, waits: bool) -> tuple[Stage, ...]:
        """Everything but the connection Secrets, and the pod if it waits; the key set before what mounts it."""
        placement = self.placement
        context = PodContext(placement, self.effective, self.defaults)
        spec = self.accepted.spec
        claim = storage.data_claim(placement, self.effective.storage) if self.mode.keeps_data else None
        peers = network_policy(placement, spec.connection.clients, self.defaults.operator_namespace)
        restart = self.observed.annotations.get(names.ANNOTATION_RESTART)
        wanted_pod = None if waits else pod_manifest(context, self.mode, key_set.id, restart)
        return nonempty(
            self.children.ensure(claim, secrets.tls(placement, key_set.id, timestamp(key_set.not_after))),
            self.children.remove_pods(but=placement.pod(key_set.id))
            + self.children.leave_others(placement)
            + self.children.ensure(wanted_pod, service(placement, key_set.id), peers if self.manages_network else None)
            + (() if self.manages_network else self.children.remove(placement.network_policy)),
        )

    def _must_outlive(self) -> bool:
        """Whether something of it is where no owner reference leads."""
        return self.placement.away or self.mode.leaves_siblings(self.effective)

    def _release(self) -> tuple[Stage, ...]:
        """Once everything is where the garbage collector looks the finalizer has served its turn."""
        return () if self._must_outlive() else nonempty(self.children.release())

    def _must_wait_for_old_pod(self) -> bool:
        """Two daemons on one data-root corrupt it, so a claim's next pod waits until the last one is gone."""
        kept = self.mode.keeps_data and self.effective.storage.type == StorageType.CLAIM
        here = {(identity.kind, identity.namespace) for identity, _ in self.observed.ours()}
        return kept and self.pod is None and ("Pod", self.placement.namespace) in here

    def _unclean(self) -> Manifest | None:
        """An old pod that is to be cleaned up after before the next one starts with nothing; None: there is none.

        A node that does not answer is not waited for. It gets no new pod either, as long as it does not.
        """
        if self.pod is not None or not self.mode.leaves_siblings(self.effective):
            return None
        return next((pod for _, pod in self.children.owing if self._may_be_cleaned(PodState(pod))), None)

    def _may_be_cleaned(self, pod: PodState) -> bool:
        node = self.observed.cluster.nodes.get(pod.node)
        return not pod.node or (node is not None and node.ready)

    def _names_needed(self) -> list[Identity]:
        """Every name that must be ours before the daemon can serve, those included that are made last."""
        place = self.placement
        needed = [place.service, place.tls_secret, place.env_secret, place.files_secret]
        if self.manages_network:
            needed.append(place.network_policy)
        if self.effective.storage.type == StorageType.CLAIM:
            needed.append(place.data_claim)
        return needed

    def _in_conflict(self, conflict: Conflict) -> Plan:
        subject = f"{conflict.identity.kind} {conflict.identity.name}"
        if conflict.ownership == Ownership.PREVIOUS:
            reason, message = (
                Reason.WAITING_FOR_PREVIOUS,
                f"{subject} is {conflict.ownership.value} and still going",
            )
        else:
            reason = Reason.NAME_CONFLICT
            message = (
                f"{subject} is {conflict.ownership.value} and is left alone: delete or rename it, or give the "
                "NestedDocker another name"
            )
        self.conditions.set(Type.PROVISIONED, Status.FALSE, reason, message)
        stages = () if reason == Reason.WAITING_FOR_PREVIOUS else self.children.teardown()
        return Plan(stages=stages, status=_if_changed(self.observed, self._status(serving=False)))

    def _tell_pending_update(self, key_set: KeySet) -> None:
        change = self._change()
        how = f"kubectl annotate nesteddocker {self.owner.name} {names.ANNOTATION_RESTART}=$(date +%s) --overwrite"
        if change is not None:
            who = "its policy" if change.origin == Origin.POLICY else "the class"
            message = f"{who} now asks for another {change.path}; the pod keeps its own until you run: {how}"
            self.conditions.set(Type.UPDATE_PENDING, Status.TRUE, Reason.CLASS_CHANGED, message)
        elif life.deadline(self.observed, self.accepted) is None and key_set.not_after - self.now < pki.RENEW_BEFORE:
            message = f"the certificates end at {timestamp(key_set.not_after)}, and with them the pod; sooner: {how}"
            self.conditions.set(Type.UPDATE_PENDING, Status.TRUE, Reason.CERTIFICATE_EXPIRING, message)

    def _dial(self, reach: Reachability) -> Dial | None:
        if self.pod is None or not reach.wants_contact:
            return None
        return Dial(self.pod.uid, self.pod.restarts, self.pod.ip, self.placement.host)

    def _silent_since(self) -> datetime | None:
        return self.pod.created if self.pod is not None and self.pod.waits_silently else None

    def _diagnose(self) -> str:
        since = self._silent_since()
        return self.pod.uid if self.pod and since and self.now - since >= DIAGNOSE_AFTER else ""

    def _next_look(self, key_set: KeySet) -> datetime | None:
        since = self._silent_since()
        moments = [
            life.deadline(self.observed, self.accepted),
            key_set.not_after - pki.RENEW_BEFORE,
            key_set.not_after - pki.MARGIN / 2,
            since + DIAGNOSE_AFTER if since else None,
        ]
        return min((moment for moment in moments if moment and moment > self.now), default=None)

    # --- status -------------------------------------------------------------------------------

    def _status(self, *, serving: bool, reach: Reachability | None = None) -> NestedDockerStatus:
        """The whole status.

        What the node and the daemon tell is taken over at contact, not piece by piece while the
        pod starts: that would be a write for each step.
        """
        end = life.deadline(self.observed, self.accepted)
        engine = self._engine(reach)
        pod = self.pod if serving else None
        return NestedDockerStatus(
            observed_generation=self.observed.generation,
            conditions=self.conditions.summed_up(),
            binding=BindingReference(name=self.placement.files_secret.name) if serving else None,
            endpoint=self.placement.endpoint if serving else "",
            class_name=self.accepted.class_name,
            mode=self.effective.mode,
            policy_name=self.accepted.policy,
            pod_namespace=self.placement.pod_namespace if serving else "",
            pod_name=self.placement.pod(self.key_set.id).name if serving and self.key_set else "",
            node_name=pod.node if pod and engine else "",
            engine=engine,
            isolation=self.mode.isolation,
            hazards=list(self.mode.hazards(self.effective, engine)),
            expiration_time=timestamp(end) if end else None,
            certificate_expiration_time=(
                timestamp(self.key_set.not_after) if serving and self.key_set is not None else None
            ),
        )

    def _engine(self, reach: Reachability | None) -> EngineStatus | None:
        if reach is None or not reach.contact:
            return None
        return self.observed.contact.engine if reach.fresh and self.observed.contact else self.observed.status.engine


def _status(holds: bool) -> Status:  # noqa: FBT001 - the condition itself
    return Status.TRUE if holds else Status.FALSE
