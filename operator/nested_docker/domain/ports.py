"""The interfaces through which the controller reaches the outside world; adapters and test doubles implement them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.domain.kube_types import ObjectMeta
from nested_docker.domain.objects import Manifest
from nested_docker.domain.pki import CertificateRequest, RenewalRequest


class KubeError(Exception):
    """The API server answered with an error, or did not answer.

    Attributes:
        status: HTTP status; 0: no answer.
        reason: reason of the Status object, such as `AlreadyExists`.
        message: message of the Status object.
        retry_after: value in seconds of the header Retry-After; 0: none.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after


class Kube(Protocol):
    """The API server. Objects are raw; every method may raise `KubeError`."""

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create an object that must not exist yet; with `dry_run` only check whether that would succeed."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Apply our fields server-side, with force: we become their manager."""

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply the status subresource server-side, with force."""

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """The object; None: it does not exist."""

    async def list(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Manifest]:
        """Objects of a kind, of one namespace or of all."""

    async def delete(self, kind: str, namespace: str, name: str, uid: str, *, grace_seconds: int | None = None) -> None:
        """Delete the object with that uid; it is not an error if it is gone or another one has its name.

        Of a pod, `grace_seconds` replaces the grace period that the pod itself asks for.
        """

    async def set_finalizers(self, manifest: Manifest) -> Manifest:
        """Write only the finalizers of an object, at the resource version in the manifest."""

    async def remove_scheduling_gate(self, pod: ObjectMeta, gate: str) -> Manifest:
        """Remove a scheduling gate from the pod with that name and uid, and change nothing else."""

    async def annotate_pod(self, pod: ObjectMeta, key: str, value: str) -> Manifest:
        """Set an annotation of the pod with that name and uid, and change nothing else."""

    async def replace(self, manifest: Manifest) -> Manifest:
        """Replace an object, at the resource version in the manifest."""


@dataclass(frozen=True)
class WatchEvent:
    """A change of an object.

    Attributes:
        obj: the object after the change, or before its end.
        gone: whether it was deleted, or has left the selection.
    """

    obj: Manifest
    gone: bool = False


class Watches(Protocol):
    """The API server's watches."""

    def watch(self, kind: str, namespace: str | None = None, *, labels: str = "") -> AsyncIterator[WatchEvent]:
        """The objects of a kind that there are, and then their changes, until the watch ends.

        Raises:
            KubeError: it ended because of an error.
        """


class Daemons(Protocol):
    """Docker daemons, reached by pod address."""

    async def ask(self, address: str, server_name: str, keys: Mapping[str, bytes]) -> EngineStatus:
        """What the daemon reports about itself over mutual TLS.

        Raises:
            OSError: it does not answer, or not with the expected certificate.
        """


class Certificates(Protocol):
    """Issues key sets."""

    def issue(self, request: CertificateRequest) -> dict[str, bytes]:
        """A key set in PEM form, with the keys of `nested_docker.domain.pki.KEYS`."""

    def renew(self, request: RenewalRequest, keys: Mapping[str, bytes]) -> dict[str, bytes] | None:
        """A key set with new pairs of client and operator; None: its authority cannot be derived any more."""


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """The current time, with its time zone."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back and also counts while the machine sleeps."""


class Recorder(Protocol):
    """Records Kubernetes Events."""

    def record(self, regarding: Mapping[str, Any], type_: str, reason: str, message: str) -> None:
        """Record an Event in the background; never raises, never waits."""
