"""A plan: writes in stages, a status, and what to wait for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.domain import pki
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import Observed
from nested_docker.domain.planning.child_diff import Stage


@dataclass(frozen=True)
class ProbeTarget:
    """A daemon to probe.

    Attributes:
        pod_uid: its pod.
        restarts: restarts of its container; an answer holds for this start only.
        address: IP address of the pod.
        server_name: host name that its certificate must have.
        ready_since: since when the pod is ready, by the node's clock; empty: it is not.
    """

    pod_uid: str
    restarts: int
    address: str
    server_name: str
    ready_since: str = ""


@dataclass(frozen=True)
class Plan:
    """What to do next.

    Attributes:
        issue: a key set to create first; the plan is then made again with it.
        renew: pairs of client and operator to make first; the plan is then made again with them.
        stages: groups of writes, one after the other; the writes of a group in any order.
        status: the status to write; None: it has not changed.
        probe: the daemon to probe, in the background.
        keep_answer: whether the answer of the daemon is still needed, since no Secret has it.
        diagnose: uid of a pod whose Events may say why it does not start; empty: none.
        delete_self: the time to live of the finished NestedDocker has passed.
        requeue_at: when to plan again at the latest; None: when something happens.
        look_again: it denies something, or stops it, because of what governs it: read that again from the API server,
            and plan again, before this is carried out.
        pins_mode: it chooses a mode for the NestedDocker's life, because the class's better ones are not possible: read
            the same and the Nodes, and plan again, before this is carried out.
        claim: a claim that the next pod mounts: find out which pods use it, and plan again, before this is carried out.
    """

    issue: pki.CertificateRequest | None = None
    renew: pki.RenewalRequest | None = None
    stages: tuple[Stage, ...] = ()
    status: NestedDockerStatus | None = None
    probe: ProbeTarget | None = None
    keep_answer: bool = False
    diagnose: str = ""
    delete_self: bool = False
    requeue_at: datetime | None = None
    look_again: bool = False
    pins_mode: bool = False
    claim: Identity | None = None


def if_changed(observed: Observed, status: NestedDockerStatus) -> NestedDockerStatus | None:
    """The status, unless it equals the observed one."""
    return None if status == observed.status else status
