"""Node probes: short pods without privilege that find out, once per boot, what no API tells about a node.

Everything that the operator has to remember is on the NestedDockerNode and on the pod, so a restart loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import ValidationError

from nested_docker.api.meta import Condition, Status
from nested_docker.api.v1alpha1.node import PROBED, NestedDockerNodeStatus, ProbedFacts
from nested_docker.domain import names
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.manifests.metadata import POD_DEFAULTS
from nested_docker.domain.modes.dockerd import RESTRICTED
from nested_docker.domain.objects import Identity, Manifest, NodeFacts
from nested_docker.domain.planning.pod_state import PodState
from nested_docker.domain.shown import shorten
from nested_docker.domain.status.conditions import parse_timestamp, timestamp

PROBE_ROLE = "node-probe"

PROBES_AT_ONCE = 4
"""Probes that run at the same time: a thousand new nodes do not mean a thousand new pods."""

DEADLINE = timedelta(minutes=2)
"""What a probe may take from its start on, with the pull of its image."""

GIVEN_UP_AFTER = DEADLINE - timedelta(seconds=15)
"""Age at which a probe has failed: when the kubelet ends it at its deadline, its status no longer says what it waited
for."""

RETRY_FIRST, RETRY_LONGEST = timedelta(minutes=1), timedelta(hours=1)
"""Time until the next probe after a first failure, which doubles with each further one, and its maximum."""

RAISED_AFTER = timedelta(hours=1)
"""Time until a node without user namespaces is probed again: an admin raises the sysctl without a boot."""

LONGEST_ANSWER = 4096
"""Bytes of an answer that are read: as many as the kubelet keeps of a termination message."""

VIRTUAL_NODES = frozenset({("type", "virtual-kubelet"), ("eks.amazonaws.com/compute-type", "fargate")})
"""Labels of nodes that are no machines: each pod there gets its own machine, so a probe says nothing of other pods."""

DATA_FOLDER = "/run/probe"


class ProbeReason(StrEnum):
    """Reasons of the condition `Probed`."""

    SUCCEEDED = "Succeeded"
    REJECTED = "Rejected"
    """The API server does not create the pod."""
    FAILED = "Failed"
    """The pod did not end in time, or ended with an error."""
    UNREADABLE = "Unreadable"
    """The pod has answered something else than facts about this boot of the node."""


@dataclass(frozen=True)
class KnownNode:
    """A Node, and what is known of it.

    Attributes:
        name: its name.
        uid: its uid.
        facts: what its status says.
        known: status of its NestedDockerNode; None: it has none.
        refused: how often in a row its probe could not be created for a reason that is probably not the node's.
    """

    name: str
    uid: str
    facts: NodeFacts
    known: NestedDockerNodeStatus | None = None
    refused: int = 0


@dataclass(frozen=True)
class StartProbe:
    """Create the pod."""

    node: KnownNode
    manifest: Manifest


@dataclass(frozen=True)
class RecordProbe:
    """Write the status of the NestedDockerNode."""

    node: KnownNode
    status: NestedDockerNodeStatus


@dataclass(frozen=True)
class RemoveProbe:
    """Delete the pod."""

    identity: Identity
    uid: str


ProbeStep = StartProbe | RecordProbe | RemoveProbe


def is_probe(pod: Manifest, defaults: OperatorDefaults) -> bool:
    """Whether a pod is a probe of a node: with the labels alone, another pod would speak for it."""
    metadata = pod["metadata"]
    labels = metadata.get("labels", {})
    expected = (defaults.cleanup_namespace, PROBE_ROLE, names.node_probe_pod(labels.get(names.LABEL_UID, "")))
    return (metadata.get("namespace"), labels.get(names.LABEL_ROLE), metadata["name"]) == expected


def probe_steps(
    nodes: Mapping[str, KnownNode], pods: Iterable[Manifest], now: datetime, defaults: OperatorDefaults
) -> list[ProbeStep]:
    """What to do now, in this order.

    Args:
        nodes: the Nodes by name.
        pods: the probes that exist.
        now: the current time.
        defaults: the operator's settings.
    """
    states = [PodState(pod) for pod in pods]
    steps = [step for state in states for step in _of_pod(state, nodes.get(state.node), now)]
    running = sum(not (state.ended or state.terminating) for state in states)
    taken = {state.node for state in states}
    due = [node for node in nodes.values() if node.name not in taken and _is_due(node, now)]
    due.sort(key=lambda node: ((node.known.failures if node.known else 0) + node.refused, node.name))
    return steps + [StartProbe(node, _pod(node, defaults)) for node in due[: max(0, PROBES_AT_ONCE - running)]]


def failed(node: KnownNode, reason: ProbeReason, message: str, now: datetime) -> NestedDockerNodeStatus:
    """The status after a probe that did not succeed; the time of the next one follows from it.

    What an earlier probe has seen in this boot stays: a full quota must not make a node look as if it lacked nothing.
    """
    failures = min((node.known.failures if node.known else 0) + 1, 1000)
    before = node.known.facts if node.known else None
    again = timestamp(now + _pause(failures))
    return _status(
        node, Status.FALSE, reason, f"{shorten(message, 1000)}. The next probe is at {again}", now
    ).model_copy(
        update={"failures": failures, "facts": before if before and before.boot_id == node.facts.boot_id else None}
    )


def _of_pod(state: PodState, node: KnownNode | None, now: datetime) -> Iterator[ProbeStep]:
    """What to do about a probe that exists; once its result is written, it is deleted."""
    metadata = state.manifest["metadata"]
    boot = (metadata["labels"].get(names.LABEL_UID), metadata.get("annotations", {}).get(names.ANNOTATION_BOOT))
    mine = node is not None and boot == (node.uid, node.facts.boot_id)
    overdue = state.created + GIVEN_UP_AFTER <= now
    if mine and not (state.ended or overdue):
        return
    if node is not None and mine and _is_due(node, now):
        yield RecordProbe(node, _result(state, node, now))
    elif not state.terminating:
        yield RemoveProbe(Identity("Pod", metadata["namespace"], metadata["name"]), metadata["uid"])


def _is_due(node: KnownNode, now: datetime) -> bool:
    """Whether a node wants a probe now: it can run one, and there is no result of this boot and these versions."""
    known = node.known
    if not _can_run_probes(node.facts):
        return False
    if known is None or known.probe_time is None:
        return True
    since = now - parse_timestamp(known.probe_time)
    if known.failures:
        return since >= _pause(known.failures)
    if known.facts is None or not _is_up_to_date(node.facts, known, known.facts):
        return True
    return known.facts.max_user_namespaces == 0 and since >= RAISED_AFTER


def _can_run_probes(facts: NodeFacts) -> bool:
    """Whether a node is a machine with Linux that is up."""
    linux = facts.operating_system in {"", "linux"}
    return facts.ready and bool(facts.boot_id) and linux and not VIRTUAL_NODES & facts.labels.items()


def _is_up_to_date(facts: NodeFacts, known: NestedDockerNodeStatus, probed: ProbedFacts) -> bool:
    versions = (known.kubelet_version, known.container_runtime_version)
    return (probed.boot_id, *versions) == (facts.boot_id, facts.kubelet, facts.runtime)


def _pause(failures: int) -> timedelta:
    return min(RETRY_FIRST * (1 << min(failures - 1, 10)), RETRY_LONGEST)


def _result(state: PodState, node: KnownNode, now: datetime) -> NestedDockerNodeStatus:
    if not state.succeeded:
        return failed(node, ProbeReason.FAILED, _why(state), now)
    answer = _container_state(state).get("terminated", {}).get("message", "")
    if not isinstance(answer, str) or len(answer.encode(errors="replace")) > LONGEST_ANSWER:
        return failed(node, ProbeReason.UNREADABLE, "the probe's answer is too long", now)
    try:
        facts = ProbedFacts.model_validate_json(answer)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        return failed(node, ProbeReason.UNREADABLE, f"the probe's answer: {where} {problem['msg']}", now)
    if facts.boot_id != node.facts.boot_id:
        message = (
            f"the probe saw boot {facts.boot_id}, and the Node has bootID {node.facts.boot_id}: the node has booted "
            "meanwhile, or its default runtime handler gives pods another kernel, as Kata Containers and gVisor do"
        )
        return failed(node, ProbeReason.UNREADABLE, message, now)
    status = _status(node, Status.TRUE, ProbeReason.SUCCEEDED, "", now)
    return status.model_copy(update={"facts": facts})


def _why(state: PodState) -> str:
    """Why a probe has not succeeded, from its status: hostile, so it is shortened."""
    said = [
        f"{each.get('reason', '')}: {each.get('message', '')}"
        for each in (state.manifest.get("status", {}), *_container_state(state).values())
        if each.get("reason") or each.get("message")
    ]
    silence = "it still runs" if "running" in _container_state(state) else "no word from the node"
    return f"the probe did not succeed ({'; '.join(said) or silence})"


def _container_state(state: PodState) -> Manifest:
    """The state of the probe's container: waiting, running or terminated, with the details; empty: none yet.

    An admission webhook may have added others.
    """
    statuses: list[Manifest] = state.manifest.get("status", {}).get("containerStatuses", [])
    found: list[Manifest] = [each.get("state", {}) for each in statuses if each.get("name") == PROBE_ROLE]
    return found[0] if found else {}


def _status(node: KnownNode, truth: Status, reason: ProbeReason, message: str, now: datetime) -> NestedDockerNodeStatus:
    before = next((each for each in node.known.conditions if each.type == PROBED), None) if node.known else None
    since = before.last_transition_time if before is not None and before.status == truth else timestamp(now)
    condition = Condition(
        type=PROBED, status=truth, reason=reason, message=message, last_transition_time=since, observed_generation=1
    )
    return NestedDockerNodeStatus(
        observed_generation=1,
        conditions=[condition],
        kubelet_version=node.facts.kubelet,
        container_runtime_version=node.facts.runtime,
        probe_time=timestamp(now),
    )


def _pod(node: KnownNode, defaults: OperatorDefaults) -> Manifest:
    """A pod bound to the node, whatever its taints: without privilege, token, network use or the node's files."""
    mount = {"name": "data", "mountPath": DATA_FOLDER}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": names.node_probe_pod(node.uid),
            "namespace": defaults.cleanup_namespace,
            "labels": {
                **POD_DEFAULTS.labels,
                **defaults.common_labels,
                names.MANAGED_BY: names.OPERATOR,
                names.LABEL_ROLE: PROBE_ROLE,
                names.LABEL_UID: node.uid,
            },
            "annotations": {**POD_DEFAULTS.annotations, names.ANNOTATION_BOOT: node.facts.boot_id},
        },
        "spec": {
            "nodeName": node.name,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(DEADLINE.total_seconds()),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": PROBE_ROLE,
                    "image": defaults.operator_image,
                    "imagePullPolicy": defaults.image_pull_policy,
                    "args": ["probe-node"],
                    "resources": defaults.cleanup_resources.dump(),
                    "securityContext": RESTRICTED,
                    "volumeMounts": [mount],
                }
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }
