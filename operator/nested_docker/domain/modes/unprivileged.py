"""What the modes without privilege on the node have in common, whose pod has a user namespace."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nested_docker.api.v1alpha1.nested_docker import Hazard
from nested_docker.domain.status.reasons import Reason

Failure = tuple[str, Reason, str]
"""A pattern of messages of kubelet, container runtime and start script, with their reason and meaning."""

HANDLER_UNKNOWN = (
    r'handler "[^"]+" is not known|RuntimeHandler "[^"]*" not supported|no runtime for "[^"]*" is configured'
)
NAMES_NO_HANDLER = "; a containerd before 2.0 names none of its handlers, and has to be upgraded"
"""The other cause of an unknown handler, for the end of its meaning.

There the default handler is unknown, too, which the next pattern explains.
"""

HANDLER_WITHOUT_USER_NAMESPACES = r"does not support user namespaces"
NO_FREE_IDS: Failure = (
    r"empty slot to allocate a user namespace",
    Reason.POD_START_FAILED,
    "the kubelet has no free range of user IDs left: run fewer pods with user namespaces on the node, or give the "
    "kubelet more subordinate IDs",
)

CGROUP_OF_ANOTHER_USER = (
    "the pod's cgroup belongs to a user outside of its user namespace: use the systemd cgroup driver in kubelet and "
    "container runtime, or crun"
)
"""Why a pod may not write its own cgroup although it is mounted writable, with the remedy."""


def explained(message: str, failures: Iterable[Failure]) -> tuple[Reason, str] | None:
    """Reason and meaning of a message by the first pattern that it matches, with its own words; None: no pattern."""
    for pattern, reason, meaning in failures:
        if re.search(pattern, message):
            return reason, f"{meaning} (the node said: {message.strip()})"
    return None


def shared_kernel(message: str, remedy: str) -> Hazard:
    """The hazard of a mode in which users are root in a user namespace, and so close to the node's kernel."""
    return Hazard(
        type="SharedKernel",
        message=f"{message}; the kernel is the node's, and a vulnerability in it is a way out.",
        remedy=f"{remedy}; for untrusted code use dedicated nodes.",
    )
