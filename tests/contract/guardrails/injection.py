"""Pods that ask for a daemon by their label, and what the operator may do to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.contract.guardrails.events import about, event
from tests.contract.guardrails.making import (
    annotations,
    applies,
    creates,
    deletes,
    elsewhere,
    labels,
    merged_with,
    patches,
    plain,
)
from tests.contract.guardrails.reserved import ONLY
from tests.contract.guardrails.site import (
    BESIDE,
    FORM,
    GATE,
    GATED,
    INJECT,
    INJECTION,
    INJECTION_ID,
    KEPT,
    KUEUE,
    MINE,
    OTHER_OWNER,
    STRATEGIC,
    UID,
    UNASKED,
    US,
    Attempt,
    Make,
    Manifest,
    Request,
    Site,
)

from nested_docker.adapters.resources import RESOURCES
from nested_docker.domain.injection.manifest import injected_nested_docker, owned_by_pod

SIGNATURE = "nesteddocker.dev/injection-signature"
SIDECAR_SIGNATURE = "nesteddocker.dev/sidecar-signature"
NOT_MANAGED = f"of Pod {GATED} must be {US}"


def opens(*gates: str, pod: str = GATED, **also: Any) -> Callable[[Site], Request]:
    """A pod's scheduling gates are removed, and something else is changed with them."""
    removed = [{"name": gate, "$patch": "delete"} for gate in gates]
    metadata = also.pop("metadata", {})
    return patches("Pod", pod, {"metadata": metadata, "spec": {"schedulingGates": removed} | also}, type_=STRATEGIC)


MARKED_BY_THE_WEBHOOK = (
    labels({INJECTION_ID: INJECTION}),
    annotations({SIGNATURE: "x", FORM: "Sidecar", SIDECAR_SIGNATURE: "x"}),
)


def asking(*over: Manifest) -> Make:
    return plain("Pod", labels({INJECT: "standard"}), *over)


def binds(pod: str, resource: str, change: Manifest) -> Callable[[Site], Request]:
    """A pod gets a node, and what a Binding carries with it."""

    def request(site: Site) -> Request:
        metadata = {"name": pod, "namespace": site.name} | change["metadata"]
        target = {"apiVersion": "v1", "kind": "Node", "name": "nowhere"}
        path = RESOURCES["Pod"].path(site.name, pod, "binding")
        if resource == "bindings":
            path = RESOURCES["Pod"].path(site.name).removesuffix("pods") + resource
        return Request("POST", path, {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target})

    return request


def injected(*over: Manifest) -> Make:
    """The NestedDocker that the operator makes for a pod."""

    def make(site: Site) -> Manifest:
        owner = {"name": GATED, "uid": "uid-of-the-pod"}
        return merged_with(owned_by_pod(injected_nested_docker(INJECTION, site.name, "standard"), owner), *over)

    return make


NOT_ITS_POD = ("creates NestedDockers only for pods with the label nesteddocker.dev/inject",)
SELECTOR = {"podSelector": {"matchLabels": {INJECTION_ID: INJECTION}}}
JOB_OWNER = {"apiVersion": "batch/v1", "kind": "Job", "name": "x", "uid": "x", "controller": True}

