"""Node cleanup: removing what clients have made on a node through the guard, when their pod has ended.

A guarded pod has a finalizer from its creation on. Its object, with the name of its node, stays until the node has
nothing left with the owner's label, whichever process dies in between. The removal uses only fields of the pod that
nobody can change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from nested_docker.domain import names
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.manifests.metadata import POD_DEFAULTS
from nested_docker.domain.modes.dockerd import CONTAINER, RESTRICTED
from nested_docker.domain.modes.host_socket import NODE_SOCKET, NODE_SOCKET_VOLUME, OWNER_FLAG
from nested_docker.domain.objects import Identity, Manifest, NodeFacts
from nested_docker.domain.planning.pod_state import PodState

RETRY = timedelta(seconds=30)
"""Least time between two cleanup pods for one node, if the node rejects them."""

ROLE = "cleanup"


class CleanupOutcome(StrEnum):
    """Why the finalizer of a pod may be removed."""

    CLEAN = "clean"
    """Its node has nothing left of its owner."""
    NOTHING_MADE = "nothing made"
    """No client can have made anything, because its relay never ran."""
    INHERITED = "inherited"
    """Another pod of its owner runs on the node, and the cleanup after that pod covers both."""
    NODE_GONE = "node gone"
    """Its node does not exist any more."""


@dataclass(frozen=True)
class Wait:
    """Nothing to do until that time, or until something happens."""

    until: datetime | None = None


@dataclass(frozen=True)
class Start:
    """Create the cleanup pod."""

    manifest: Manifest


@dataclass(frozen=True)
class Retry:
    """Delete a cleanup pod that its node has rejected or that blocks another pod; a new one can follow."""


@dataclass(frozen=True)
class ReleasePod:
    """Remove the pod's finalizer."""

    outcome: CleanupOutcome


Step = Wait | Start | Retry | ReleasePod


def pods_needing_cleanup(pods: Iterable[tuple[Identity, Manifest]]) -> list[tuple[Identity, Manifest]]:
    """The pods among these whose nodes may need cleanup."""
    return [(each, pod) for each, pod in pods if each.kind == "Pod" and needs_cleanup(pod)]


def needs_cleanup(pod: Manifest) -> bool:
    """Whether a pod still has the finalizer."""
    return names.FINALIZER in pod["metadata"].get("finalizers", ())


def step(
    pod: Manifest,
    cleanup: Manifest | None,
    *,
    owner: tuple[str, str],
    others: Iterable[Manifest],
    node_exists: bool,
    now: datetime,
    defaults: OperatorDefaults,
) -> Step:
    """The next step until the pod's finalizer can be removed.

    Args:
        pod: a pod whose node may need cleanup.
        cleanup: its cleanup pod; None: there is none.
        owner: namespace and name of its NestedDocker.
        others: other such pods of the same NestedDocker.
        node_exists: whether its node exists; ignored if it has none.
        now: the current time.
        defaults: the operator's settings.
    """
    state = PodState(pod)
    if not state.ended:
        return ReleasePod(CleanupOutcome.NOTHING_MADE) if state.terminating and not state.node else Wait()
    if not (state.daemon_has_started and _socket(pod) and owner_uid(pod)):
        return ReleasePod(CleanupOutcome.NOTHING_MADE)
    successors = [PodState(other) for other in others if _succeeds(PodState(other), pod)]
    if successors:
        return _hand_over(successors, cleanup)
    if not node_exists:
        return ReleasePod(CleanupOutcome.NODE_GONE)
    if cleanup is None:
        return Start(_cleanup_pod(pod, owner, defaults))
    return _look_at(PodState(cleanup), now)


def _succeeds(other: PodState, pod: Manifest) -> bool:
    same_owner = owner_uid(other.manifest) == owner_uid(pod)
    return same_owner and not other.ended and other.node == PodState(pod).node


def _hand_over(successors: list[PodState], cleanup: Manifest | None) -> Step:
    """A successor that has not started may never start; if it does, nothing of it may be removed before it ends."""
    if any(successor.daemon_has_started for successor in successors):
        return ReleasePod(CleanupOutcome.INHERITED)
    return Wait() if cleanup is None else Retry()


