"""Reasons of conditions and Events: the one list, each with what it means to a reader."""

from __future__ import annotations

from enum import StrEnum


class Type(StrEnum):
    """Types of conditions."""

    ACCEPTED = "Accepted"
    PROVISIONED = "Provisioned"
    DAEMON_REACHABLE = "DaemonReachable"
    UPDATE_PENDING = "UpdatePending"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    COMPLETE = "Complete"
    FAILED = "Failed"


class Reason(StrEnum):
    """Reasons; `docs/conditions.md` is made from the text under each."""

    # Accepted
    GRANTED = "Granted"
    """A policy grants the whole request."""
    INVALID_SPEC = "InvalidSpec"
    """The spec contradicts itself; the message names the field."""
    CLASS_NOT_FOUND = "ClassNotFound"
    """The NestedDockerClass does not exist, or there is no default one."""
    MODE_NOT_OFFERED = "ModeNotOffered"
    """The class does not offer the mode."""
    NO_POLICY = "NoPolicy"
    """No NestedDockerPolicy grants the request; the message says what would be granted."""
    NOT_ENFORCED = "NotEnforced"
    """No NestedDockerPolicy grants the request, and denials are not enforced here."""
    GRANT_LOST = "GrantLost"
    """No NestedDockerPolicy grants the request any longer; the present pod goes on, by its policy's `onViolation`."""
    NOT_PERMITTED = "NotPermitted"
    """Whoever asked lacks a right that the request makes use of; told at admission only."""
    CLASS_FORBIDS = "ClassForbids"
    """The class has its pods in a namespace of its own, and the request would bring something into it."""
    POD_NAMESPACE_MISSING = "PodNamespaceMissing"
    """The class's podNamespace does not exist, or is being deleted."""
    OVERSTEPS_CLASS = "OverstepsClass"
    """The request would change a part of the pod that is its class's alone."""
    POD_SECURITY_DENIED = "PodSecurityDenied"
    """The namespace's Pod Security level forbids the mode; the message says which modes would pass."""
    RUNTIME_MISSING = "RuntimeMissing"
    """The cluster lacks the runtime that the mode needs."""
    # Provisioned
    PROVISIONED = "Provisioned"
    """Every object exists."""
    NAME_CONFLICT = "NameConflict"
    """An object of that name belongs to someone else."""
    WAITING_FOR_PREVIOUS = "WaitingForPrevious"
    """An object of a deleted NestedDocker of that name is still going."""
    REFUSED_BY_API = "RefusedByAPI"
    """The API server refused an object; the message is its own."""
    CLEANING_UP = "CleaningUp"
    """What was made on a node through the guard is being removed there."""
    # DaemonReachable
    DAEMON_ANSWERED = "DaemonAnswered"
    """The daemon has answered over TLS."""
    DAEMON_STARTING = "DaemonStarting"
    """The pod is starting."""
    DAEMON_RESTARTING = "DaemonRestarting"
    """The daemon's container is being restarted in its pod."""
    DAEMON_CRASHED = "DaemonCrashed"
    """The daemon ends as soon as it starts; the message is its last word."""
    DAEMON_OUT_OF_MEMORY = "DaemonOutOfMemory"
    """The kernel killed the daemon at its memory limit."""
    DAEMON_UNREACHABLE = "DaemonUnreachable"
    """The daemon runs but does not answer over TLS."""
    IMAGE_PULL_FAILED = "ImagePullFailed"
    """An image of the pod cannot be pulled."""
    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pod."""
    VOLUME_NOT_BOUND = "VolumeNotBound"
    """The PersistentVolumeClaim of the data-root is not bound."""
    POD_START_FAILED = "PodStartFailed"
    """The kubelet cannot start the pod; the message is its own."""
    SOCKET_MISSING = "SocketMissing"
    """The node has no Docker socket at the class's path."""
    POD_LOST = "PodLost"
    """The pod was evicted, deleted, or its node is gone; another one takes its place."""
    # Life
    SUSPENDED = "Suspended"
    """spec.suspend is true."""
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    """activeDeadlineSeconds have passed since creation."""
    IDLE_TIMEOUT = "IdleTimeout"
    """Nothing has used the daemon for idleTimeoutSeconds."""
    COMPLETED = "Completed"
    """Every container of the one-shot workload ended with exit code 0."""
    WORKLOAD_FAILED = "WorkloadFailed"
    """A container of the one-shot workload ended with another exit code."""
    # Updates
    CLASS_CHANGED = "ClassChanged"
    """The class asks for something else than the pod has."""
    CERTIFICATE_EXPIRING = "CertificateExpiring"
    """The pod's certificates are near their end."""
    # Ready
    READY = "Ready"
    """Clients can connect."""
    # Events about nodes
    CLEANED_UP = "CleanedUp"
    """What was made on a node through the guard is gone."""
    CLEANUP_FAILED = "CleanupFailed"
    """The pod that removes it cannot be made; the message is the API server's."""
    NODE_GONE = "NodeGone"
    """The node does not exist any more, and nothing can be removed from it."""


GRANTS = frozenset({Reason.GRANTED, Reason.NOT_ENFORCED, Reason.GRANT_LOST})
"""Why a NestedDocker is accepted."""

DENIALS = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.CLASS_NOT_FOUND,
        Reason.MODE_NOT_OFFERED,
        Reason.NO_POLICY,
        Reason.CLASS_FORBIDS,
        Reason.POD_NAMESPACE_MISSING,
        Reason.OVERSTEPS_CLASS,
        Reason.POD_SECURITY_DENIED,
        Reason.RUNTIME_MISSING,
    }
)
"""Why it is not."""
