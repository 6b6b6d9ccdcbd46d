"""The facts about an accepted NestedDocker that decisions use, each derived once and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from nested_docker.api.v1alpha1.engine import StorageType
from nested_docker.api.v1alpha1.nested_docker_class import NetworkPolicyManagement
from nested_docker.api.v1alpha1.policy import PublishedPorts, ViolationAction
from nested_docker.domain import names, pki
from nested_docker.domain.admission.acceptance import Accepted
from nested_docker.domain.effective import Change, EffectiveSpec, OperatorDefaults, Origin, first_change
from nested_docker.domain.modes import MODES, ModeBehaviour
from nested_docker.domain.modes.dockerd import CONTAINER
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity, Manifest
from nested_docker.domain.observed import KeySet, Observed
from nested_docker.domain.planning import lifetime
from nested_docker.domain.planning.child_diff import ChildDiff
from nested_docker.domain.planning.pod_state import PodState


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

    @cached_property
    def must_rotate(self) -> bool:
        """Whether the key set and its pod must be replaced."""
        if self.key_set is None:
            return True
        if self.pod is None or self.observed.issued is not None:
            return False
        return (
            self.pod.terminating
            or self.pod.ended
            or (self.change is not None and self._takes_effect_at_once(self.change))
            or self._restart_requested
            or self._image_was_changed
            or self.key_set.not_after - self.now < pki.MARGIN / 2
        )

    @property
    def outlives_owner(self) -> bool:
        """Whether it has something that the garbage collector does not remove."""
        return self.object_names.remote or self.mode.needs_node_cleanup(self.effective)

    @property
    def waits_for_volume(self) -> bool:
        """Two daemons on one data-root corrupt it, so the next pod of a claim waits until the previous one is gone."""
        kept = self.mode.runs_own_daemon and self.effective.storage.type == StorageType.CLAIM
        here = {(identity.kind, identity.namespace) for identity, _ in self.observed.ours()}
        return kept and self.pod is None and ("Pod", self.object_names.namespace) in here

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
        needed = [location.service, location.tls_secret, location.env_secret, location.files_secret]
        if self.manages_network:
            needed.append(location.network_policy)
        if self.effective.storage.type == StorageType.CLAIM:
            needed.append(location.data_claim)
        return needed

    @property
    def silent_since(self) -> datetime | None:
        """Since when the kubelet works on the pod without news in its status."""
        return self.pod.created if self.pod is not None and self.pod.waits_silently else None

    @property
    def _annotations(self) -> dict[str, str]:
        annotations: dict[str, str] = self.pod.manifest["metadata"].get("annotations", {}) if self.pod else {}
        return annotations

    @property
    def _restart_requested(self) -> bool:
        wanted = self.observed.annotations.get(names.ANNOTATION_RESTART)
        return wanted is not None and wanted != self._annotations.get(names.ANNOTATION_RESTART)

    @property
    def _image_was_changed(self) -> bool:
        """Whether somebody has patched an image of the running pod, the only field of it that a patch can change."""
        if self.pod is None or self.change is not None:
            return False
        workload = self.effective.workload
        wanted = {container.name: container.image for container in workload.containers} if workload else {}
        if self.mode.runs_own_daemon:
            wanted[CONTAINER] = self.effective.engine.image or ""
        spec = self.pod.manifest.get("spec", {})
        present = {i["name"]: i["image"] for key in ("initContainers", "containers") for i in spec.get(key, [])}
        return any(present.get(name, image) != image for name, image in wanted.items())

    def _takes_effect_at_once(self, change: Change) -> bool:
        """A change of the spec does, and one of the policy unless it only reports; others wait for a restart."""
        policy = self.observed.policies.get(self.accepted.policy)
        reports = policy is not None and policy.on_violation == ViolationAction.REPORT
        return change.origin == Origin.SPEC or (change.origin == Origin.POLICY and not reports)

    def _may_be_cleaned(self, pod: PodState) -> bool:
        node = self.observed.cluster.nodes.get(pod.node)
        return not pod.node or (node is not None and node.ready)
