"""The Events that the operator may create."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.contract.guardrails.children import BUG
from tests.contract.guardrails.site import DAEMON, MANAGED_BY, MINE, US, Attempt, Manifest, Request, Site

from nested_docker.adapters.resources import RESOURCES
from nested_docker.api.v1alpha1 import API_VERSION


def event(group: str = "events.k8s.io", **fields: Any) -> Callable[[Site], Request]:
    """An Event as the operator records it."""

    def request(site: Site) -> Request:
        regarding = {"apiVersion": API_VERSION, "kind": "NestedDocker", "name": "build", "namespace": site.name}
        changed = {key: value for key, value in fields.items() if key != "regarding"}
        regarding |= fields.get("regarding", {})
        recorded = {
            "metadata": {"name": "build.0123456789abcdef", "namespace": site.name},
            "type": "Normal",
            "reason": "Ready",
            "action": "Reconcile",
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingInstance": "x",
        }
        if group:
            about = {"regarding": regarding, "note": "x", "reportingController": "nesteddocker.dev/" + US}
        else:
            about = {"involvedObject": regarding, "message": "x", "reportingComponent": "nesteddocker.dev/" + US}
        kind = "Event" if group else "CoreEvent"
        body = recorded | about | changed | {"apiVersion": RESOURCES[kind].api_version, "kind": "Event"}
        return Request("POST", RESOURCES[kind].path(site.name), body)

    return request


def about(kind: str, name: str, version: str = "v1") -> Manifest:
    return {"apiVersion": version, "kind": kind, "name": name}


NOT_ABOUT = "the operator creates Events only about NestedDockers and its pods"

EVENTS: dict[str, Attempt] = {
    "about a NestedDocker": Attempt("operator", event()),
    "about its pod": Attempt("operator", event(regarding=about("Pod", DAEMON))),
    "about a pod that is gone": Attempt("operator", event(regarding=about("Pod", "gone"))),
    "about a user's pod": Attempt(
        "operator",
        event(regarding=about("Pod", MINE)),
        ("regarding: Pod mine is not managed by the operator", MANAGED_BY, BUG),
    ),
    "about a user's pod, in the core group": Attempt(
        "operator", event("", regarding=about("Pod", MINE)), ("regarding: Pod mine is not managed by the operator",)
    ),
    **{
        f"about a {kind}{where}": Attempt(
            "operator",
            event(group, regarding=about(kind, "other", version)),
            (f"regarding: {kind} other: ", NOT_ABOUT, BUG),
        )
        for where, group in (("", "events.k8s.io"), (" in the core group", ""))
        for kind, version in (
            ("Secret", "v1"),
            ("Node", "v1"),
            ("Deployment", "apps/v1"),
            ("Namespace", "v1"),
            ("NestedDocker", "example.com/v1"),
            ("Pod", "example.com/v1"),
        )
    },
    "about a NestedDocker and something else": Attempt(
        "operator", event(related=about("Secret", MINE)), ("regarding: NestedDocker build: ", "without related")
    ),
    "in another controller's name": Attempt(
        "operator",
        event(reportingController="kubelet"),
        ("reportingController: kubelet must be nesteddocker.dev/nested-docker-operator", BUG),
    ),
    "of a user's": Attempt("user", event(reportingController="example.com/x", regarding=about("Secret", MINE))),
}
