"""A daemon that runs and does not answer: each kind of failure has a message with a remedy."""

from __future__ import annotations

import pytest

from nested_docker.domain.observed import ProbeError, ProbeFailure
from nested_docker.domain.planning.unreachable import LIKELY_CAUSES, unanswered

WORDS = {
    ProbeError.SILENCE: "NetworkPolicy, a firewall or a service mesh drops the operator's connections: allow TCP port "
    "2376 from namespace operators to the pod",
    ProbeError.NO_ANSWER: "too little processor time, or the daemon hangs: see kubectl top node, and kubectl logs",
    ProbeError.REFUSED: "nothing listens there; see kubectl logs build-1 -c daemon",
    ProbeError.NO_ROUTE: "look at the cluster's network plugin",
    ProbeError.CLOSED: "a service mesh with strict mTLS: exclude the pod, or its port 2376, from the mesh",
    ProbeError.NO_TLS: "something answers without TLS",
    ProbeError.CERTIFICATE: "the certificate is not the daemon's or is not valid now",
    ProbeError.REJECTED: "the daemon does not accept the operator's certificate: most likely the clock",
    ProbeError.OTHER: "see kubectl logs build-1 -c daemon",
}


@pytest.mark.parametrize("kind", ProbeError)
def test_each_kind_has_words(kind: ProbeError) -> None:
    message = unanswered(ProbeFailure("uid", 0, kind, "https://10.0.0.7:2376: no {port}", 15.0), "build-1", "operators")
    assert message.startswith("for 15 s it has not answered the operator over TLS (https://10.0.0.7:2376: no {port}): ")
    assert WORDS[kind] in message
    assert "{" not in message.split("): ", 1)[1]
    assert set(WORDS) == set(LIKELY_CAUSES) == set(ProbeError)
