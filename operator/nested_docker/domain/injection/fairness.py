"""Which pods get their daemons next.

Daemons that wait for their pods hold nodes as well as pods that wait for their daemons do. So a pod waits behind a
scheduling gate, where it holds nothing, until its daemon has a node; and of the pairs of pod and daemon in a namespace
no more wait for a node than run. When those that run have ended, there is room for all that wait.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nested_docker.domain.names import SCHEDULING_GATE

PATIENCE = timedelta(minutes=5)
"""A pair that waits for so long while no older one runs holds up no others: perhaps no node can ever take it."""


@dataclass(frozen=True)
class Pair:
    """A pod and its daemon.

    Attributes:
        began: when its NestedDocker was created.
        has_node: whether the pod has a node, which it gets only after its daemon.
        first_since: since when no older pair has run, as far as the operator has seen; None: one runs.
    """

    began: datetime
    has_node: bool
    first_since: datetime | None = None


def oldest_running(pairs: Collection[Pair]) -> datetime | None:
    """When the oldest pair that runs began; None: none runs."""
    return min((pair.began for pair in pairs if pair.has_node), default=None)


def is_first(pair: Pair, oldest: datetime | None) -> bool:
    """Whether no older pair runs, so that the pair waits for nothing in its namespace to end.

    Args:
        pair: that waits.
        oldest: `oldest_running`.
    """
    return oldest is None or oldest > pair.began


def room(pairs: Collection[Pair], now: datetime) -> int:
    """How many more pairs of a namespace may begin; negative: too many have."""
    running = sum(pair.has_node for pair in pairs)
    return max(1, running) - sum(not pair.has_node and not _is_late(pair, now) for pair in pairs)


def _is_late(pair: Pair, now: datetime) -> bool:
    return pair.first_since is not None and now >= pair.first_since + PATIENCE


def is_gated(pod: Mapping[str, Any]) -> bool:
    """Whether a pod waits for its daemon to have a node."""
    return SCHEDULING_GATE in _gates(pod)


def is_gated_by_others(pod: Mapping[str, Any]) -> bool:
    """Whether a pod waits for somebody else too, such as a queue of jobs, and so needs no daemon yet."""
    return any(gate != SCHEDULING_GATE for gate in _gates(pod))


def _gates(pod: Mapping[str, Any]) -> list[str]:
    return [gate["name"] for gate in pod["spec"].get("schedulingGates") or []]
