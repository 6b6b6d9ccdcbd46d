"""Labels and annotations that all children have: the operator's defaults, the chart's and the class's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from nested_docker.api.v1alpha1.engine import RetentionPolicy
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.manifests.secrets import SecretManifest
from nested_docker.domain.objects import Manifest

NOT_BACKED_UP = {"velero.io/exclude-from-backup": "true"}
"""The operator creates its objects again from the NestedDocker, and a restored copy would belong to nobody."""

INJECTORS_LABELS = {
    "sidecar.istio.io/inject": "false",
    "kuma.io/sidecar-injection": "disabled",
    "admission.datadoghq.com/enabled": "false",
}
"""By which injectors leave a pod alone. What they inject outlives a one-shot workload, redirects the connections of
inner containers, or brings a token or a path of the node, which the guardrails deny."""

INJECTORS_ANNOTATIONS = {
    "linkerd.io/inject": "disabled",
    "consul.hashicorp.com/connect-inject": "false",
    "dynatrace.com/inject": "false",
}
"""The same for injectors that read annotations."""

NOT_EVICTED = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""By which autoscalers leave a daemon where it is, since they cannot see whether a build runs in it."""


@dataclass(frozen=True)
class SharedMetadata:
    """Labels and annotations."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def under(self, other: SharedMetadata) -> SharedMetadata:
        """Both; of two values of a key, the other's."""
        return SharedMetadata({**self.labels, **other.labels}, {**self.annotations, **other.annotations})

    def without(self, keys: frozenset[str]) -> SharedMetadata:
        """All but these keys."""
        labels, annotations = (
            {key: value for key, value in part.items() if key not in keys} for part in (self.labels, self.annotations)
        )
        return SharedMetadata(labels, annotations)

    @property
    def keys(self) -> frozenset[str]:
        """Keys of labels and annotations together."""
        return frozenset(self.labels) | frozenset(self.annotations)


POD_DEFAULTS = SharedMetadata({**NOT_BACKED_UP, **INJECTORS_LABELS}, INJECTORS_ANNOTATIONS)
"""What every pod of the operator's has by default, those that clean up nodes too."""

DAEMON_DEFAULTS = POD_DEFAULTS.under(SharedMetadata(annotations=NOT_EVICTED))
"""What a daemon's pod has by default."""

Child = TypeVar("Child", Manifest, SecretManifest)


def of_children(effective: EffectiveSpec) -> SharedMetadata:
    """What every child has; the class's values override the chart's."""
    template = effective.child_template.metadata
    return (
        SharedMetadata(NOT_BACKED_UP)
        .under(SharedMetadata(effective.common_labels))
        .under(SharedMetadata(template.labels, template.annotations))
    )


def of_claim(effective: EffectiveSpec) -> SharedMetadata:
    """What a claim has: one that is kept is backed up, since nothing creates its data again."""
    claim = effective.storage.claim
    if claim is None or claim.when_deleted == RetentionPolicy.DELETE:
        return of_children(effective)
    return of_children(effective).without(frozenset(NOT_BACKED_UP) - _of_class(effective).keys)


def pod_defaults(effective: EffectiveSpec) -> SharedMetadata:
    """The operator's own defaults for a pod: those whose key neither the class nor the chart sets.

    A key that the class sets as a label has no default as an annotation either, nor the other way round: some programs
    read both.
    """
    return DAEMON_DEFAULTS.without(_of_class(effective).keys)


def of_pod(effective: EffectiveSpec) -> SharedMetadata:
    """What the pod has; a tenant's value overrides a default, and the class's too, which admission then denies."""
    scheduling = effective.scheduling
    asked = SharedMetadata(scheduling.pod_labels, scheduling.pod_annotations)
    return pod_defaults(effective).under(_of_class(effective)).under(asked)


def _of_class(effective: EffectiveSpec) -> SharedMetadata:
    """The chart's labels, then the class's for all children, then the class's for pods."""
    children, pods = effective.child_template.metadata, effective.pod_template.get("metadata", {})
    return (
        SharedMetadata(effective.common_labels)
        .under(SharedMetadata(children.labels, children.annotations))
        .under(SharedMetadata(pods.get("labels", {}), pods.get("annotations", {})))
    )


def with_metadata(child: Child, shared: SharedMetadata) -> Child:
    """The child, with labels and annotations of all children; those that its builder has set stay."""
    if isinstance(child, SecretManifest):
        return replace(child, manifest=_laid_under(child.manifest, shared))
    return _laid_under(child, shared)


def _laid_under(manifest: Manifest, shared: SharedMetadata) -> Manifest:
    metadata = manifest["metadata"]
    whole = shared.under(SharedMetadata(metadata.get("labels", {}), metadata.get("annotations", {})))
    annotations = {"annotations": whole.annotations} if whole.annotations else {}
    return manifest | {"metadata": metadata | {"labels": whole.labels} | annotations}
