"""A daemon that runs and does not answer the operator: the last error, and what most likely causes it."""

from __future__ import annotations

from nested_docker.domain import names
from nested_docker.domain.observed import ProbeError, ProbeFailure

_MESH = "exclude the pod, or its port {port}, from the mesh"

LIKELY_CAUSES = {
    ProbeError.SILENCE: (
        "most likely a NetworkPolicy, a firewall or a service mesh drops the operator's connections: allow TCP port "
        "{port} from namespace {namespace} to the pod"
    ),
    ProbeError.NO_ANSWER: (
        "the connection is accepted, so most likely the pod's node or its limits leave the daemon too little processor "
        "time, or the daemon hangs: see kubectl top node, and kubectl logs {pod} -c daemon"
    ),
    ProbeError.REFUSED: (
        "nothing listens there; see kubectl logs {pod} -c daemon, and whether a sidecar or a NetworkPolicy rejects "
        "connections to port {port} from namespace {namespace}"
    ),
    ProbeError.NO_ROUTE: "the operator has no route to the pod's address: look at the cluster's network plugin",
    ProbeError.CLOSED: (
        f"something closes the connection before TLS is agreed on, most likely a service mesh with strict mTLS: {_MESH}"
    ),
    ProbeError.NO_TLS: f"something answers without TLS, most likely a proxy or a service mesh: {_MESH}",
    ProbeError.CERTIFICATE: (
        "the certificate is not the daemon's or is not valid now: most likely a proxy or a service mesh terminates TLS "
        "on the way, or a clock is wrong, that of the pod's node or of the operator's"
    ),
    ProbeError.REJECTED: (
        "the daemon does not accept the operator's certificate: most likely the clock of the pod's node is wrong, or a "
        "proxy terminates TLS on the way"
    ),
    ProbeError.OTHER: "see kubectl logs {pod} -c daemon",
}


def unanswered(failure: ProbeFailure, pod: str, namespace: str) -> str:
    """The message of a condition.

    Args:
        failure: what the operator met.
        pod: name of the pod.
        namespace: the operator's namespace.
    """
    cause = LIKELY_CAUSES[failure.kind].format(port=names.DOCKER_PORT, namespace=namespace, pod=pod)
    return f"for {failure.seconds:.0f} s it has not answered the operator over TLS ({failure.error}): {cause}"