def _look_at(cleanup: PodState, now: datetime) -> Step:
    if cleanup.succeeded:
        return ReleasePod(CleanupOutcome.CLEAN)
    if not cleanup.ended or cleanup.terminating:
        return Wait()
    again = cleanup.created + RETRY
    return Retry() if again <= now else Wait(again)


def _socket(pod: Manifest) -> str | None:
    volumes = pod["spec"].get("volumes", [])
    return next((each.get("hostPath", {}).get("path") for each in volumes if each["name"] == NODE_SOCKET_VOLUME), None)


def owner_uid(pod: Manifest) -> str:
    """The UID that its guard labels with, from its arguments: its own label may have been changed."""
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"].get("containers", [])]
    args: list[str] = next((each.get("args", []) for each in containers if each["name"] == CONTAINER), [])
    return next((each.removeprefix(OWNER_FLAG) for each in args if each.startswith(OWNER_FLAG)), "")


def describe(pod: Manifest, defaults: OperatorDefaults, nodes: Mapping[str, NodeFacts], failure: str = "") -> str:
    """The state of the cleanup, as a message.

    Args:
        pod: a pod whose node may need cleanup.
        defaults: the operator's settings.
        nodes: those of the cluster by name.
        failure: which request of the cleanup failed, as a sentence; empty: none.
    """
    if failure:
        return failure
    metadata, mine = pod["metadata"], identity(pod, defaults)
    node = PodState(pod).node
    if not node:
        return f"Pod {metadata['name']} terminates"
    if node in nodes and not nodes[node].ready:
        return (
            f"node {node} is not ready: what clients made there through Pod {metadata['name']} is removed when it is. "
            "If it never is, delete its Node object, which releases the pod"
        )
    return (
        f"Pod {mine.name} in namespace {mine.namespace} removes from node {node} what clients made through Pod "
        f"{metadata['name']}, after that has ended. If it takes long, look at both pods and at the node"
    )


def identity(pod: Manifest, defaults: OperatorDefaults) -> Identity:
    """The identity of its cleanup pod."""
    return Identity("Pod", defaults.cleanup_namespace, names.cleanup_pod(pod["metadata"]["uid"]))


def _cleanup_pod(pod: Manifest, owner: tuple[str, str], defaults: OperatorDefaults) -> Manifest:
    """A pod bound to the node, whatever its state and taints, with the socket and without a token."""
    metadata, spec, mine = pod["metadata"], pod["spec"], identity(pod, defaults)
    namespace, name = owner
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": mine.name,
            "namespace": mine.namespace,
            "labels": {
                **POD_DEFAULTS.labels,
                **defaults.common_labels,
                names.MANAGED_BY: names.OPERATOR,
                names.LABEL_ROLE: ROLE,
                names.LABEL_NAME: name,
                names.LABEL_NAMESPACE: namespace,
                names.LABEL_UID: owner_uid(pod),
            },
            "annotations": {
                **POD_DEFAULTS.annotations,
                names.ANNOTATION_CLEANS_UP_AFTER: f"{metadata['namespace']}/{metadata['name']}",
            },
        },
        "spec": {
            "nodeName": spec["nodeName"],
            "restartPolicy": "OnFailure",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {
                "supplementalGroups": spec.get("securityContext", {}).get("supplementalGroups", []),
            },
            "containers": [
                {
                    "name": ROLE,
                    "image": defaults.operator_image,
                    "imagePullPolicy": defaults.image_pull_policy,
                    "args": ["cleanup", f"--socket={NODE_SOCKET}", f"{OWNER_FLAG}{owner_uid(pod)}"],
                    "resources": defaults.cleanup_resources.dump(),
                    "securityContext": RESTRICTED,
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": [{"name": NODE_SOCKET_VOLUME, "mountPath": NODE_SOCKET}],
                }
            ],
            "volumes": [{"name": NODE_SOCKET_VOLUME, "hostPath": {"path": _socket(pod), "type": "Socket"}}],
        },
    }
