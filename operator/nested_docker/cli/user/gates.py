"""Why a NestedDocker is not ready yet, or how long each step to readiness took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from nested_docker.cli.user.durations import format_duration, parse_moment
from nested_docker.cli.user.status_text import event_note, event_time
from nested_docker.client.progress import condition
from nested_docker.domain.objects import Manifest
from nested_docker.domain.shown import one_line

DAEMON_CONTAINER = "daemon"


class GateState(StrEnum):
    """What happened at a gate."""

    PASSED = "passed"
    WAITING = "waiting"
    BLOCKED = "blocked"
    NOT_REACHED = "not reached"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Gate:
    """A step from the request to the first answer.

    Attributes:
        name: of the step.
        state: what happened.
        at: when it was passed; None: not yet, or nobody knows.
        detail: what holds it, or what is known about it.
    """

    name: str
    state: GateState
    at: datetime | None = None
    detail: str = ""


def gates(nested_docker: Manifest, pod: Manifest | None, events: Iterable[Manifest]) -> list[Gate]:
    """The gates in order: admission, policy, scheduling, pull, start, first answer.

    Args:
        nested_docker: the object.
        pod: its pod; None: there is none, or it cannot be read.
        events: of the pod.
    """
    found = [_admission(nested_docker), _policy(nested_docker)]
    found += [*_pod_gates(nested_docker, pod, sorted(events, key=event_time)), _answer(nested_docker)]
    return _after_a_block(found)


def gates_text(found: Iterable[Gate], created: datetime | None, now: datetime) -> str:
    """One line per gate, with the time that it took after the one before."""
    lines, before = [], created
    for gate in found:
        took = ""
        if gate.at is not None and before is not None:
            took = f"+{format_duration((gate.at - before).total_seconds())}"
        elif gate.state in {GateState.WAITING, GateState.BLOCKED} and before is not None:
            took = f"{format_duration((now - before).total_seconds())}…"
        before = gate.at or before
        lines.append(f"{gate.name:13}{gate.state:13}{took:>8}  {one_line(gate.detail)}".rstrip())
    return "\n".join(lines)


def gate_record(gate: Gate) -> dict[str, Any]:
    """A gate as JSON."""
    return {"name": gate.name, "state": gate.state, "at": gate.at and gate.at.isoformat(), "detail": gate.detail}


def _admission(nested_docker: Manifest) -> Gate:
    metadata = nested_docker["metadata"]
    return Gate("admission", GateState.PASSED, parse_moment(metadata.get("creationTimestamp")), "created")


def _policy(nested_docker: Manifest) -> Gate:
    accepted = condition(nested_docker, "Accepted")
    if not accepted:
        return Gate("policy", GateState.WAITING, None, "the operator has not looked at it yet; is it running?")
    detail = f"{accepted.get('reason')}: {accepted.get('message')}"
    if accepted.get("status") == "True":
        return Gate("policy", GateState.PASSED, parse_moment(accepted.get("lastTransitionTime")), detail)
    return Gate("policy", GateState.BLOCKED, None, detail)


def _pod_gates(nested_docker: Manifest, pod: Manifest | None, events: list[Manifest]) -> list[Gate]:
    ready, provisioned = condition(nested_docker, "Ready"), condition(nested_docker, "Provisioned")
    if provisioned.get("status") == "False":
        return [Gate("objects", GateState.BLOCKED, None, f"{provisioned.get('reason')}: {provisioned.get('message')}")]
    if pod is None:
        passed = ready.get("status") == "True"
        state = GateState.PASSED if passed else GateState.WAITING
        detail = "its pod cannot be read" if passed else f"{ready.get('reason', '')}: {ready.get('message', '')}"
        return [Gate("pod", state, None, detail.strip(": "))]
    return [_scheduling(pod), _pull(pod, events), _start(pod)]


def _scheduling(pod: Manifest) -> Gate:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "True":
        node = (pod.get("spec") or {}).get("nodeName", "")
        return Gate("scheduling", GateState.PASSED, parse_moment(scheduled.get("lastTransitionTime")), f"node {node}")
    detail = f"{scheduled.get('reason', 'Pending')}: {scheduled.get('message', 'no node yet')}"
    return Gate("scheduling", GateState.WAITING, None, detail)


def _pull(pod: Manifest, events: list[Manifest]) -> Gate:
    pulled = [each for each in events if each.get("reason") == "Pulled"]
    waiting = _state(pod).get("waiting") or {}
    if "Image" in str(waiting.get("reason", "")):
        return Gate("pull", GateState.BLOCKED, None, f"{waiting.get('reason')}: {waiting.get('message', '')}")
    if _was_started(pod):
        at = parse_moment(event_time(pulled[-1])) if pulled else None
        return Gate("pull", GateState.PASSED, at, event_note(pulled[-1]) if pulled else "")
    return Gate("pull", GateState.WAITING, None, event_note(events[-1]) if events else "")


def _start(pod: Manifest) -> Gate:
    state = _state(pod)
    if running := state.get("running"):
        restarts = (_container(pod).get("restartCount")) or 0
        detail = f"restarted {restarts} times" if restarts else ""
        return Gate("start", GateState.PASSED, parse_moment(running.get("startedAt")), detail)
    ended = state.get("terminated") or (_container(pod).get("lastState") or {}).get("terminated") or {}
    if ended:
        detail = f"exit code {ended.get('exitCode')}: {ended.get('message') or ended.get('reason') or ''}"
        return Gate("start", GateState.BLOCKED, None, " ".join(detail.split()))
    waiting = state.get("waiting") or {}
    return Gate("start", GateState.WAITING, None, str(waiting.get("message") or waiting.get("reason") or ""))


def _answer(nested_docker: Manifest) -> Gate:
    ready = condition(nested_docker, "Ready")
    if ready.get("status") == "True":
        return Gate(
            "first answer", GateState.PASSED, parse_moment(ready.get("lastTransitionTime")), "clients can connect"
        )
    detail = f"{ready.get('reason', '')}: {ready.get('message', '')}".strip(": ")
    stalled = condition(nested_docker, "Stalled").get("status") == "True"
    return Gate("first answer", GateState.BLOCKED if stalled else GateState.WAITING, None, detail)


def _after_a_block(found: list[Gate]) -> list[Gate]:
    """Behind the first gate that is not passed, nothing has been reached."""
    result: list[Gate] = []
    open_ = True
    for gate in found:
        result.append(gate if open_ else Gate(gate.name, GateState.NOT_REACHED))
        open_ = open_ and gate.state is GateState.PASSED
    return result


def _container(pod: Manifest) -> Manifest:
    status: Manifest = pod.get("status") or {}
    all_ = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return next((each for each in all_ if each.get("name") == DAEMON_CONTAINER), all_[0] if all_ else {})


def _state(pod: Manifest) -> Manifest:
    state: Manifest = _container(pod).get("state") or {}
    return state


def _was_started(pod: Manifest) -> bool:
    container = _container(pod)
    return bool(_state(pod).get("running") or _state(pod).get("terminated") or container.get("lastState"))
