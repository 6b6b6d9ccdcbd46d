"""Copies of the chart's guardrails with namespaces of their own, and who tries what there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.api import Api

from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner

Manifest = dict[str, Any]

SUFFIX = f"x{uuid.uuid4().hex[:6]}"
"""Begins with a letter, since YAML would take digits alone for a number."""

OPERATOR_IMAGE = "nested-docker-operator:0.1.0"
DEFAULTS = OperatorDefaults(operator_image=OPERATOR_IMAGE)
DAEMON, OURS, MINE, LOST = "build-abcde", "build-docker", "mine", "lost"
"""A daemon's pod, a Secret of the operator's, things of a user's, and a Secret that has lost its label."""

LABELLED = "build-abcde-tls"
"""A Secret of the operator's on which a user has put a label and an annotation."""

GUARDED, RAW = "build-guard", "build-raw"
"""A guarded pod, and a relay without a guard."""

GATED, UNASKED = "gated", "gated-without-label"
BESIDE, FORM = "with-a-sidecar", "nesteddocker.dev/inject-form"
"""A user's pods that wait behind gates; the first has the label of those that get a daemon."""

INJECT, INJECTION_ID, INJECTION = "nesteddocker.dev/inject", "nesteddocker.dev/injection-id", "0123456789abcdef0123"
GATE, KUEUE = "nesteddocker.dev/daemon", "kueue.x-k8s.io/admission"
GATES = {"spec": {"schedulingGates": [{"name": GATE}, {"name": KUEUE}]}}

CLEANUP = "nesteddocker.dev/cleanup"
"""The finalizer."""

RUNTIME = f"guardrails-{SUFFIX}"
NOWHERE = {"nodeSelector": {"guardrails": SUFFIX}}
"""Keeps a pod from ever running."""

KEPT = "example.com/kept"
"""A finalizer of somebody's on the NestedDocker."""

OTHER_OWNER = {"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "1"}
US = "nested-docker-operator"
UID, ROLE, MANAGED_BY = "nesteddocker.dev/uid", "nesteddocker.dev/role", "app.kubernetes.io/managed-by"
CONTACT = "nesteddocker.dev/probed"


@dataclass(frozen=True)
class Site:
    """A copy of the guardrails, and namespaces that it stands in.

    Attributes:
        name: of the release and of the namespace that is served.
        uid: of the NestedDocker `build`, which the daemons here belong to.
    """

    name: str
    uid: str = ""

    def object_names(self, *, away: bool = False) -> ObjectNames:
        """Where the children of the NestedDocker are: beside it, or in the namespace for pods."""
        return ObjectNames(Owner("build", self.name, self.uid), self.pods if away else "")

    @property
    def system(self) -> str:
        """The operator's namespace."""
        return f"{self.name}-system"

    @property
    def pods(self) -> str:
        """A namespace for daemons' pods alone."""
        return f"{self.name}-pods"

    @property
    def cleanup(self) -> str:
        """The namespace from which nodes are cleaned up."""
        return f"{self.system}-cleanup"

    @property
    def disabled(self) -> str:
        """A namespace whose pods get no daemon by a label."""
        return f"{self.name}-disabled"

    @property
    def operator(self) -> str:
        """The operator's user name."""
        return f"system:serviceaccount:{self.system}:{self.name}-operator"

    def acting_as(self, who: str, api: Api) -> Api:
        """The API server as somebody sees it: the operator, one of a group, or the admin that the tests are."""
        if who == "admin":
            return api
        if who == "operator-everywhere":
            return api.acting_as(self.operator, "system:masters")
        return api.acting_as(self.operator if who == "operator" else who, f"{who}s")


@dataclass(frozen=True)
class Request:
    """What is asked of the API server, without effect."""

    method: str
    path: str
    body: Manifest | None = None
    type_: str = ""
    query: dict[str, str] = field(default_factory=lambda: {"dryRun": "All", "fieldManager": "guardrails"})


Make = Callable[[Site], Manifest]
STRATEGIC = "application/strategic-merge-patch+json"
FORCED = {"dryRun": "All", "fieldManager": "guardrails", "force": "true"}


@dataclass(frozen=True)
class Attempt:
    """Something that somebody tries.

    Attributes:
        who: operator, operator-everywhere (in every namespace), user, debugger or admin.
        request: what is tried.
        words: what the refusal must say; none: it is let through.
    """

    who: str
    request: Callable[[Site], Request]
    words: tuple[str, ...] = ()


EXEC_DENIED = (
    "pod build-abcde runs a Docker daemon",
    "guardrails.denyExec denies access to its containers to all but debuggers",
)
