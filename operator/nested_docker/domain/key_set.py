"""Key sets: the certificates and keys of one pod, known by their digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nested_docker.domain import names, pki


@dataclass(frozen=True)
class KeySet:
    """A key set, by its digests.

    Attributes:
        digests: digest of each part.
        not_after: when the pairs of client and operator expire, which are renewed while the pod runs.
        revision: number of the key set; of several, the one with the highest is in force. 0: a new one has none yet.
        rotation: value of the annotation `nesteddocker.dev/rotate-authority` for which it was issued.
        server_not_after: when what the pod mounts expires.
    """

    digests: Mapping[str, str]
    not_after: datetime
    revision: int = 0
    rotation: str = ""
    server_not_after: datetime = field(kw_only=True)

    @property
    def id(self) -> str:
        """Its name, which the name of the pod that serves with it contains."""
        return key_set_id(self.digests)

    @property
    def pairs(self) -> str:
        """A digest of the pairs of client and operator."""
        return _digest(self.digests, pki.RENEWED)


@dataclass(frozen=True)
class FailedRenewal:
    """A renewal that did not succeed; the present pairs are good for some time.

    Attributes:
        key_set: id of the key set.
        until: when the operator tries again.
    """

    key_set: str
    until: datetime


def key_set_id(digests: Mapping[str, str]) -> str:
    """The name of a key set, from the digests of what its pod mounts: a renewal of the rest does not change it."""
    return _digest(digests, pki.MOUNTED)


def _digest(digests: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return names.digest({key: digests.get(key, "") for key in keys})
