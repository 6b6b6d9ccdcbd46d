"""Metrics for Prometheus; no label holds the name of an object."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from nested_docker.domain import pki
from nested_docker.domain.status.reasons import Trait, traits_of


def _now() -> datetime:
    return datetime.now(UTC)


class Metrics:
    """The operator's metrics.

    Args:
        nested_dockers: returns every NestedDocker in the cache, for what is computed from their status.
        requests: returns the number of requests to the API server, by verb and kind.
        queue_depth: returns the number of keys in the queue.
        queue_oldest: returns the seconds for which the oldest of them has waited.
        leading: whether this replica is the leader.
        unreadable: returns the number of objects that could not be read whole, by kind.
        webhook_certificate: returns the start and end of the webhook's certificate's validity; None: there is none.
        now: returns the present time.
    """

    def __init__(
        self,
        *,
        nested_dockers: Callable[[], Iterable[Mapping[str, Any]]],
        requests: Callable[[], Mapping[tuple[str, str], int]],
        queue_depth: Callable[[], float],
        queue_oldest: Callable[[], float],
        leading: Callable[[], bool],
        unreadable: Callable[[], Mapping[str, int]] = dict,
        webhook_certificate: Callable[[], tuple[datetime, datetime] | None] = lambda: None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.registry = CollectorRegistry()
        self._nested_dockers, self._requests = nested_dockers, requests
        self._queue_depth, self._queue_oldest = queue_depth, queue_oldest
        self._leading, self._unreadable = leading, unreadable
        self._webhook_certificate, self._now = webhook_certificate, now
        self._passes = Counter(
            "nested_docker_reconciles",
            "Passes over a NestedDocker or a pod with a sidecar: `ok`, `rejected` (the API server rejected a write), "
            "`retry` or `error`.",
            ["outcome"],
            registry=self.registry,
        )
        self._decisions = Counter(
            "nested_docker_decisions",
            "Grants and denials, by the stage that made the decision.",
            ["stage", "outcome", "reason", "mode"],
            registry=self.registry,
        )
        self._events = Counter(
            "nested_docker_events",
            "Events about NestedDockers and pods with a sidecar, such as `PodLost` for each pod that was lost.",
            ["type", "reason"],
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
        self._reviews = Histogram(
            "nested_docker_webhook_seconds",
            "Duration of a review in the webhook, by its HTTP status code: 200 allowed, 403 denied, 400 not a review, "
            "429 too many requests of one user, 500 a defect, 503 could not be reviewed.",
            ["path", "code"],
            registry=self.registry,
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self.registry.register(self)

    def observe(self, outcome: str, seconds: float) -> None:
        """Count a pass and its duration."""
        self._passes.labels(outcome).inc()
        self._seconds.observe(seconds)

    def decided(self, stage: str, outcome: str, reason: str, mode: str) -> None:
        """Count a grant or a denial."""
        self._decisions.labels(stage, outcome, reason, mode).inc()

    def recorded(self, type_: str, reason: str) -> None:
        """Count an Event."""
        self._events.labels(type_, reason).inc()

    def probe_failed(self, error: str) -> None:
        """Count a probe without a usable answer."""
        self._probe_failures.labels(error).inc()

    def reviewed(self, path: str, code: int, seconds: float) -> None:
        """Count an answer of the webhook and its duration."""
        self._reviews.labels(path, str(code)).observe(seconds)

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
        validity = self._webhook_certificate()
        if validity is not None:
            start, end = validity
            yield GaugeMetricFamily(
                "nested_docker_webhook_certificate_start_timestamp_seconds",
                "Since when the certificate of this replica's webhook is valid, in Unix time.",
                value=start.timestamp(),
            )
            yield GaugeMetricFamily(
                "nested_docker_webhook_certificate_expiration_timestamp_seconds",
                "When the certificate of this replica's webhook expires, in Unix time.",
                value=end.timestamp(),
            )

    def _state_of_the_cluster(self) -> Iterator[Metric]:
        """What every replica sees: a sum over replicas counts it once, because only the leader exports it."""
        yield GaugeMetricFamily(
            "nested_docker_queue_depth",
            "NestedDockers and pods with a sidecar that wait to be worked on.",
            value=self._queue_depth(),
        )
        yield GaugeMetricFamily(
            "nested_docker_queue_oldest_seconds",
            "Time for which the oldest of them has waited; 0: none waits.",
            value=self._queue_oldest(),
        )
        statuses = [_Status(obj.get("status", {})) for obj in list(self._nested_dockers())]
        yield _objects(statuses)
        yield _hazards(statuses)
        yield self._not_ready(statuses)
        yield from _certificates(statuses)
        unreadable = GaugeMetricFamily(
            "nested_docker_unreadable_objects", "Objects that could not be read whole.", labels=["kind"]
        )
        for kind, count in sorted(self._unreadable().items()):
            unreadable.add_metric([kind], count)
        yield unreadable

    def _not_ready(self, statuses: list[_Status]) -> Metric:
        family = GaugeMetricFamily(
            "nested_docker_not_ready_seconds",
            "Longest time for which a granted NestedDocker that is meant to have a daemon has not been Ready.",
            labels=["mode"],
        )
        longest: dict[str, float] = {}
        for status in statuses:
            if status.lacks_daemon and (since := _moment(status.ready.get("lastTransitionTime"))):
                seconds = max(0.0, (self._now() - since).total_seconds())
                longest[status.mode] = max(seconds, longest.get(status.mode, 0.0))
        for mode, seconds in sorted(longest.items()):
            family.add_metric([mode], seconds)
        return family


class _Status:
    """What metrics need of the status of a NestedDocker, which may be incomplete."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        conditions: list[Mapping[str, str]] = status.get("conditions", [])
        self.mode: str = status.get("mode", "")
        self.ready = next((each for each in conditions if each["type"] == "Ready"), {})
        self.reason = self.ready.get("reason", "")
        self.is_ready = self.ready.get("status") == "True"
        self.hazards = {hazard.get("type", "") for hazard in status.get("hazards", [])}
        self.certificate_expires = _moment(status.get("certificateExpirationTime"))
        self._ends = _moment(status.get("expirationTime"))

    @property
    def renewal_due(self) -> datetime | None:
        """When its client's certificate must be renewed; None: it has none, or one that outlasts the daemon."""
        expires = self.certificate_expires
        if expires is None or (self._ends is not None and self._ends <= expires):
            return None
        return expires - pki.RENEW_BEFORE

    @property
    def lacks_daemon(self) -> bool:
        """Whether it is granted and meant to have a daemon, and has none that is ready."""
        ends = Trait.SETTLED | Trait.FINAL | Trait.DENIAL
        return bool(self.ready) and not self.is_ready and not traits_of(self.reason) & ends


