"""How long a daemon may go on after its request has been denied: its policy, class or namespace may soon be back.

The clock is in the NestedDocker's status, so that a restart of the operator neither restarts nor skips it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from nested_docker.api.v1alpha1.nested_docker import Denial
from nested_docker.domain.admission.denial_clock import denied
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import ModeBehaviour
from nested_docker.domain.observed import Observed
from nested_docker.domain.planning.admitted import were_changed
from nested_docker.domain.planning.pod_state import PodState
from nested_docker.domain.status.conditions import parse_timestamp


@dataclass(frozen=True)
class Grace:
    """The time that a denied daemon has left.

    Attributes:
        pod: its pod.
        mode: its mode.
        denial: the clock.
        until: when the operator stops it.
    """

    pod: PodState
    mode: ModeBehaviour
    denial: Denial
    until: datetime


def grace(observed: Observed, now: datetime, defaults: OperatorDefaults) -> Grace | None:
    """The grace time of what runs; None: nothing runs, or it must be stopped now.

    It is for what was accepted as it is, so a change of the spec or of the pod ends it, and so does a deadline.
    """
    pod = PodState(observed.current_pod) if observed.current_pod is not None else None
    mode = MODES[observed.status.mode] if observed.was_accepted and observed.status.mode else None
    if mode is None or pod is None or pod.terminating or _image_was_changed(observed, pod):
        return None
    return time_left(observed, pod, mode, now, defaults)


def time_left(
    observed: Observed, pod: PodState, mode: ModeBehaviour, now: datetime, defaults: OperatorDefaults
) -> Grace | None:
    """What is left of the grace time of a pod, for whatever reason it is denied; None: it is over."""
    denial = denied(observed.latest_denial, now)
    until = parse_timestamp(denial.since) + timedelta(seconds=defaults.denial_grace_seconds)
    if observed.status.expiration_time:
        until = min(until, parse_timestamp(observed.status.expiration_time))
    return Grace(pod, mode, denial, until) if now < until else None


def _image_was_changed(observed: Observed, pod: PodState) -> bool:
    stored = observed.status.admitted_pod
    return stored is not None and stored.uid == pod.uid and were_changed(pod.manifest, stored.images)
