"""Metrics for Prometheus; no label holds the name of an object."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


class Metrics:
    """The operator's metrics.

    Args:
        nested_dockers: returns every NestedDocker in the cache, for the counts by mode and state.
        requests: returns the number of requests to the API server, by verb and kind.
        queue_depth: returns the number of keys in the queue.
        leading: whether this replica is the leader.
        unreadable: returns the number of objects that could not be read whole, by kind.
    """

    def __init__(
        self,
        *,
        nested_dockers: Callable[[], Iterable[Mapping[str, Any]]],
        requests: Callable[[], Mapping[tuple[str, str], int]],
        queue_depth: Callable[[], float],
        leading: Callable[[], bool],
        unreadable: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.registry = CollectorRegistry()
        self._nested_dockers, self._requests = nested_dockers, requests
        self._queue_depth, self._leading, self._unreadable = queue_depth, leading, unreadable
        self._passes = Counter(
            "nested_docker_reconciles", "Passes over a NestedDocker.", ["outcome"], registry=self.registry
        )
        self._decisions = Counter(
            "nested_docker_decisions",
            "Grants and denials, by the stage that made the decision.",
            ["stage", "outcome", "reason", "mode"],
            registry=self.registry,
        )
        self._probe_failures = Counter(
            "nested_docker_daemon_probe_failures",
            "Probes of new daemons without a usable answer.",
            ["error"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "nested_docker_reconcile_seconds",
            "Duration of a pass.",
            registry=self.registry,
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15),
        )
        self.registry.register(self)

    def observe(self, outcome: str, seconds: float) -> None:
        """Callable[[], float] a pass and its duration."""
        self._passes.labels(outcome).inc()
        self._seconds.observe(seconds)

    def decided(self, stage: str, outcome: str, reason: str, mode: str) -> None:
        """Count a grant or a denial."""
        self._decisions.labels(stage, outcome, reason, mode).inc()

    def probe_failed(self, error: str) -> None:
        """Count a probe without a usable answer."""
        self._probe_failures.labels(error).inc()

    def collect(self) -> Iterator[Metric]:
        """Metrics that are read at each scrape instead of counted as events happen."""
        leading = self._leading()
        yield GaugeMetricFamily("nested_docker_leading", "Whether this replica leads.", value=float(leading))
        if leading:
            yield from self._state_of_the_cluster()
        requests = CounterMetricFamily(
            "nested_docker_api_requests", "Requests to the API server.", labels=["verb", "kind"]
        )
        for (verb, kind), count in list(self._requests().items()):
            requests.add_metric([verb, kind], count)
        yield requests

    def _state_of_the_cluster(self) -> Iterator[Metric]:
        """What every replica sees: a sum over replicas counts it once, because only the leader exports it."""
        yield GaugeMetricFamily(
            "nested_docker_queue_depth", "NestedDockers that wait to be worked on.", value=self._queue_depth()
        )
        yield self._objects()
        unreadable = GaugeMetricFamily(
            "nested_docker_unreadable_objects", "Objects that could not be read whole.", labels=["kind"]
        )
        for kind, count in sorted(self._unreadable().items()):
            unreadable.add_metric([kind], count)
        yield unreadable

    def _objects(self) -> Metric:
        family = GaugeMetricFamily(
            "nested_docker_objects", "NestedDockers by mode and state.", labels=["mode", "ready", "reason"]
        )
        tally = Tally(_state(obj.get("status", {})) for obj in list(self._nested_dockers()))
        for state, count in sorted(tally.items()):
            family.add_metric(list(state), count)
        return family


def _state(status: Mapping[str, Any]) -> tuple[str, str, str]:
    conditions: list[Mapping[str, str]] = status.get("conditions", [])
    ready = next((each for each in conditions if each["type"] == "Ready"), {})
    return status.get("mode", ""), ready.get("status", "Unknown"), ready.get("reason", "")