def _objects(statuses: Iterable[_Status]) -> Metric:
    family = GaugeMetricFamily(
        "nested_docker_objects", "NestedDockers by mode and state.", labels=["mode", "ready", "reason"]
    )
    tally = Tally((each.mode, each.ready.get("status", "Unknown"), each.reason) for each in statuses)
    for state, count in sorted(tally.items()):
        family.add_metric(list(state), count)
    return family


def _hazards(statuses: Iterable[_Status]) -> Metric:
    family = GaugeMetricFamily(
        "nested_docker_hazards", "Ready NestedDockers by hazard, as in `status.hazards`.", labels=["hazard"]
    )
    tally = Tally(hazard for each in statuses if each.is_ready for hazard in each.hazards)
    for hazard, count in sorted(tally.items()):
        family.add_metric([hazard], count)
    return family


def _certificates(statuses: Iterable[_Status]) -> Iterator[Metric]:
    expirations = [each.certificate_expires for each in statuses if each.is_ready and each.certificate_expires]
    if expirations:
        yield GaugeMetricFamily(
            "nested_docker_certificate_expiration_timestamp_seconds",
            "When the first client's certificate of a Ready NestedDocker expires, in Unix time.",
            value=min(expirations).timestamp(),
        )
    renewals = [each.renewal_due for each in statuses if each.is_ready and each.renewal_due]
    if renewals:
        yield GaugeMetricFamily(
            "nested_docker_certificate_renewal_timestamp_seconds",
            "When the first renewal of a client's certificate of a Ready NestedDocker is due, in Unix time; daemons "
            "whose deadline comes before their certificate's end need none.",
            value=min(renewals).timestamp(),
        )


def _moment(text: str | None) -> datetime | None:
    """A time in a status; None: it has none that can be read, which must not cost all the other metrics."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
