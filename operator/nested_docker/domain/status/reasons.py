"""Reasons of conditions and Events, each with its traits, its meaning, and what a user does about it."""

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
    """What follows from a reason for the status, Events, admission and the audit log."""

    NONE = 0
    GRANT = auto()
    """The NestedDocker is accepted."""
    DENIAL = auto()
    """The NestedDocker is not accepted."""
    STALLED = auto()
    """The state stays until somebody acts; kstatus calls that Stalled."""
    SETTLED = auto()
    """The NestedDocker is meant to have no daemon, so it is neither reconciling nor stalled."""
    EXPECTED = auto()
    """The reason belongs to the normal course: its Event is Normal although the condition is not True."""
    WARNS = auto()
    """Its Event is a Warning although the condition is True."""
    UNDETERMINED = auto()
    """Nobody knows yet, so the condition is Unknown."""
    FINAL = auto()
    """The NestedDocker never gets a daemon again."""
    KEEPS_POD = auto()
    """The pod stays, for its logs."""
    MAY_PASS = auto()
    """The cluster may change and the reason go away: admission only warns."""


class Reason(StrEnum):
    """Reasons.

    `docs/conditions.md` is generated from the text under each: the first paragraph is the meaning, the second is
    what to do.
    """

    traits: Trait

    def __new__(cls, value: str, traits: Trait = Trait.NONE) -> Self:
        """A reason with its traits; a denial always stalls."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.traits = traits | Trait.STALLED if Trait.DENIAL in traits else traits
        return member

    def has(self, trait: Trait) -> bool:
        """Whether the reason has a trait."""
        return trait in self.traits

    # Accepted
    GRANTED = "Granted", Trait.GRANT
    """One policy grants the whole request."""
    INVALID_SPEC = "InvalidSpec", Trait.DENIAL
    """The spec contradicts itself.

    Correct the field that the message names."""
    CLASS_NOT_FOUND = "ClassNotFound", Trait.DENIAL
    """The NestedDockerClass does not exist, or the spec names no class and there is not exactly one default class.

    Set `spec.className` to a class that `kubectl get nesteddockerclasses` lists."""
    CLASS_INVALID = "ClassInvalid", Trait.DENIAL
    """The class's `podTemplate` has a field that the operator sets itself.

    A cluster admin removes from the class what the message names."""
    MODE_NOT_OFFERED = "ModeNotOffered", Trait.DENIAL
    """The class does not offer the mode.

    Create the NestedDocker again with a mode that the message lists, or without `spec.mode`."""
    NOT_GRANTED = "NotGranted", Trait.DENIAL
    """No NestedDockerPolicy grants the whole request; the message says what a policy would grant.

    Reduce the request to that, or ask a cluster admin for a policy."""
    NOT_ENFORCED = "NotEnforced", Trait.GRANT | Trait.WARNS
    """No NestedDockerPolicy grants the request, and the operator or the namespace does not enforce policies.

    Ask a cluster admin for a policy before enforcement starts."""
    GRANT_REVOKED = "GrantRevoked", Trait.GRANT | Trait.WARNS
    """No NestedDockerPolicy grants the request any longer. The running pod stays, because its policy says
    `onViolation: Report`; the operator creates no new one.

    Reduce the request to what the message says, or ask a cluster admin for a policy."""
    NOT_PERMITTED = "NotPermitted"
    """The requester lacks a permission that the request uses; admission only.

    Remove the field that the message names, or ask an admin for the permission."""
    NOT_ALLOWED_BY_CLASS = "NotAllowedByClass", Trait.DENIAL
    """The class has its pods in a pod namespace, and the request uses objects or code of the tenant there.

    Remove the fields that the message names, or choose a class without `podNamespace`."""
    POD_NAMESPACE_MISSING = "PodNamespaceMissing", Trait.DENIAL | Trait.MAY_PASS
    """The class's `podNamespace` does not exist, or is being deleted.

    A cluster admin creates the namespace, or changes the class."""
    CLASS_OVERRIDE_DENIED = "ClassOverrideDenied", Trait.DENIAL
    """The request changes a part of the pod that only the class may set.

    Remove what sets the fields that the message names."""
    POD_SECURITY_DENIED = "PodSecurityDenied", Trait.DENIAL | Trait.MAY_PASS
    """The namespace's Pod Security level forbids the mode.

    Choose a mode that the message lists, or a class with a `podNamespace`."""
    RUNTIME_MISSING = "RuntimeMissing", Trait.DENIAL | Trait.MAY_PASS
    """The cluster lacks the runtime that the mode needs.

    A cluster admin installs it, or you choose another mode."""
    NO_CAPABLE_NODE = "NoCapableNode", Trait.DENIAL | Trait.MAY_PASS
    """No node of the cluster can run the mode. The message names nodes, and what each lacks.

    A cluster admin does what the message says, or you choose another mode."""
    # Provisioned
    PROVISIONED = "Provisioned"
    """Every object exists."""
    NAME_CONFLICT = "NameConflict", Trait.STALLED
    """An object of a name that the NestedDocker needs exists and is not managed by it.

    Delete or rename that object, or give the NestedDocker another name."""
    WAITING_FOR_PREVIOUS = "WaitingForPrevious", Trait.EXPECTED
    """An object of a deleted NestedDocker of the same name still terminates, or a pod still uses the claim of the
    data-root.

    Wait until it is gone; if it takes long, look at the finalizers of that object, or delete that pod."""
    API_REJECTED = "APIRejected", Trait.STALLED
    """The API server rejected an object; the message has its answer.

    Follow the message: change the field or the admission webhook that it names."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """A ResourceQuota of the namespace has no room for an object now. The operator tries again within 15 seconds.

    Wait until other objects have gone, or ask a cluster admin to raise the quota that the message names."""
    SERVICE_ACCOUNT_MISSING = "ServiceAccountMissing"
    """The ServiceAccount of the pod does not exist yet; in a new namespace Kubernetes creates `default` a moment later.
    The operator tries again within 15 seconds.

    Wait; if it takes long, create the ServiceAccount that the message names."""
    PRIORITY_CLASS_MISSING = "PriorityClassMissing"
    """The PriorityClass of the pod does not exist yet. The operator tries again within 15 seconds.

    Wait if somebody installs it now; otherwise correct `spec.scheduling.priorityClassName` or the class."""
    REQUEST_FAILED = "RequestFailed"
    """A request to the API server failed, for example because an admission webhook of the cluster does not answer. The
    message has the object and the answer, and the operator repeats the request.

    Follow the message if it lasts."""
    CONTESTED = "Contested", Trait.STALLED
    """A controller or an admission plugin of the cluster changes an object, and undoes each correction. The operator
    corrects it less and less often.

    Exempt the object that the message names from that plugin."""
    CREDENTIALS_UNUSABLE = "CredentialsUnusable", Trait.STALLED
    """The Secret of `spec.connection.registryCredentials` does not exist, or has no credentials that clients can use.
    Clients keep those that they have.

    Create or correct the Secret that the message names; the operator looks at it every 15 seconds."""
    CLEANING_UP = "CleaningUp", Trait.EXPECTED
    """The operator removes from a node what clients have made there through the guard.

    Wait; if it takes long, look at the cleanup pod and the node that the message names."""
    # DaemonReachable
    DAEMON_ANSWERED = "DaemonAnswered"
    """The daemon has answered over TLS."""
    DAEMON_STARTING = "DaemonStarting", Trait.EXPECTED | Trait.UNDETERMINED
    """The pod starts, and nobody knows yet whether the daemon answers.

    Wait."""
    DAEMON_RESTARTING = "DaemonRestarting"
    """The kubelet restarts the daemon's container in its pod.

    Wait; `kubectl logs --previous` shows why it ended."""
    DAEMON_CRASHED = "DaemonCrashed", Trait.STALLED
    """The daemon exits as soon as it starts; the message has its last output.

    Correct what the message says, often in `spec.engine`. A daemon that runs on with a full disk reports that to its
    clients only."""
    DAEMON_OUT_OF_MEMORY = "DaemonOutOfMemory"
    """The kernel killed the daemon at its memory limit.

    Raise `spec.resources.limits.memory`, or limit containers with `docker run --memory`."""
    TRIAL_RUN_FAILED = "TrialRunFailed", Trait.STALLED
    """The runtime of the daemon cannot start a container here, so the daemon does not start either. The message has the
    runtime's words. The kubelet starts the daemon's container again and again, which repeats the trial.

    Follow the message. The runtime's full words are in `kubectl logs --previous` of the container `daemon`."""
    DAEMON_UNREACHABLE = "DaemonUnreachable"
    """The daemon runs, but the operator cannot reach it or its readiness probe fails. The message has the last error
    and its likely cause.

    Follow the message: often a NetworkPolicy or a service mesh is in the way, or the node is too busy. Otherwise look
    at `kubectl describe pod` and at the daemon's logs."""
    IMAGE_PULL_FAILED = "ImagePullFailed", Trait.STALLED
    """The kubelet cannot pull an image of the pod.

    Correct the image, or name the registry's credentials in `spec.engine.imagePullSecrets`."""
    UNSCHEDULABLE = "Unschedulable"
    """No node can take the pod; the message is the scheduler's.

    Lower the requests or change `spec.scheduling`, or wait for a node."""
    SCHEDULING_GATED = "SchedulingGated"
    """A scheduling gate holds the pod; the message names it.

    Wait; if it takes long, look at what owns the gate, for example the queue of Kueue."""
    VOLUME_NOT_BOUND = "VolumeNotBound"
    """The PersistentVolumeClaim of the data-root is not bound.

    Look at `kubectl describe pvc`; often the StorageClass is missing."""
    POD_START_FAILED = "PodStartFailed"
    """The kubelet cannot start the pod; the message is its own.

    Correct what the message names."""
    SOCKET_MISSING = "SocketMissing", Trait.STALLED
    """The node has no Docker socket at the class's path.

    Choose another mode; or an admin installs Docker on the node or corrects `hostSocket.path` of the class."""
    NODE_NOT_READY = "NodeNotReady"
    """The pod's node is not ready. The daemon may come back with it, and clients wait.

    Wait; if it takes long, look at the node. Kubernetes deletes the pod after some minutes, and the operator then
    replaces it."""
    POD_LOST = "PodLost"
    """The pod was evicted or deleted, or its node is gone. The operator replaces it. Each lost pod has an Event with
    this reason, and `status.lostPod` keeps the last one.

    Follow the message: it has the words of the kubelet, the scheduler or whoever evicted the pod."""
    REPLACEMENT_DELAYED = "ReplacementDelayed"
    """The pod must be replaced, and the operator has replaced it shortly before. The message says when it does so
    again.

    Wait; if it repeats, look at the cause in the message."""
    REPLACED_REPEATEDLY = "ReplacedRepeatedly", Trait.STALLED
    """The operator has replaced the pod twice in a row for the same cause, and the cause is there again.

    Remove the cause that the message names, then restart the daemon. A change of the spec, the class or the policy
    also starts it."""
    IMAGE_NOT_ALLOWED = "ImageNotAllowed", Trait.STALLED
    """An admission plugin of the cluster gave the pod an image that the policy does not allow.

    Use the image that the message names in the spec or the class, or ask a cluster admin to allow it."""
    # Lifetime
    SUSPENDED = "Suspended", Trait.SETTLED
    """`spec.suspend` is true.

    Set it to false when you need the daemon."""
    DEADLINE_EXCEEDED = "DeadlineExceeded", Trait.SETTLED | Trait.FINAL
    """`activeDeadlineSeconds` have passed since creation.

    Create a new NestedDocker."""
    IDLE_TIMEOUT = "IdleTimeout", Trait.SETTLED | Trait.FINAL
    """Nothing has used the daemon for `idleTimeoutSeconds`.

    Create a new NestedDocker when you need one."""
    COMPLETED = "Completed", Trait.EXPECTED | Trait.FINAL | Trait.KEEPS_POD
    """Every container of the one-shot workload has exited with code 0."""
    WORKLOAD_FAILED = "WorkloadFailed", Trait.STALLED | Trait.FINAL | Trait.KEEPS_POD
    """A container of the one-shot workload has exited with another code.

    Look at its logs; the message names the container."""
    # UpdatePending
    CLASS_UPDATED = "ClassUpdated"
    """The class has changed, and the running pod has the previous value.

    Restart the daemon when it suits you, by the command in the message."""
    POLICY_UPDATED = "PolicyUpdated"
    """The policy has changed, and the running pod has the previous value.

    Restart the daemon when it suits you, by the command in the message."""
    DEFAULTS_UPDATED = "DefaultsUpdated"
    """The operator's defaults have changed, and the running pod has the previous value.

    Restart the daemon when it suits you, by the command in the message."""
    CERTIFICATE_EXPIRING = "CertificateExpiring"
    """Certificates expire soon and cannot be renewed while the pod runs, so the operator then replaces the pod: the
    operator's root key has changed, or the API server rejects changes of the Secret with the keys (see the operator's
    log).

    Restart the daemon earlier when it suits you, by the command in the message."""
    # Ready
    READY = "Ready"
    """Clients can connect."""
    # Events about nodes
    CLEANED_UP = "CleanedUp"
    """The operator has removed from a node what clients had made there through the guard."""
    CLEANUP_FAILED = "CleanupFailed"
    """The API server rejects the cleanup pod; the message has its answer.

    A cluster admin corrects what the message names."""
    NODE_GONE = "NodeGone"
    """The node does not exist any more, so nothing can be removed from it.

    If the machine still runs or comes back with its disk, docs/guard.md has the pod that removes what clients made."""


def traits_of(reason: str) -> Trait:
    """The traits of a reason in an observed object; a reason that another version has written has none."""
    known = next((each for each in Reason if each == reason), None)
    return known.traits if known is not None else Trait.NONE
