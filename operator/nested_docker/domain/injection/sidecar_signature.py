"""The webhook's signature of a sidecar: what the class gave when one replica added the daemon to a pod.

Another replica may have another release, other settings or an older class, and would add another daemon. It holds the
pod to the signed one instead, so that an upgrade or an edited class denies no pod. It still judges by itself who asks,
what policy grants, and what the pod shares with the daemon.
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
from nested_docker.domain.injection.sidecar import SIDECAR, Sidecar
from nested_docker.domain.injection.signature import is_fresh

LONGEST_SIGNATURE = 64 * 1024
"""Characters of a signature. All annotations of a pod have four times as many at most, and other webhooks need some. A
class that needs more has no signature, so replicas that differ deny its pods."""

UNSIGNED_FIELD = "command"
"""Of the container: the start script is long, and the signature holds for that of the pod's container."""


@dataclass(frozen=True)
class SidecarTerms:
    """For what a signature holds.

    Attributes:
        namespace: of the pod.
        class_name: NestedDockerClass of the daemon.
        requester: digest of the name of the user who creates the pod.
    """

    namespace: str
    class_name: str
    requester: str

    def sign(self, sidecar: Sidecar, moment: datetime, key: bytes) -> str:
        """The value of the annotation; empty: it would be too long.

        Args:
            sidecar: that of the class.
            moment: now.
            key: of the signatures.
        """
        container = {field: value for field, value in sidecar.container.items() if field != UNSIGNED_FIELD}
        text = json.dumps([container, sidecar.volumes, sidecar.policy], separators=(",", ":"))
        time = int(moment.timestamp())
        mac = self._mac(time, text, sidecar.container[UNSIGNED_FIELD], key)
        signature = f"v1.{time}.{mac}.{text}"
        return signature if len(signature) <= LONGEST_SIGNATURE else ""

    def signed(self, pod: Mapping[str, Any], moment: datetime, key: bytes) -> Sidecar | None:
        """The sidecar of the class that a pod's signature confirms; None: none holds for the pod and its container.

        Args:
            pod: with the container.
            moment: now; a signature holds for the request that it was made in.
            key: of the signatures.
        """
        annotations = pod["metadata"].get("annotations") or {}
        found = _SIGNATURE.fullmatch(str(annotations.get(names.ANNOTATION_SIDECAR_SIGNATURE, "")))
        if found is None:
            return None
        time, text, command = int(found["time"]), found["text"], _command(pod)
        if not hmac.compare_digest(found["mac"], self._mac(time, text, command, key)) or not is_fresh(time, moment):
            return None
        container, volumes, policy = json.loads(text)
        return Sidecar(container | {UNSIGNED_FIELD: command}, volumes, policy)

    def _mac(self, time: int, text: str, command: Any, key: bytes) -> str:
        fields = ["sidecar.v1", self.namespace, self.class_name, self.requester, time, text, command]
        return hmac.new(key, json.dumps(fields).encode(), hashlib.sha256).hexdigest()


def _command(pod: Mapping[str, Any]) -> Any:
    listed = pod["spec"].get("initContainers") or []
    return next((container.get(UNSIGNED_FIELD) for container in listed if container["name"] == SIDECAR), None)


_SIGNATURE = re.compile(r"v1\.(?P<time>[0-9]{1,12})\.(?P<mac>[0-9a-f]{64})\.(?P<text>\[.*\])", re.ASCII)
