"""What the operator writes of NestedDockers."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.guardrails.children import BUG
from tests.contract.guardrails.making import annotations, creates, labels, patches
from tests.contract.guardrails.site import CLEANUP, KEPT, OTHER_OWNER, Attempt, Request, Site
from tests.support.manifests import nested_docker

NOT_ITS_OWN = ("NestedDocker ", "the operator writes only status and the finalizer nesteddocker.dev/cleanup", BUG)


def finalizers(*names: str) -> Callable[[Site], Request]:
    return patches("NestedDocker", "build", {"metadata": {"finalizers": [*names]}})


REQUESTS: dict[str, Attempt] = {
    "its finalizer": Attempt("operator", finalizers(KEPT, CLEANUP)),
    "its finalizer alone": Attempt("operator", finalizers(CLEANUP), NOT_ITS_OWN),
    "no finalizer": Attempt("operator", finalizers(), NOT_ITS_OWN),
    "another finalizer": Attempt("operator", finalizers(KEPT, CLEANUP, "example.com/other"), NOT_ITS_OWN),
    "a status": Attempt("operator", patches("NestedDocker", "build", {"status": {"podName": "x"}}, "status")),
    "a spec": Attempt("operator", patches("NestedDocker", "build", {"spec": {"suspend": True}}), NOT_ITS_OWN),
    "a label": Attempt("operator", patches("NestedDocker", "build", labels({"app": "x"})), NOT_ITS_OWN),
    "an annotation": Attempt("operator", patches("NestedDocker", "build", annotations({"a.b/c": "x"})), NOT_ITS_OWN),
    "an owner": Attempt(
        "operator", patches("NestedDocker", "build", {"metadata": {"ownerReferences": [OTHER_OWNER]}}), NOT_ITS_OWN
    ),
    "one of its own": Attempt("operator", creates(lambda site: nested_docker(site.name, "own")), NOT_ITS_OWN),
    "a user's spec": Attempt("user", patches("NestedDocker", "build", {"spec": {"suspend": True}})),
}
