"""How many pairs may begin: never so many that daemons alone fill the nodes, and never none for ever."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from nested_docker.domain.injection.fairness import Pair, is_first, is_gated, is_gated_by_others, oldest_running, room

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OURS, KUEUE = {"name": "nesteddocker.dev/daemon"}, {"name": "kueue.x-k8s.io/admission"}


def waits(first_for: float | None = None) -> Pair:
    """A pair that waits; minutes for which no older one has run."""
    return Pair(NOW, has_node=False, first_since=None if first_for is None else NOW - timedelta(minutes=first_for))


RUNS = Pair(NOW, has_node=True)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], 1),
        ([waits(0)], 0),
        ([RUNS], 1),
        ([RUNS, RUNS, waits()], 1),
        ([RUNS, RUNS, waits(), waits()], 0),
        ([waits(1), waits(1), waits(1)], -2),
        ([waits(4.9)], 0),
        ([waits(5)], 1),
        ([waits(60), waits(30), waits(1)], 0),
        ([RUNS, waits()], 0),
        ([RUNS, waits(30)], 1),
        ([RUNS, RUNS, waits(30), waits()], 1),
    ],
    ids=[
        "nothing: one begins",
        "one waits: no other",
        "one runs: one may wait",
        "half as many wait as run",
        "as many wait as run",
        "those that ran have ended, and more wait than may",
        "not yet long",
        "long, and nothing runs: it holds up no other",
        "two long, and one that has just begun",
        "it waits for the room of an older one",
        "long, and no older one runs: perhaps no node takes it",
        "of two, one waits for the room of an older one",
    ],
)
def test_no_more_wait_than_run_and_at_least_one(pairs: list[Pair], expected: int) -> None:
    assert room(pairs, NOW) == expected


@pytest.mark.parametrize(
    ("other", "first"),
    [
        (Pair(NOW - timedelta(minutes=1), has_node=True), False),
        (Pair(NOW, has_node=True), False),
        (Pair(NOW + timedelta(minutes=1), has_node=True), True),
        (Pair(NOW - timedelta(minutes=1), has_node=False), True),
    ],
    ids=["an older one runs", "one of the same second runs", "a younger one runs", "an older one waits"],
)
def test_a_pair_is_first_while_no_older_one_runs(other: Pair, first: bool) -> None:
    pair = Pair(NOW, has_node=False)
    assert is_first(pair, oldest_running([pair, other])) is first


@pytest.mark.parametrize(
    ("gates", "ours", "others"),
    [
        (None, False, False),
        ([], False, False),
        ([OURS], True, False),
        ([KUEUE], False, True),
        ([KUEUE, OURS], True, True),
    ],
)
def test_whose_gates_a_pod_has(gates: list[dict[str, str]] | None, ours: bool, others: bool) -> None:
    pod = {"spec": {} if gates is None else {"schedulingGates": gates}}
    assert (is_gated(pod), is_gated_by_others(pod)) == (ours, others)


# --- a cluster ------------------------------------------------------------------------------------------


@dataclass
class Job:
    """A pod and its daemon.

    Attributes:
        minutes: for which it runs.
        possible: whether a node may ever take its daemon.
        began: when its NestedDocker was created.
        daemon_has_node: whether the daemon holds room, and the pod has no gate.
        started: when the pod got a node.
    """

    minutes: float
    possible: bool = True
    began: datetime | None = None
    daemon_has_node: bool = False
    started: datetime | None = None
    done: bool = False


class Cluster:
    """Room for a number of pods, and a scheduler that takes those that wait in any order."""

    def __init__(self, jobs: list[Job], places: int, seed: int) -> None:
        self.jobs, self.places, self.now = jobs, places, NOW
        self.first_since: dict[int, datetime] = {}
        self.random = random.Random(seed)

    def run(self, hours: float) -> None:
        end = self.now + timedelta(hours=hours)
        while self.now < end and not all(job.done for job in self.jobs if job.possible):
            self._end()
            self._begin()
            self._schedule()
            self.now += timedelta(seconds=30)

    def _end(self) -> None:
        for job in self.jobs:
            if job.started and self.now - job.started >= timedelta(minutes=job.minutes):
                job.done = True

    def _begin(self) -> None:
        begun = {id(job): Pair(job.began, job.started is not None) for job in self.jobs if job.began and not job.done}
        for key, pair in begun.items():
            if pair.has_node or not is_first(pair, oldest_running([*begun.values()])):
                self.first_since.pop(key, None)
            else:
                self.first_since.setdefault(key, self.now)
        pairs = [replace(pair, first_since=self.first_since.get(key)) for key, pair in begun.items()]
        held = [job for job in self.jobs if not job.began]
        for job in held[: max(0, room(pairs, self.now))]:
            job.began = self.now

    def _schedule(self) -> None:
        waiting = [job for job in self.jobs if job.began and job.possible and not job.started]
        self.random.shuffle(waiting)
        for job in waiting:
            if self._used() >= self.places:
                return
            if job.daemon_has_node:
                job.started = self.now
            job.daemon_has_node = True

    def _used(self) -> int:
        return sum(job.daemon_has_node + (job.started is not None) for job in self.jobs if not job.done)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("places", [2, 5, 16])
@pytest.mark.parametrize("minutes", [0.5, 4, 45], ids=["short", "medium", "longer than patience"])
def test_more_jobs_than_the_nodes_hold_all_end(minutes: float, places: int, seed: int) -> None:
    jobs = [Job(minutes) for _ in range(12 if minutes > 5 else 50)]
    Cluster(jobs, places, seed).run(50)
    assert all(job.done for job in jobs)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("impossible", [1, 4])
def test_pairs_that_no_node_takes_do_not_stop_the_others(impossible: int, seed: int) -> None:
    jobs = [*(Job(1, possible=False) for _ in range(impossible)), *(Job(20) for _ in range(20))]
    Cluster(jobs, 8, seed).run(50)
    assert [job.done for job in jobs if job.possible] == [True] * 20


def test_in_an_empty_cluster_the_number_that_runs_doubles() -> None:
    jobs = [Job(60) for _ in range(50)]
    cluster = Cluster(jobs, 1000, 0)
    cluster.run(0.2)
    assert all(job.started for job in jobs)
