"""Making and renewing key sets: the keys stay in the session until the next plan has written them."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from nested_docker.controller.executor import Executor
from nested_docker.controller.outcome import Rejected, Stale, WriteOutcome
from nested_docker.controller.session import KeyMaterial, Session
from nested_docker.controller.workqueue import Key
from nested_docker.domain.key_set import FailedRenewal, KeySet
from nested_docker.domain.manifests.secrets import value_digest
from nested_docker.domain.names import is_tls_secret
from nested_docker.domain.observed import Observed
from nested_docker.domain.pki import CertificateRequest, RenewalRequest
from nested_docker.domain.ports import Certificates, Clock

logger = logging.getLogger(__name__)

RENEWAL_RETRY = timedelta(hours=6)
"""Time until a renewal is tried again: 30 days before the end there is no hurry."""


class KeySets:
    """Makes key sets."""

    def __init__(self, certificates: Certificates, executor: Executor, clock: Clock) -> None:
        self._certificates, self._executor, self._clock = certificates, executor, clock

    def issue(self, session: Session, request: CertificateRequest) -> KeySet:
        """A new key set, for a new pod."""
        session.keys = self._certificates.issue(request)
        digests, server_not_after = _digests(session.keys), request.server_not_after
        return KeySet(digests, request.not_after, rotation=request.rotation, server_not_after=server_not_after)

    async def renew(self, key: Key, session: Session, observed: Observed, request: RenewalRequest) -> KeySet | Stale:
        """The present key set with new pairs of client and operator, or as it is if it cannot have them.

        Raises:
            RequestFailed: its Secret cannot be read; try again later.
        """
        session.failed_renewal = None
        keys, key_set = await self._executor.keys(observed), observed.key_set()
        if isinstance(keys, Stale) or key_set is None:
            return keys if isinstance(keys, Stale) else Stale("there is no key set")
        renewed = self._certificates.renew(request, keys)
        if renewed is None:
            self._give_up(
                key, session, key_set, "the operator has another root key than the one that its authority is from"
            )
            return key_set
        session.keys = renewed
        logger.info("client and operator get new certificates, and the pod runs on", extra=_context(key))
        return replace(key_set, digests=_digests(renewed), not_after=request.not_after)

    def has_failed(self, key: Key, session: Session, issued: KeySet | None, outcome: WriteOutcome) -> bool:
        """Whether the API server has rejected new pairs of a key set; the present ones are good for some time."""
        renewed = issued if issued is not None and issued.revision else None
        if renewed is None or not isinstance(outcome, Rejected) or not is_tls_secret(outcome.identity.name):
            return False
        self._give_up(key, session, renewed, outcome.api_rejection.message)
        return True

    def _give_up(self, key: Key, session: Session, key_set: KeySet, why: str) -> None:
        session.failed_renewal, session.keys = FailedRenewal(key_set.id, self._clock.now() + RENEWAL_RETRY), None
        logger.warning(
            "the certificates of client and operator cannot be renewed now; the operator tries again every %d hours, "
            "and replaces the pod before they expire: %s",
            RENEWAL_RETRY // timedelta(hours=1),
            why,
            extra=_context(key),
        )


def _digests(keys: KeyMaterial) -> dict[str, str]:
    return {name: value_digest(value) for name, value in keys.items()}


def _context(key: Key) -> dict[str, str]:
    return {"namespace": key[0], "nested_docker": key[1]}
