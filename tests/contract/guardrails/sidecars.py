"""Pods whose daemon is a sidecar."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.guardrails.entering import NOT_THE_GUARDRAIL, SHELL, enters
from tests.contract.guardrails.injection import NOT_MANAGED, asking
from tests.contract.guardrails.making import annotations, creates, deletes, patches, plain
from tests.contract.guardrails.reserved import ONLY
from tests.contract.guardrails.site import (
    BESIDE,
    EXEC_DENIED,
    FORM,
    GATED,
    STRATEGIC,
    US,
    Attempt,
    Manifest,
    Request,
    Site,
)

SIDECAR: Manifest = {
    "spec": {"initContainers": [{"name": "nested-docker", "image": "docker:29-dind", "restartPolicy": "Always"}]}
}
DENIAL, GRANTED_BY = "nesteddocker.dev/denial", "nesteddocker.dev/granted-by"
SIDECAR_CLOSED = ("container nested-docker of " + EXEC_DENIED[0].replace("build-abcde", BESIDE), EXEC_DENIED[1])


def debugs(pod: str, **fields: str) -> Callable[[Site], Request]:
    return patches("Pod", pod, {"spec": {"ephemeralContainers": [SHELL | fields]}}, "ephemeralcontainers")


def puts_image_of(field: str, container: str, pod: str = BESIDE) -> Callable[[Site], Request]:
    return patches("Pod", pod, {"spec": {field: [{"name": container, "image": "busybox:1"}]}}, type_=STRATEGIC)


def notes(spec: Manifest, metadata: Manifest) -> Callable[[Site], Request]:
    """The operator notes since when the daemon is denied, and changes something else with it."""
    marks = {DENIAL: "{}"} | metadata.get("annotations", {})
    change = {"metadata": metadata | {"annotations": marks}, "spec": spec}
    return patches("Pod", BESIDE, change, type_=STRATEGIC)


SIDECARS: dict[str, Attempt] = {
    **{
        f"{how} into the daemon": Attempt("user", enters(BESIDE, how, container="nested-docker"), SIDECAR_CLOSED)
        for how in ("exec", "attach")
    },
    **{
        f"{how} into the job": Attempt("user", enters(BESIDE, how, container="main"), NOT_THE_GUARDRAIL)
        for how in ("exec", "attach")
    },
    "exec of one who is exempt": Attempt(
        "debugger", enters(BESIDE, "exec", container="nested-docker"), NOT_THE_GUARDRAIL
    ),
    "another image of the daemon": Attempt("user", puts_image_of("initContainers", "nested-docker"), SIDECAR_CLOSED),
    "another image by one who is exempt": Attempt("debugger", puts_image_of("initContainers", "nested-docker")),
    "another image of the job": Attempt("user", puts_image_of("containers", "main")),
    "a container put beside the daemon's processes": Attempt(
        "user", debugs(BESIDE, targetContainerName="nested-docker"), SIDECAR_CLOSED
    ),
    "a container put beside the job's processes": Attempt("user", debugs(BESIDE, targetContainerName="main")),
    "a pod that names its form": Attempt("user", creates(asking(annotations({FORM: "Sidecar"})))),
    "a form without the label": Attempt("user", creates(plain("Pod", annotations({FORM: "Sidecar"}))), (ONLY,)),
    "another form later": Attempt("user", patches("Pod", BESIDE, annotations({FORM: "Remote"})), (ONLY,)),
    "a pod that says since when it is denied": Attempt(
        "user", creates(asking(annotations({FORM: "Sidecar", DENIAL: "{}"}))), (ONLY,)
    ),
    "a denial taken away": Attempt("user", patches("Pod", BESIDE, annotations({DENIAL: "{}"})), (ONLY,)),
    "another policy later": Attempt("user", patches("Pod", BESIDE, annotations({GRANTED_BY: "x"})), (ONLY,)),
    "a denial noted": Attempt("operator", patches("Pod", BESIDE, annotations({DENIAL: "{}"}))),
    **{
        f"a denial noted, and {what} changed": Attempt("operator", notes(*change), (f"of Pod {BESIDE} must be {US}",))
        for what, change in {
            "an image": ({"containers": [{"name": "main", "image": "evil:1"}]}, {}),
            "a label": ({}, {"labels": {"a": "b"}}),
            "an annotation": ({}, {"annotations": {"a.b/c": "x"}}),
            "the policy": ({}, {"annotations": {GRANTED_BY: "x"}}),
            "the form": ({}, {"annotations": {FORM: None}}),
            "a finalizer": ({}, {"finalizers": ["example.com/x"]}),
        }.items()
    },
    # Two guardrails deny it, and the API server names either one.
    "a denial noted, and the image of the daemon changed": Attempt(
        "operator", notes({"initContainers": [{"name": "nested-docker", "image": "evil:1"}]}, {}), (BESIDE,)
    ),
    "a denial noted on a pod without the sidecar": Attempt(
        "operator", patches("Pod", GATED, annotations({DENIAL: "{}"})), (NOT_MANAGED,)
    ),
    "its pod deleted": Attempt("operator", deletes("Pod", BESIDE)),
    "no form later": Attempt("user", patches("Pod", BESIDE, annotations({FORM: None})), (ONLY,)),
}
