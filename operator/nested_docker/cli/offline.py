"""Evaluates NestedDockers as the webhook and the reconciler do, without a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nested_docker.api.meta import Enforcement
from nested_docker.cli.manifests import Manifests, NestedDockerManifest
from nested_docker.domain.admission.acceptance import NotAccepted, accept, class_override_violation
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.manifests.network_policy import NAMESPACE_NAME_LABEL
from nested_docker.domain.modes import sysbox
from nested_docker.domain.objects import ClusterFacts, NodeFacts, Owner, RuntimeClassFacts
from nested_docker.domain.observed import NamespaceFacts, Observed
from nested_docker.domain.status.reasons import Reason

ASSUMED_NODE_NAME = "assumed"


@dataclass(frozen=True)
class CheckResult:
    """Whether a NestedDocker is granted, and why.

    Attributes:
        granted: whether the operator serves it.
        reason: reason of the condition Accepted.
        message: message of the condition Accepted.
        mode: mode that it gets; if denied, mode of its spec, or empty if the spec names none.
        class_name: class that it uses; empty: it names none, and there is not exactly one default class.
        policy: NestedDockerPolicy that grants it; empty: none does.
    """

    granted: bool
    reason: Reason
    message: str
    mode: str
    class_name: str
    policy: str


@dataclass(frozen=True)
class OfflineCluster:
    """A cluster described by manifests, in which NestedDockers are evaluated.

    Attributes:
        manifests: classes, policies and default classes.
        facts: nodes and RuntimeClasses.
        namespaces: labels of each known namespace.
        default_labels: labels of every other namespace.
        defaults: the operator's settings.
    """

    manifests: Manifests
    facts: ClusterFacts
    namespaces: Mapping[str, Mapping[str, str]]
    default_labels: Mapping[str, str]
    defaults: OperatorDefaults

    def evaluate(self, nested_docker: NestedDockerManifest) -> CheckResult:
        """Whether a NestedDocker is granted in this cluster."""
        labels = self.namespaces.get(nested_docker.namespace, self.default_labels)
        observed = Observed(
            owner=Owner(name=nested_docker.name, namespace=nested_docker.namespace, uid=""),
            spec=nested_docker.spec,
            created=datetime.fromtimestamp(0, UTC),
            generation=nested_docker.generation,
            status=nested_docker.status,
            namespace_labels={**labels, NAMESPACE_NAME_LABEL: nested_docker.namespace},
            pod_namespaces=self._pod_namespaces(),
            classes=self.manifests.classes,
            default_classes=tuple(sorted(self.manifests.default_classes)),
            policies=self.manifests.policies,
            cluster=self.facts,
        )
        return _result(observed, self.defaults)

    def _pod_namespaces(self) -> dict[str, NamespaceFacts]:
        """Files may omit the classes' pod namespaces, so they are assumed to exist, without labels if unknown."""
        names = (class_spec.pod_namespace for class_spec in self.manifests.classes.values())
        return {name: NamespaceFacts(self.namespaces.get(name, {})) for name in names if name}


def build_cluster(
    manifests: Manifests,
    *,
    runtimes: Iterable[str] = (),
    namespaces: Mapping[str, Mapping[str, str]] | None = None,
    default_labels: Mapping[str, str] | None = None,
    defaults: OperatorDefaults,
) -> OfflineCluster:
    """A cluster with the objects of the manifests and what the caller adds to them.

    Args:
        manifests: the objects of the files.
        runtimes: RuntimeClasses to assume; sysbox-runc also adds a node that Sysbox runs on.
        namespaces: labels of namespaces; they override those of the manifests.
        default_labels: labels of every namespace that neither these nor the manifests define.
        defaults: the operator's settings.
    """
    assumed = {name: RuntimeClassFacts() for name in runtimes}
    facts = ClusterFacts(runtime_classes=assumed | manifests.runtime_classes, nodes=manifests.nodes)
    if sysbox.RUNTIME_CLASS in assumed:
        node = NodeFacts(ready=True, labels={sysbox.NODE_LABEL: sysbox.NODE_LABEL_VALUE})
        facts = replace(facts, nodes={**facts.nodes, ASSUMED_NODE_NAME: node})
    return OfflineCluster(
        manifests, facts, {**manifests.namespaces, **(namespaces or {})}, default_labels or {}, defaults
    )


def operator_defaults(enforcement: str, engine_image: str | None) -> OperatorDefaults:
    """The operator's settings that an evaluation depends on; image None: the operator's default."""
    settings = OperatorDefaults(enforcement=Enforcement(enforcement))
    return replace(settings, engine_image=engine_image) if engine_image else settings


def _result(observed: Observed, defaults: OperatorDefaults) -> CheckResult:
    """The result of the checks that the reconciler runs before it creates anything; the first denial ends them."""
    outcome = accept(observed, defaults)
    class_name = observed.class_name
    if isinstance(outcome, NotAccepted):
        return _denial(outcome, observed.spec.get("mode") or observed.status.mode or "", class_name)
    mode = outcome.effective.mode
    override_violation = class_override_violation(observed, outcome, defaults)
    if override_violation is not None:
        return _denial(override_violation, mode, class_name)
    return CheckResult(
        granted=True,
        reason=outcome.reason,
        message=outcome.message,
        mode=mode,
        class_name=class_name,
        policy=outcome.policy,
    )


def _denial(violation: NotAccepted, mode: str, class_name: str) -> CheckResult:
    return CheckResult(
        granted=False, reason=violation.reason, message=violation.message, mode=mode, class_name=class_name, policy=""
    )
