"""What the engine needs from the outside world; adapters implement it, tests stand in for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.domain.pki import CertificateRequest

Manifest = dict[str, Any]


class KubeError(Exception):
    """An answer of the API server that is not the one hoped for, or none at all.

    Attributes:
        status: HTTP status; 0: no answer came.
        reason: the machine-readable reason of the Status object, such as `AlreadyExists`.
        message: the Status object's message, for a reader.
        retry_after: seconds that the server asks to wait; 0: it does not say.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after


class Kube(Protocol):
    """The API server. Objects are raw; every method may raise `KubeError`."""

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Make an object that must not exist yet, or only ask whether it could be made."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Put our fields in place, server-side, taking them over from whoever changed them."""

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """The same for the status subresource."""

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """The object; None: there is none."""

    async def list(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Manifest]:
        """Objects of a kind, of one namespace or all."""

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object with that uid; one that is gone or another one of that name is no error."""

    async def set_finalizers(self, manifest: Manifest) -> Manifest:
        """Write nothing but the finalizers of an object, at the resource version that the manifest names."""

    async def replace(self, manifest: Manifest) -> Manifest:
        """Write an object whole, at the resource version that the manifest names."""


class Daemons(Protocol):
    """Docker daemons, reached by pod address."""

    async def ask(self, address: str, server_name: str, keys: Mapping[str, bytes]) -> EngineStatus:
        """What the daemon tells of itself over mutual TLS.

        Raises:
            OSError: it does not answer, or not with the expected certificate.
        """


class Certificates(Protocol):
    """Maker of key sets."""

    def issue(self, request: CertificateRequest) -> dict[str, bytes]:
        """A whole key set, by the keys of `nested_docker.domain.pki.KEYS`, in PEM form."""


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """The present moment, with its time zone."""

    def monotonic(self) -> float:
        """Seconds that only go forward, also while the machine sleeps."""


class Recorder(Protocol):
    """Events for people who describe an object."""

    def record(self, regarding: Mapping[str, Any], type_: str, reason: str, message: str) -> None:
        """Tell of something, soon; never raises, never waits."""
