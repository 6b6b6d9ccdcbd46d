"""To which nodes the scheduler may bind a pod, by what is known of nodes: their labels and taints.

Whatever is not understood here keeps no node out: the scheduler decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.node_facts import mapping_or_empty, mappings_in
from nested_docker.domain.objects import NodeFacts, RuntimeClassFacts, Taint

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True)
class Placement:
    """What a pod asks of its node.

    Attributes:
        labels: that the node must have.
        tolerations: as in a pod's spec.
        terms: of the required node affinity, one of which must match; empty: any node matches.
        node: name of the node to which the pod is bound without the scheduler, whatever its taints; empty: none.
    """

    labels: Mapping[str, str]
    tolerations: Sequence[Mapping[str, Any]] = ()
    terms: Sequence[Mapping[str, Any]] = ()
    node: str = ""

    def obstacles(self, node: NodeFacts) -> Iterator[str]:
        """Why the pod is not bound to a node, or not run there by its kubelet."""
        if self.node and node.name and node.name != self.node:
            yield f"the pod's nodeName is {self.node}"
        for label, value in self.labels.items():
            if node.labels.get(label) != value:
                yield f"it does not have the label {label}={value}"
        for taint in () if self.node else node.taints:
            if not any(_tolerates(toleration, taint) for toleration in self.tolerations):
                yield f"the pod does not tolerate its taint {taint}"
        if self.terms and not any(_matches(term, node) for term in self.terms):
            yield "it does not match the pod's node affinity"


ANYWHERE = Placement({}, [{"operator": "Exists"}])
"""Every node is possible."""


def placement(effective: EffectiveSpec, runtime_class: RuntimeClassFacts) -> Placement:
    """What the pod asks of its node, by its class, its NestedDocker and its RuntimeClass."""
    template: Mapping[str, Any] = effective.pod_template.get("spec") or {}
    wanted = effective.scheduling
    affinity = wanted.affinity.kinds if wanted.affinity else template.get("affinity")
    return Placement(
        {**mapping_or_empty(template.get("nodeSelector")), **wanted.node_selector, **runtime_class.node_selector},
        [*mappings_in(template.get("tolerations")), *mappings_in(wanted.tolerations), *runtime_class.tolerations],
        mappings_in(
            mapping_or_empty(mapping_or_empty(mapping_or_empty(affinity).get("nodeAffinity")).get(REQUIRED)).get(
                "nodeSelectorTerms"
            )
        ),
        node if isinstance(node := template.get("nodeName"), str) else "",
    )


def _tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    key, operator = toleration.get("key") or "", toleration.get("operator") or "Equal"
    return (
        toleration.get("effect") in {None, "", taint.effect}
        and (key == taint.key or (not key and operator == "Exists"))
        and (operator != "Equal" or (toleration.get("value") or "") == taint.value)
    )


def _matches(term: Mapping[str, Any], node: NodeFacts) -> bool:
    """Whether labels and fields match; the only field is the name, and one that is not known matches."""
    fields = mappings_in(term.get("matchFields")) if node.name else []
    return all(_holds(each, node.labels) for each in mappings_in(term.get("matchExpressions"))) and all(
        _holds(each, {"metadata.name": node.name}) for each in fields
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key"), expression.get("values") or []
    if not isinstance(key, str) or not isinstance(values, list):
        return True
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return True
