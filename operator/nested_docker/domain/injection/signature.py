"""The webhook's signature of an id: it binds the id to a namespace, a class and a requester.

A pod has neither uid nor, often, a name when the webhook sees it. So the webhook signs an id, and the operator makes a
NestedDocker only for a pod that has been stored with the id and its signature.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nested_docker.domain import names

FRESH_SECONDS = 60
"""Seconds for which the webhook takes its own signature for that of the same request. The API server sends a request
to it a second time if another webhook has changed the pod; a request takes at most a minute."""

REQUESTER_DIGITS = 16


@dataclass(frozen=True)
class Injection:
    """What is signed.

    Attributes:
        id: part of the NestedDocker's name.
        namespace: of the pod.
        class_name: NestedDockerClass of the daemon.
        requester: digest of the name of the user who creates the pod.
        time: seconds since the epoch at which the webhook signed.
    """

    id: str
    namespace: str
    class_name: str
    requester: str
    time: int

    def signature(self, key: bytes) -> str:
        """The value of the annotation."""
        return f"v1.{self.time}.{self.requester}.{self._mac(key)}"

    def is_fresh(self, moment: datetime) -> bool:
        """Whether the request that it was made for may have been under admission at that moment."""
        return is_fresh(self.time, moment)

    def _mac(self, key: bytes) -> str:
        fields = ["v1", self.id, self.namespace, self.class_name, self.requester, self.time]
        return hmac.new(key, json.dumps(fields).encode(), hashlib.sha256).hexdigest()


def is_fresh(time: int, moment: datetime) -> bool:
    """Whether a request in which the webhook signed at a time may be under admission at a moment.

    Args:
        time: seconds since the epoch.
        moment: usually now.
    """
    return abs(moment.timestamp() - time) <= FRESH_SECONDS


def requester_digest(username: str) -> str:
    """What a signature keeps of a requester."""
    return names.digest(username, REQUESTER_DIGITS)


def has_marks(pod: Mapping[str, Any]) -> bool:
    """Whether a pod has an id or a signature, whoever has written them."""
    metadata = pod["metadata"]
    return names.LABEL_INJECTION_ID in (metadata.get("labels") or {}) or names.ANNOTATION_INJECTION_SIGNATURE in (
        metadata.get("annotations") or {}
    )


def signed_injection(pod: Mapping[str, Any], key: bytes) -> Injection | None:
    """What the signature of a pod confirms; None: it has none that holds for its id, class and namespace.

    Args:
        pod: with `metadata.namespace`.
        key: of the signatures.
    """
    metadata = pod["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    parts = _SIGNATURE.fullmatch(str(annotations.get(names.ANNOTATION_INJECTION_SIGNATURE, "")))
    id_, class_name = str(labels.get(names.LABEL_INJECTION_ID, "")), str(labels.get(names.LABEL_INJECT, ""))
    if parts is None or names.injection_id(names.injected_name(id_)) != id_:
        return None
    found = Injection(id_, metadata["namespace"], class_name, parts["requester"], int(parts["time"]))
    return found if hmac.compare_digest(found.signature(key), parts[0]) else None


_SIGNATURE = re.compile(r"v1\.(?P<time>[0-9]{1,12})\.(?P<requester>[0-9a-f]{16})\.[0-9a-f]{64}", re.ASCII)
