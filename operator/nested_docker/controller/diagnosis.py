"""The kubelet's latest warning about a pod that does not start."""

from __future__ import annotations

from datetime import timedelta

from nested_docker.controller.failure import requesting
from nested_docker.controller.session import Diagnosis, Session
from nested_docker.domain.observed import Observed
from nested_docker.domain.ports import Clock, Kube

DIAGNOSE_INTERVAL = timedelta(seconds=10)
"""Least time between two looks at the Events of a pod."""


class Diagnoser:
    """Reads the Events of pods; nobody watches them, since a cluster has too many."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube, self._clock = kube, clock

    async def diagnose(self, session: Session, observed: Observed, pod_uid: str) -> bool:
        """Look up the latest warning about a pod.

        Args:
            session: remembers the diagnosis.
            observed: the NestedDocker and its pods.
            pod_uid: which pod; empty: none needs a diagnosis.

        Returns:
            Whether the warning differs from the one before.

        Raises:
            RequestFailed: the Events cannot be read; try again later.
        """
        if not pod_uid:
            return False
        now, known = self._clock.now(), session.diagnosis
        if known is not None and known.pod_uid != pod_uid:
            known = None
        if known is not None and now - known.at < DIAGNOSE_INTERVAL:
            return False
        pod = next(each for each, found in observed.ours() if found["metadata"].get("uid") == pod_uid)
        with requesting("read the Events of", pod):
            events = await self._kube.list(
                "CoreEvent", pod.namespace, fields=f"involvedObject.uid={pod_uid},type=Warning"
            )
        latest = max(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime")), default={})
        session.diagnosis = Diagnosis(pod_uid, str(latest.get("message", "")), now)
        return session.diagnosis.text != (known.text if known is not None else "")
