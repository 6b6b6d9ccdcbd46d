"""The API paths of each kind that the operator reads or writes."""

from __future__ import annotations

from dataclasses import dataclass

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.domain.objects import CLIENT_POD


@dataclass(frozen=True)
class Resource:
    """A kind's API version and plural, which make up its paths.

    Attributes:
        kind: as in objects, if the operator has another name for it.
    """

    api_version: str
    plural: str
    kind: str = ""

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Path of a collection, or with `name` of an object, or with `subresource` of its subresource."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        parts = [root, *(["namespaces", namespace] if namespace else []), self.plural, name, subresource]
        return "/".join(part for part in parts if part)


RESOURCES = {
    "NestedDocker": Resource(API_VERSION, "nesteddockers"),
    "NestedDockerClass": Resource(API_VERSION, "nesteddockerclasses"),
    "NestedDockerNode": Resource(API_VERSION, "nesteddockernodes"),
    "NestedDockerPolicy": Resource(API_VERSION, "nesteddockerpolicies"),
    CLIENT_POD: Resource("v1", "pods", kind="Pod"),
    "Event": Resource("events.k8s.io/v1", "events"),
    "CoreEvent": Resource("v1", "events", kind="Event"),
    "Lease": Resource("coordination.k8s.io/v1", "leases"),
    "Namespace": Resource("v1", "namespaces"),
    "NetworkPolicy": Resource("networking.k8s.io/v1", "networkpolicies"),
    "Node": Resource("v1", "nodes"),
    "PersistentVolumeClaim": Resource("v1", "persistentvolumeclaims"),
    "Pod": Resource("v1", "pods"),
    "PodDisruptionBudget": Resource("policy/v1", "poddisruptionbudgets"),
    "RuntimeClass": Resource("node.k8s.io/v1", "runtimeclasses"),
    "SelfSubjectAccessReview": Resource("authorization.k8s.io/v1", "selfsubjectaccessreviews"),
    "SubjectAccessReview": Resource("authorization.k8s.io/v1", "subjectaccessreviews"),
    "Secret": Resource("v1", "secrets"),
    "Service": Resource("v1", "services"),
}
"""Resources by kind; `CoreEvent` is the kind Event of the core group, and `ClientPod` the kind Pod of clients."""
