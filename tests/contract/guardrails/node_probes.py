"""Pods that probe a node."""

from __future__ import annotations

from typing import Any

from tests.contract.guardrails.making import FIRST, beside, cleans, creates, elsewhere, labels, probes
from tests.contract.guardrails.reserved import ONLY
from tests.contract.guardrails.site import OPERATOR_IMAGE, ROLE, RUNTIME, UID, Attempt, Manifest

from nested_docker.domain.modes.dockerd import RESTRICTED

NO_PROBE = ("only the operator's node cleanup pods and node probes may run in namespace ",)
AS_PROBE = labels({ROLE: "node-probe"})


def probe_container(**fields: Any) -> Manifest:
    """A probe's container, with these fields changed."""
    own = {
        "name": "node-probe",
        "image": OPERATOR_IMAGE,
        "args": ["probe-node"],
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "data", "mountPath": "/run/probe"}],
    }
    return {"spec": {"containers": [own | fields]}}


PROBES: dict[str, Attempt] = {
    "a node probe": Attempt("operator", creates(probes())),
    "a node probe, as these tests write it": Attempt("operator", creates(probes(probe_container()))),
    **{
        f"a node probe with {what}": Attempt("operator", creates(probes(over)), words)
        for what, over, words in (
            ("another image", probe_container(image="busybox:1"), ("containers.image", *NO_PROBE)),
            ("another command", probe_container(args=["relay"]), ("containers.args", *NO_PROBE)),
            ("a program", probe_container(command=["sh"]), ("containers.command", *NO_PROBE)),
            ("a variable", probe_container(env=[{"name": "PYTHONPATH", "value": "/x"}]), ("containers.env", *NO_PROBE)),
            (
                "privilege",
                probe_container(securityContext={"privileged": True}),
                ("containers.securityContext", *NO_PROBE),
            ),
            ("no mount", probe_container(volumeMounts=[]), ("containers.volumeMounts", *NO_PROBE)),
            ("a container more", beside(image=OPERATOR_IMAGE), ("spec: containers", *NO_PROBE)),
            ("a first container", {"spec": {"initContainers": [FIRST]}}, ("spec: initContainers", *NO_PROBE)),
            (
                "a volume more",
                {"spec": {"volumes": [..., {"name": "x", "emptyDir": {}}]}},
                ("spec: volumes", *NO_PROBE),
            ),
            (
                "the node's socket",
                {"spec": {"volumes": [{"name": "data", "hostPath": {"path": "/run/other.sock", "type": "Socket"}}]}},
                ("spec: volumes", *NO_PROBE),
            ),
            ("a runtime", {"spec": {"runtimeClassName": RUNTIME}}, ("spec: runtimeClassName", *NO_PROBE)),
            ("the node's network", {"spec": {"hostNetwork": True}}, ("spec.hostNetwork: true",)),
            ("a token", {"spec": {"automountServiceAccountToken": True}}, ("spec: volumes", *NO_PROBE)),
            ("no node's uid", labels({UID: None}), (f"metadata.labels: {UID} is missing",)),
        )
    },
    "a node cleanup pod that poses as a probe": Attempt(
        "operator", creates(cleans(AS_PROBE, path="/run/other.sock")), ("spec: volumes", *NO_PROBE)
    ),
    "a node probe in a namespace for pods": Attempt(
        "operator", creates(elsewhere(probes(), "pods")), ("spec.nodeName: nowhere would bypass the scheduler",)
    ),
    "a node probe by a user": Attempt("user", creates(probes()), (ONLY,)),
}
