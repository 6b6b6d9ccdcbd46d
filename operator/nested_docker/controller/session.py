"""What the operator remembers of a NestedDocker between two passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nested_docker.api.v1alpha1.nested_docker import AdmittedPod, Denial
from nested_docker.controller.daemon_prober import Probe
from nested_docker.controller.workqueue import Key
from nested_docker.domain.key_set import FailedRenewal
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import Correction

KeyMaterial = Mapping[str, bytes]


@dataclass(frozen=True)
class Diagnosis:
    """The kubelet's latest warning about a pod; empty: there is none."""

    pod_uid: str
    text: str
    at: datetime


@dataclass
class Session:
    """The memory of one NestedDocker. A restart loses it, and the next pass does without.

    Attributes:
        keys: the key set, from its creation until the daemon has answered.
        probe: the probe of the daemon that is under way or has succeeded.
        rejected: the objects whose writes the API server rejected last.
        diagnosis: the latest look at the Events of a pod that does not start.
        admitted: the API server's answer to the creation of the pod, until the status has it.
        denial: the latest denial of what runs, until the status has it.
        made: the objects that were created and that no plan has deleted since, until clients can connect.
        corrections: what was corrected lately.
        failed_renewal: the latest renewal of pairs that did not succeed; None: none is known.
        failures: passes in a row that have failed.
    """

    keys: KeyMaterial | None = None
    probe: Probe | None = None
    rejected: frozenset[Identity] = frozenset()
    diagnosis: Diagnosis | None = None
    admitted: AdmittedPod | None = None
    denial: Denial | None = None
    made: frozenset[Identity] = frozenset()
    corrections: dict[Identity, Correction] = field(default_factory=dict)
    failed_renewal: FailedRenewal | None = None
    failures: int = 0

    def stop_probe(self) -> None:
        """Cancel the probe, and forget its result."""
        if self.probe is not None:
            self.probe.cancel()
            self.probe = None

    def reset(self) -> None:
        """Forget everything but the failures, the corrections and a failed renewal."""
        self.stop_probe()
        self.keys = self.diagnosis = self.admitted = self.denial = None
        self.rejected = self.made = frozenset()


class Sessions:
    """The sessions of all NestedDockers that have one."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Session] = {}

    def of(self, key: Key) -> Session:
        """The session of a NestedDocker; a new one if it has none."""
        return self._by_key.setdefault(key, Session())

    def prune(self, key: Key) -> None:
        """Drop a session that remembers nothing, so that settled NestedDockers take no memory."""
        if self._by_key.get(key) == Session():
            del self._by_key[key]

    def stop_probes(self) -> None:
        """Cancel every probe."""
        for session in self._by_key.values():
            session.stop_probe()