INJECTING: dict[str, Attempt] = {
    "the gate of its pod removed": Attempt("operator", opens(GATE)),
    "another gate removed": Attempt("operator", opens(KUEUE), (NOT_MANAGED,)),
    "both gates removed": Attempt("operator", opens(GATE, KUEUE), (NOT_MANAGED,)),
    "the gate of a pod without the label": Attempt(
        "operator", opens(GATE, pod=UNASKED), (f"of Pod {UNASKED} must be {US}",)
    ),
    **{
        f"the gate removed, and {what} changed": Attempt("operator", opens(GATE, **change), (NOT_MANAGED,))
        for what, change in {
            "an image": {"containers": [{"name": "main", "image": "evil:1"}]},
            "the deadline": {"activeDeadlineSeconds": 1},
            "the nodes": {"nodeSelector": {"a": "b"}},
            "a label": labels({"a": "b"}),
            "the label itself": labels({INJECT: None}),
            "an annotation": annotations({"a.b/c": "x"}),
            "a finalizer": {"metadata": {"finalizers": ["example.com/x"]}},
            "an owner": {"metadata": {"ownerReferences": [OTHER_OWNER]}},
        }.items()
    },
    "a label of such a pod": Attempt("operator", patches("Pod", GATED, labels({"a": "b"})), (NOT_MANAGED,)),
    "such a pod deleted": Attempt("operator", deletes("Pod", GATED), (f"Pod {GATED} is not managed by the operator",)),
    "the gate removed by its user": Attempt("user", opens(GATE)),
    "the NestedDocker of a pod": Attempt("operator", creates(injected())),
    **{
        f"the NestedDocker of a pod, with {what}": Attempt("operator", creates(injected(change)), NOT_ITS_POD)
        for what, change in {
            "another name": {"metadata": {"name": "injected-build"}},
            "a label": labels({"a": "b"}),
            "an annotation": annotations({"a.b/c": "x"}),
            "a finalizer": {"metadata": {"finalizers": [KEPT]}},
            "no owner": {"metadata": {"ownerReferences": None}},
            "another owner": {"metadata": {"ownerReferences": [JOB_OWNER]}},
            "a mode": {"spec": {"mode": "HostSocket"}},
            "an engine": {"spec": {"engine": {"image": "docker:29-dind"}}},
            "other clients": {"spec": {"connection": {"clients": [{"podSelector": {}}]}}},
            "more clients": {"spec": {"connection": {"clients": [..., {"podSelector": {}}]}}},
            "clients elsewhere": {"spec": {"connection": {"clients": [SELECTOR | {"namespaceSelector": {}}]}}},
            "all clients": {"spec": {"connection": {"clients": None}}},
        }.items()
    },
    "an Event about such a pod": Attempt("operator", event(regarding=about("Pod", GATED))),
    "an Event about a pod without the label": Attempt(
        "operator", event(regarding=about("Pod", UNASKED)), (f"Pod {UNASKED} is not managed by the operator",)
    ),
    "a pod that asks": Attempt("user", creates(asking())),
    "a pod with what the webhook adds": Attempt(
        "user", creates(asking(labels({INJECTION_ID: INJECTION}), annotations({SIGNATURE: "x"})))
    ),
    "a pod that asks, by an apply": Attempt("user", applies(asking())),
    "a pod with what the webhook adds to one with a sidecar": Attempt(
        "user", creates(asking(annotations({FORM: "Sidecar", SIDECAR_SIGNATURE: "x"})))
    ),
    "the signature of a sidecar without the label": Attempt(
        "user", creates(plain("Pod", annotations({SIDECAR_SIGNATURE: "x"}))), (ONLY,)
    ),
    "a pod that asks, with another mark": Attempt("user", creates(asking(labels({UID: "x"}))), (ONLY,)),
    "an id without the label": Attempt("user", creates(plain("Pod", labels({INJECTION_ID: INJECTION}))), (ONLY,)),
    "a signature without the label": Attempt("user", creates(plain("Pod", annotations({SIGNATURE: "x"}))), (ONLY,)),
    **{
        f"a pod that asks{what}, {how} in {place}": Attempt(
            "user", tries(elsewhere(asking(*marks), place)), ("get no daemon", "nesteddocker.dev/injection=enabled")
        )
        for place in ("system", "pods", "cleanup", "disabled")
        for how, tries in (("created", creates), ("applied", applies))
        for what, marks in (("", ()), (" with what the webhook adds", MARKED_BY_THE_WEBHOOK))
    },
    **{
        f"a pod that is there, with {what}": Attempt("user", patches("Pod", pod, change), (ONLY,))
        for what, pod, change in (
            ("the label later", MINE, labels({INJECT: "standard"})),
            ("an id later", MINE, labels({INJECTION_ID: INJECTION})),
            ("a signature later", MINE, annotations({SIGNATURE: "x"})),
            ("the signature of a sidecar later", MINE, annotations({SIDECAR_SIGNATURE: "x"})),
            ("the signature of a sidecar", BESIDE, annotations({SIDECAR_SIGNATURE: "x"})),
            ("another class", GATED, labels({INJECT: "other"})),
            ("another id", GATED, labels({INJECTION_ID: "f" * 20})),
            ("no label", GATED, labels({INJECT: None})),
            ("other containers", GATED, annotations({"nesteddocker.dev/inject-containers": "main"})),
        )
    },
    **{
        f"{what} by a Binding to {resource}": Attempt("user", binds(MINE, resource, change), (ONLY,))
        for resource in ("bindings", "pods/binding")
        for what, change in (
            ("the label", labels({INJECT: "standard"})),
            ("an id", labels({INJECT: "standard", INJECTION_ID: INJECTION})),
            ("a signature", merged_with(labels({INJECT: "standard"}), annotations({SIGNATURE: "x"}))),
            ("the signature of a sidecar", annotations({SIDECAR_SIGNATURE: "x"})),
            ("another class", labels({INJECT: "other"})),
        )
    },
    **{
        f"a Binding to {resource} without marks": Attempt(
            "admin", binds(MINE, resource, {"metadata": {"annotations": {"a.b/c": "x"}}})
        )
        for resource in ("bindings", "pods/binding")
    },
    "a Service that asks": Attempt("user", creates(plain("Service", labels({INJECT: "standard"}))), (ONLY,)),
}
