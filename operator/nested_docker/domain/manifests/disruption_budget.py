"""The PodDisruptionBudget that keeps a daemon's pod on its node."""

from __future__ import annotations

from nested_docker.domain import names
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Manifest, child


def disruption_budget(object_names: ObjectNames) -> Manifest:
    """No eviction while the pod is ready. A daemon that does not work, or not yet, keeps no node.

    `minAvailable` is a number, because Kubernetes computes `maxUnavailable` and percentages only for controllers that
    it knows. The selector has no key set, so that a new pod does not change it.
    """
    manifest = child("policy/v1", object_names.disruption_budget, object_names.owner)
    manifest["spec"] = {
        "minAvailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {names.LABEL_UID: object_names.owner.uid, names.LABEL_ROLE: "daemon"}},
    }
    return manifest
