"""The judgement of webhook and reconciler, without a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nested_docker.api.meta import Enforcement
from nested_docker.cli.manifests import Manifests, Wanted
from nested_docker.domain.admission.acceptance import NotAccepted, accept, class_override_violation
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.modes import sysbox
from nested_docker.domain.objects import ClusterFacts, NodeFacts, Owner
from nested_docker.domain.observed import NamespaceFacts, Observed
from nested_docker.domain.status.reasons import Reason

NAME_LABEL = "kubernetes.io/metadata.name"
"""Label that every namespace has, with its own name."""

ASSUMED_NODE = "assumed"


@dataclass(frozen=True)
class CheckResult:
    """What becomes of a request.

    Attributes:
        granted: whether it is served.
        reason: why, or why not, in one word.
        message: the same in full.
        mode: what it comes to; of a denied request what it asks for, empty: it leaves the choice.
        class_name: likewise.
        policy: NestedDockerPolicy that grants it; empty: none does.
    """

    granted: bool
    reason: Reason
    message: str
    mode: str
    class_name: str
    policy: str


@dataclass(frozen=True)
class Cluster:
    """What a request is judged by.

    Attributes:
        namespaces: the labels of each that is known.
        elsewhere: labels of every other one.
    """

    manifests: Manifests
    facts: ClusterFacts
    namespaces: Mapping[str, Mapping[str, str]]
    elsewhere: Mapping[str, str]
    defaults: OperatorDefaults

    def evaluate(self, wanted: Wanted) -> CheckResult:
        """The verdict on a NestedDocker."""
        labels = self.namespaces.get(wanted.namespace, self.elsewhere)
        observed = Observed(
            owner=Owner(name=wanted.name, namespace=wanted.namespace, uid=""),
            spec=wanted.spec,
            created=datetime.fromtimestamp(0, UTC),
            generation=wanted.generation,
            status=wanted.status,
            namespace_labels={**labels, NAME_LABEL: wanted.namespace},
            pod_namespaces=self._pod_namespaces(),
            classes=self.manifests.classes,
            default_classes=tuple(sorted(self.manifests.default_classes)),
            policies=self.manifests.policies,
            cluster=self.facts,
        )
        return _result(observed, self.defaults)

    def _pod_namespaces(self) -> dict[str, NamespaceFacts]:
        """Whether they exist, files do not tell: they are taken to, and to forbid nothing that no label says."""
        names = (class_spec.pod_namespace for class_spec in self.manifests.classes.values())
        return {name: NamespaceFacts(self.namespaces.get(name, {})) for name in names if name}


def cluster(
    manifests: Manifests,
    *,
    runtimes: Iterable[str] = (),
    namespaces: Mapping[str, Mapping[str, str]] | None = None,
    elsewhere: Mapping[str, str] | None = None,
    defaults: OperatorDefaults,
) -> Cluster:
    """A cluster as manifests describe it, and as the caller wants it to be.

    Args:
        manifests: what is in the files.
        runtimes: RuntimeClasses to assume, with nodes that have what they need.
        namespaces: labels of namespaces, which go before what the files say.
        elsewhere: labels of every namespace that neither these nor the files know.
        defaults: the operator's settings.
    """
    assumed = frozenset(runtimes)
    facts = ClusterFacts(runtime_classes=assumed | manifests.runtime_classes, nodes=manifests.nodes)
    if sysbox.RUNTIME_CLASS in assumed:
        node = NodeFacts(ready=True, labels={sysbox.NODE_LABEL: sysbox.NODE_LABEL_VALUE})
        facts = replace(facts, nodes={**facts.nodes, ASSUMED_NODE: node})
    return Cluster(manifests, facts, {**manifests.namespaces, **(namespaces or {})}, elsewhere or {}, defaults)


def defaults(enforcement: str, engine_image: str | None) -> OperatorDefaults:
    """The operator's settings, as far as a judgement depends on them."""
    settings = OperatorDefaults(enforcement=Enforcement(enforcement))
    return replace(settings, engine_image=engine_image) if engine_image else settings


def _result(observed: Observed, defaults: OperatorDefaults) -> CheckResult:
    """Accepted by all that the reconciler asks before it makes anything, or the first no."""
    outcome = accept(observed, defaults)
    class_name = observed.class_name
    if isinstance(outcome, NotAccepted):
        return _denied(outcome, observed.spec.get("mode") or observed.status.mode or "", class_name)
    mode = outcome.effective.mode
    override_violation = class_override_violation(observed, outcome, defaults)
    if override_violation is not None:
        return _denied(override_violation, mode, class_name)
    return CheckResult(
        granted=True,
        reason=outcome.reason,
        message=outcome.message,
        mode=mode,
        class_name=class_name,
        policy=outcome.policy,
    )


def _denied(why: NotAccepted, mode: str, class_name: str) -> CheckResult:
    return CheckResult(
        granted=False, reason=why.reason, message=why.message, mode=mode, class_name=class_name, policy=""
    )
