"""Reasons of conditions and Events: the one list, each with what it means to a reader."""

from __future__ import annotations

from enum import Flag, StrEnum, auto
from typing import Self


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


class Trait(Flag):
    """What follows from a reason, for status, Events, admission and the records."""

    NONE = 0
    GRANT = auto()
    """A NestedDocker is accepted by it."""
    DENIAL = auto()
    """It is not."""
    STALLED = auto()
    """It goes away only when somebody does something, which kstatus calls Stalled."""
    SETTLED = auto()
    """The NestedDocker is where it is meant to be, without a daemon."""
    EXPECTED = auto()
    """It is part of the way, and no warning."""
    WARNS = auto()
    """It is a warning although the condition is true."""
    FINAL = auto()
    """There will be no daemon any more."""
    KEEPS_POD = auto()
    """The pod stays for its logs."""
    MAY_PASS = auto()
    """The cluster may be able tomorrow: a warning at admission, a condition later."""


class Reason(StrEnum):
    """Reasons; `docs/conditions.md` is made from the text under each."""

    traits: Trait

    def __new__(cls, value: str, traits: Trait = Trait.NONE) -> Self:
        """A reason with its traits."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.traits = traits | Trait.STALLED if Trait.DENIAL in traits else traits
        return member

    def has(self, trait: Trait) -> bool:
        """Whether something follows from it."""
        return trait in self.traits

    # Accepted
    GRANTED = "Granted", Trait.GRANT
    """A policy grants the whole request."""
    INVALID_SPEC = "InvalidSpec", Trait.DENIAL
    """The spec contradicts itself; the message names the field."""
    CLASS_NOT_FOUND = "ClassNotFound", Trait.DENIAL
    """The NestedDockerClass does not exist, or there is no default one."""
    MODE_NOT_OFFERED = "ModeNotOffered", Trait.DENIAL
    """The class does not offer the mode."""
    NOT_GRANTED = "NotGranted", Trait.DENIAL
    """No NestedDockerPolicy grants the request; the message says what would be granted."""
    NOT_ENFORCED = "NotEnforced", Trait.GRANT | Trait.WARNS
    """No NestedDockerPolicy grants the request, and denials are not enforced here."""
    GRANT_REVOKED = "GrantRevoked", Trait.GRANT | Trait.WARNS
    """No NestedDockerPolicy grants the request any longer; the present pod goes on, by its policy's `onViolation`."""
    NOT_PERMITTED = "NotPermitted"
    """Whoever asked lacks a right that the request makes use of; told at admission only."""
    NOT_ALLOWED_BY_CLASS = "NotAllowedByClass", Trait.DENIAL
    """The class has its pods in a namespace of its own, and the request would bring something into it."""
    POD_NAMESPACE_MISSING = "PodNamespaceMissing", Trait.DENIAL | Trait.MAY_PASS
    """The class's podNamespace does not exist, or is being deleted."""
    CLASS_OVERRIDE_DENIED = "ClassOverrideDenied", Trait.DENIAL
    """The request would change a part of the pod that is its class's alone."""
    POD_SECURITY_DENIED = "PodSecurityDenied", Trait.DENIAL | Trait.MAY_PASS
    """The namespace's Pod Security level forbids the mode; the message says which modes would pass."""
    RUNTIME_MISSING = "RuntimeMissing", Trait.DENIAL | Trait.MAY_PASS
    """The cluster lacks the runtime that the mode needs."""
    # Provisioned
    PROVISIONED = "Provisioned"
    """Every object exists."""
    NAME_CONFLICT = "NameConflict", Trait.STALLED
    """An object of that name belongs to someone else."""
    WAITING_FOR_PREVIOUS = "WaitingForPrevious", Trait.EXPECTED
    """An object of a deleted NestedDocker of that name is still going."""
    API_REJECTED = "APIRejected", Trait.STALLED
    """The API server refused an object; the message is its own."""
    CLEANING_UP = "CleaningUp", Trait.EXPECTED
    """What was made on a node through the guard is being removed there."""
    # DaemonReachable
    DAEMON_ANSWERED = "DaemonAnswered"
    """The daemon has answered over TLS."""
    DAEMON_STARTING = "DaemonStarting", Trait.EXPECTED
    """The pod is starting."""
    DAEMON_RESTARTING = "DaemonRestarting"
    """The daemon's container is being restarted in its pod."""
    DAEMON_CRASHED = "DaemonCrashed", Trait.STALLED
    """The daemon ends as soon as it starts; the message is its last word."""
    DAEMON_OUT_OF_MEMORY = "DaemonOutOfMemory"
    """The kernel killed the daemon at its memory limit."""
    DAEMON_UNREACHABLE = "DaemonUnreachable"
    """The daemon runs but does not answer over TLS."""
    IMAGE_PULL_FAILED = "ImagePullFailed", Trait.STALLED
    """An image of the pod cannot be pulled."""
    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pod."""
    VOLUME_NOT_BOUND = "VolumeNotBound"
    """The PersistentVolumeClaim of the data-root is not bound."""
    POD_START_FAILED = "PodStartFailed"
    """The kubelet cannot start the pod; the message is its own."""
    SOCKET_MISSING = "SocketMissing", Trait.STALLED
    """The node has no Docker socket at the class's path."""
    POD_LOST = "PodLost"
    """The pod was evicted, deleted, or its node is gone; another one takes its place."""
    # Life
    SUSPENDED = "Suspended", Trait.SETTLED
    """spec.suspend is true."""
    DEADLINE_EXCEEDED = "DeadlineExceeded", Trait.SETTLED | Trait.FINAL
    """activeDeadlineSeconds have passed since creation."""
    IDLE_TIMEOUT = "IdleTimeout", Trait.SETTLED | Trait.FINAL
    """Nothing has used the daemon for idleTimeoutSeconds."""
    COMPLETED = "Completed", Trait.EXPECTED | Trait.FINAL | Trait.KEEPS_POD
    """Every container of the one-shot workload ended with exit code 0."""
    WORKLOAD_FAILED = "WorkloadFailed", Trait.STALLED | Trait.FINAL | Trait.KEEPS_POD
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


def traits_of(reason: str) -> Trait:
    """The traits of a reason as an object has it; one that another version has written has none."""
    known = next((each for each in Reason if each == reason), None)
    return known.traits if known is not None else Trait.NONE
