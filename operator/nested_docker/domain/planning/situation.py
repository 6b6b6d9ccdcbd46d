"""The facts about an accepted NestedDocker that decisions use, each derived once and never changed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from nested_docker.api.meta import Status
from nested_docker.api.v1alpha1.engine import StorageType
from nested_docker.api.v1alpha1.nested_docker import AdmittedPod, LostPod, Replacement
from nested_docker.api.v1alpha1.nested_docker_class import Evictions, NetworkPolicyManagement
from nested_docker.api.v1alpha1.policy import PublishedPorts, ViolationAction
from nested_docker.domain import names, pki
from nested_docker.domain.admission.acceptance import Accepted
from nested_docker.domain.effective import Change, EffectiveSpec, OperatorDefaults, Origin, first_change
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.manifests.pod import pod as pod_manifest
from nested_docker.domain.modes import MODES, ModeBehaviour
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.dockerd import CONTAINER
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity, Manifest
from nested_docker.domain.observed import ApiRejection, Observed, Ownership
from nested_docker.domain.planning import lifetime, patience
from nested_docker.domain.planning.admitted import admitted, allows, images_of, same_image, were_changed
from nested_docker.domain.planning.child_diff import ChildDiff, Conflict, describe_conflict
from nested_docker.domain.planning.loss import why_lost
from nested_docker.domain.planning.patience import Grace
from nested_docker.domain.planning.pod_state import PodState
from nested_docker.domain.planning.replacement import (
    LOSSES,
    REVOKED,
    ROW_ENDS,
    SERVES_ON,
    Cause,
    cause_of,
    made,
    next_replacement,
)
from nested_docker.domain.shown import shorten
from nested_docker.domain.status.conditions import parse_timestamp, timestamp
from nested_docker.domain.status.reasons import Reason, Type

REASON_LENGTH, LOST_MESSAGE_LENGTH = 63, 1023
"""Characters of why a pod was lost: with the ellipsis, as many as the status may have."""


@dataclass(frozen=True)
class Situation:
    """The request, the observed objects, and what follows from both without any decision."""

    observed: Observed
    accepted: Accepted
    now: datetime
    defaults: OperatorDefaults

    @property
    def effective(self) -> EffectiveSpec:
        """The effective spec."""
        return self.accepted.effective

    @property
    def mode(self) -> ModeBehaviour:
        """The behaviour of the mode."""
        return MODES[self.effective.mode]

    @property
    def manages_network(self) -> bool:
        """Whether the operator manages the NetworkPolicy."""
        return self.accepted.class_spec.network_policy == NetworkPolicyManagement.MANAGED

    @property
    def evictions_denied(self) -> bool:
        """Whether a PodDisruptionBudget keeps the pod on its node."""
        return self.accepted.class_spec.evictions == Evictions.DENIED

    @property
    def published_ports(self) -> bool:
        """Whether clients may reach the ports that containers publish in the pod."""
        policy = self.observed.policies.get(self.accepted.policy)
        return self.mode.runs_own_daemon and (policy is None or policy.published_ports == PublishedPorts.ALLOWED)

    @cached_property
    def wanted(self) -> ObjectNames:
        """Names of the objects where the class wants the daemon now."""
        return ObjectNames(self.observed.owner, self.effective.pod_namespace or "")

    @cached_property
    def object_names(self) -> ObjectNames:
        """Names of the objects where the daemon is, or will be."""
        return self.observed.location or self.wanted

    @cached_property
    def children(self) -> ChildDiff:
        """The writes between the observed and the desired objects."""
        return ChildDiff(self.observed)

    @cached_property
    def key_set(self) -> KeySet | None:
        """The key set in force."""
        return self.observed.key_set()

    @cached_property
    def pod(self) -> PodState | None:
        """The pod of the key set in force."""
        if self.key_set is None:
            return None
        expected = self.object_names.pod(self.key_set.id)
        return next((PodState(pod) for identity, pod in self.observed.ours() if identity == expected), None)

    @cached_property
    def change(self) -> Change | None:
        """The first difference between the running pod and the effective spec."""
        return first_change(self._annotations.get(names.ANNOTATION_EFFECTIVE, ""), self.effective) if self.pod else None

    @cached_property
    def deadline(self) -> datetime | None:
        """When the daemon is stopped at the latest."""
        return lifetime.deadline(self.observed, self.accepted)

    @property
    def rotation(self) -> str:
        """What tells the wanted certificate authority from the NestedDocker's earlier ones.

        Who removes the annotation keeps the authority as long as the key set exists; then the first one returns.
        """
        present = self.key_set.rotation if self.key_set else ""
        return self.observed.annotations.get(names.ANNOTATION_ROTATE_AUTHORITY) or present

    @cached_property
    def renewal(self) -> datetime | None:
        """Until when new pairs of client and operator would be valid; None: the present ones stay.

        What only runs on, although no policy grants it any longer, gets none.
        """
        key_set = self.key_set
        if key_set is None or self.observed.issued is not None:
            return None
        failed = self.observed.failed_renewal
        if failed is not None and failed.key_set == key_set.id and self.now < failed.until:
            return None
        if self.accepted.reason == Reason.GRANT_REVOKED:
            return None
        until = min(pki.pairs_expiry(self.now, self.deadline), key_set.server_not_after)
        due = key_set.not_after - self.now < pki.RENEW_BEFORE
        return until if due and until > key_set.not_after else None

    @property
    def must_rotate(self) -> bool:
        """Whether the key set and its pod must be created or replaced."""
        return self.key_set is None or (self.cause is not None and self.grace is None)

    @cached_property
    def cause(self) -> Cause | None:
        """Why the pod must be replaced; None: it need not, or there was none yet."""
        if self.observed.issued is not None:
            return None
        planned = self.observed.status.replacement
        if self.key_set is None:
            if planned is not None and planned.pod_name:
                return cause_of(planned)
            return Cause.KEY_SET_LOST if self.pod_name else None
        if self.pod is None:
            was_there = self.observed.status.admitted_pod is not None and self.pod_name == self.observed.status.pod_name
            was_there = was_there or self.pod_was_created
            waits = planned is not None and planned.pod_name == self.pod_name
            return Cause.POD_DELETED if was_there or waits else None
        return self._cause_with(self.pod, self.key_set)

    @property
    def pod_was_created(self) -> bool:
        """Whether the operator has created the current pod in this process, whatever has become of it since."""
        return self.key_set is not None and self.object_names.pod(self.key_set.id) in self.observed.made

    @cached_property
    def grace(self) -> Grace | None:
        """How long the pod may go on as it is although policy no longer grants that; None: it may not, or need not."""
        stored, pod = self.observed.status.admitted_pod, self.pod
        if self.cause not in REVOKED or pod is None or stored is None or stored.uid != pod.uid:
            return None
        served = self.observed.status.holds(Type.READY)
        return patience.grace(self.observed, self.now, self.defaults) if served else None

    @property
    def pod_name(self) -> str:
        """Name of the current pod, there or not; empty: there was none yet."""
        return self.object_names.pod(self.key_set.id).name if self.key_set else self.observed.status.pod_name

    @cached_property
    def replacement(self) -> Replacement | None:
        """The replacement that is due now or later; None: nothing is replaced."""
        return None if self.cause is None or self.grace is not None else self.next_replacement(self.cause)

    @property
    def latest_replacement(self) -> Replacement | None:
        """The replacement that status has."""
        before = self.observed.status.replacement
        return self.replacement or (before if self.pod is None else made(before, self.pod_name))

    @cached_property
    def lost_pod(self) -> LostPod | None:
        """The pod that was lost last, now or earlier; one that the operator itself deletes is not lost."""
        known, replacement = self.observed.status.lost_pod, self.replacement
        if replacement is None or self.cause not in LOSSES or cause_of(replacement) not in LOSSES | SERVES_ON:
            return known
        if known is not None and known.name == self.pod_name:
            return known
        pod = self.pod or self._departed
        node = pod.node if pod is not None else self.observed.status.node_name
        nodes = self.observed.cluster.nodes
        reason, message = why_lost(pod, node, node_exists=node in nodes or not nodes)
        return LostPod(
            name=self.pod_name,
            node_name=node,
            reason=shorten(reason, REASON_LENGTH),
            message=shorten(message, LOST_MESSAGE_LENGTH),
            time=timestamp(self.now),
        )

    def next_replacement(self, cause: Cause) -> Replacement:
        """The replacement of the current pod for that cause."""
        interval = timedelta(seconds=self.defaults.replace_seconds)
        earliest = self.now
        if cause == Cause.POD_ENDED and self.pod is not None:
            earliest = self.pod.created + interval
        elif cause == Cause.WRITE_REJECTED:
            earliest = self.now + interval
        before = self.observed.status.replacement
        return next_replacement(
            before,
            cause,
            self.pod_name or (before.pod_name if before else ""),
            self._inputs,
            now=self.now,
            earliest=earliest,
            interval=interval,
            was_steady=self._was_steady,
        )

    @cached_property
    def admitted(self) -> AdmittedPod | None:
        """The pod as the API server stored it at creation; None: the answer was lost, and the pod has other images.

        If the answer was lost and the pod has the images that the operator asked for, nobody has changed them.
        """
        if self.pod is None:
            return None
        return self._admitted_then(self.pod) or self._admitted_as_asked(self.pod)

    @cached_property
    def image_not_allowed(self) -> tuple[str, str, str] | None:
        """A container, its image, and the one asked for, if the policy does not allow what was stored instead."""
        policy = self.observed.policies.get(self.accepted.policy)
        if self.admitted is None or self.change is not None or policy is None:
            return None
        if policy.on_violation == ViolationAction.REPORT and self.observed.status.holds(Type.DAEMON_REACHABLE):
            return None
        stored = self.admitted.images
        return next(
            (
                (name, stored[name], asked)
                for name, asked in self._wanted_images.items()
                if name in stored
                and not same_image(stored[name], asked)
                and not allows(policy.allowed_images if name == CONTAINER else policy.workload.images, stored[name])
            ),
            None,
        )

    @property
    def outlives_owner(self) -> bool:
        """Whether it has something that the garbage collector does not remove."""
        return self.object_names.remote or self.mode.needs_node_cleanup(self.effective)

    @cached_property
    def claim_user(self) -> str:
        """Name of a pod that still uses the claim of the next pod, which therefore waits; empty: none is known.

        Two daemons on one data-root corrupt it, whoever created them.
        """
        if not self._next_pod_has_claim:
            return ""
        ours = (
            each.name
            for each, pod in self.children.pods().items()
            if each.namespace == self.object_names.namespace and not pod.ended
        )
        others = (name for name in self.observed.claim_users or () if name != self.pod_name)
        return next(itertools.chain(ours, others), "")

    @property
    def unchecked_claim(self) -> Identity | None:
        """The claim of the next pod, if nobody has looked yet which pods use it."""
        unchecked = self._next_pod_has_claim and not self.claim_user and self.observed.claim_users is None
        return self.object_names.data_claim if unchecked else None

    @property
    def _has_claim(self) -> bool:
        return self.mode.runs_own_daemon and self.effective.storage.type == StorageType.CLAIM

    @property
    def _next_pod_has_claim(self) -> bool:
        return self._has_claim and self.pod is None

    @cached_property
    def unclean(self) -> Manifest | None:
        """An old pod whose node is cleaned before the next pod starts, unless the node is not ready."""
        if self.pod is not None or not self.mode.needs_node_cleanup(self.effective):
            return None
        return next((pod for _, pod in self.children.pods_needing_cleanup if self._may_be_cleaned(PodState(pod))), None)

    @property
    def names_needed(self) -> list[Identity]:
        """Every name that must be ours before the daemon can serve, including those of the connection Secrets."""
        location = self.object_names
        needed = [location.service, location.env_secret, location.files_secret]
        if self.key_set is not None:
            needed.append(location.tls_secret(self.key_set.id))
        if self.manages_network:
            needed.append(location.network_policy)
        if self.evictions_denied:
            needed.append(location.disruption_budget)
        if self._has_claim:
            needed.append(location.data_claim)
        return needed

    @property
    def nested_docker(self) -> Identity:
        """The NestedDocker itself."""
        return Identity("NestedDocker", self.observed.owner.namespace, self.observed.owner.name)

    @cached_property
    def blocked(self) -> dict[Identity, ApiRejection]:
        """Objects that cannot be written now: the API server rejects the write, or the name is taken."""
        taken = {each.identity: _conflicting(each) for each in self.children.conflicts(self.names_needed)}
        return taken | dict(self.observed.rejections)

    @cached_property
    def was_complete(self) -> bool:
        """Whether the pod may go on without an object: only one that never served needs every object first."""
        return self.has_served and (not self.must_rotate or self.cause in SERVES_ON)

    @cached_property
    def has_served(self) -> bool:
        """Whether clients could connect to the pod once."""
        stored, pod = self.observed.status.admitted_pod, self.pod
        return pod is not None and stored is not None and stored.uid == pod.uid and stored.served

    @property
    def silent_since(self) -> datetime | None:
        """Since when the kubelet works on the pod without news in its status."""
        return self.pod.created if self.pod is not None and self.pod.waits_silently else None

    @property
    def _departed(self) -> PodState | None:
        """The current pod as it was when it went, if the operator saw that."""
        departed = PodState(self.observed.departed) if self.observed.departed is not None else None
        return departed if departed is not None and departed.name == self.pod_name else None

    def _admitted_then(self, pod: PodState) -> AdmittedPod | None:
        """What the answer to its creation said."""
        known = (self.observed.admitted, self.observed.status.admitted_pod)
        return next((each for each in known if each and each.uid == pod.uid), None)

    def _admitted_as_asked(self, pod: PodState) -> AdmittedPod | None:
        if self.key_set is None or self.change is not None:
            return None
        context = PodContext(self.object_names, self.effective, self.defaults)
        asked = pod_manifest(context, self.mode, self.key_set.id)
        found = admitted(asked, pod.manifest)
        return found.model_copy(update={"annotations": {}}) if found.images == images_of(asked) else None

    def _cause_with(self, pod: PodState, key_set: KeySet) -> Cause | None:
        """Why this pod must be replaced; what makes it stop at once comes first."""
        return next(
            (
                cause
                for cause, holds in (
                    (Cause.IMAGE_NOT_ALLOWED, self.image_not_allowed is not None),
                    (Cause.AUTHORITY_ROTATED, key_set.rotation != self.rotation),
                    (Cause.POD_DELETED, pod.terminating),
                    (Cause.POD_ENDED, pod.ended),
                    (Cause.IMAGE_CHANGED, self._image_was_changed),
                    (self._cause_of_change, self._cause_of_change is not None),
                    (Cause.RESTART_REQUESTED, self._restart_requested),
                    (
                        Cause.CERTIFICATE_EXPIRING,
                        self.renewal is None and key_set.not_after - self.now < pki.MARGIN / 2,
                    ),
                )
                if holds
            ),
            None,
        )

    @property
    def _cause_of_change(self) -> Cause | None:
        if self.change is None or not self._takes_effect_at_once(self.change):
            return None
        return Cause.POLICY_CHANGED if self.change.origin == Origin.POLICY else Cause.SPEC_CHANGED

    @property
    def _inputs(self) -> str:
        """What a user or admin changes, so that the next replacement is worth a try."""
        policy = self.observed.policies.get(self.accepted.policy)
        return names.digest(
            [
                self.observed.generation,
                self.accepted.class_spec.dump(),
                policy.dump() if policy else None,
                self.observed.annotations.get(names.ANNOTATION_RESTART),
                self.rotation,
            ]
        )

    @property
    def _was_steady(self) -> bool:
        ready = self.observed.status.condition(Type.READY)
        if ready is None or ready.status != Status.TRUE:
            return False
        return self.now - parse_timestamp(ready.last_transition_time) >= ROW_ENDS

    @property
    def _annotations(self) -> dict[str, str]:
        """The operator's annotations of the pod, as it wrote them."""
        if self.pod is None:
            return {}
        annotations: dict[str, str] = self.pod.manifest["metadata"].get("annotations", {})
        known = self._admitted_then(self.pod)
        return annotations | (known.annotations if known else {})

    @property
    def _restart_requested(self) -> bool:
        wanted = self.observed.annotations.get(names.ANNOTATION_RESTART)
        return wanted is not None and wanted != self._annotations.get(names.ANNOTATION_RESTART)

    @property
    def _image_was_changed(self) -> bool:
        """Whether somebody has patched an image of the running pod, the only field of it that a patch can change.

        The images that the API server stored at creation count, and not those that the operator asked for. It compares
        with the latter only if the answer to the creation was lost.
        """
        if self.pod is None:
            return False
        if self.admitted is not None:
            return were_changed(self.pod.manifest, self.admitted.images)
        return self.change is None and were_changed(self.pod.manifest, self._wanted_images)

    @property
    def _wanted_images(self) -> dict[str, str]:
        """Container → image that the spec, the class or the operator chooses, of those that policy judges."""
        workload = self.effective.workload
        containers = workload.every_container if workload else []
        wanted = {container.name: container.image for _, container in containers}
        if self.mode.runs_own_daemon:
            wanted[CONTAINER] = self.effective.engine.image or ""
        return wanted

    def _takes_effect_at_once(self, change: Change) -> bool:
        """A change of the spec does, and one of the policy unless it only reports; others wait for a restart."""
        policy = self.observed.policies.get(self.accepted.policy)
        reports = policy is not None and policy.on_violation == ViolationAction.REPORT
        return change.origin == Origin.SPEC or (change.origin == Origin.POLICY and not reports)

    def _may_be_cleaned(self, pod: PodState) -> bool:
        node = self.observed.cluster.nodes.get(pod.node)
        return not pod.node or (node is not None and node.ready)


def _conflicting(conflict: Conflict) -> ApiRejection:
    kind, name = conflict.identity.kind, conflict.identity.name
    if conflict.ownership == Ownership.PREVIOUS:
        message = f"{kind} {name} of a deleted NestedDocker of that name terminates"
        return ApiRejection(Reason.WAITING_FOR_PREVIOUS, message)
    return ApiRejection(Reason.NAME_CONFLICT, describe_conflict(conflict.identity))
