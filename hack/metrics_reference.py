"""docs/metrics.md, made of the registry that the operator exports, with one sample of each metric."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client.core import Metric

from nested_docker.observability.metrics import Metrics

HEAD = "<!-- Made by hack/generate.py; edit operator/nested_docker/observability/metrics.py instead. -->\n\n"
TEXT = """# Metrics

Every replica of the operator serves them at port 8080, path `/metrics`. `serviceMonitor.enabled` of the chart makes the
Prometheus operator scrape them, `prometheusRule.enabled` adds [alerts](runbook.md), and `dashboards.enabled` a
dashboard for Grafana.

No label holds the name of an object, so a tenant cannot create time series. What is *from* the leader only the leader
exports, so a sum over replicas counts it once. What is from each replica is about that replica.

The guard in front of a node's Docker socket runs in users' namespaces and exports no metrics: its denials are in
[its log](guard.md).

| metric | type | labels | from | meaning |
|---|---|---|---|---|
"""

EXAMPLE = {
    "status": {
        "mode": "Dind",
        "hazards": [{"type": "Privileged"}],
        "certificateExpirationTime": "2027-01-01T00:00:00Z",
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Ready", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        ],
    }
}
STARTING = {
    "status": {
        "mode": "Dind",
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "DaemonStarting",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
}


def sample_metrics(*, leading: bool = True) -> Metrics:
    """Metrics of a replica that has at least one sample of each."""
    metrics = Metrics(
        nested_dockers=lambda: [EXAMPLE, STARTING],
        requests=lambda: {("get", "Pod"): 1},
        queue_depth=lambda: 1,
        queue_oldest=lambda: 1,
        leading=lambda: leading,
        unreadable=lambda: {"Pod": 1},
        webhook_certificate=lambda: datetime(2027, 1, 1, tzinfo=UTC),
    )
    metrics.observe("ok", 0.1)
    metrics.decided("admission", "granted", "Granted", "Dind")
    metrics.recorded("Normal", "Ready")
    metrics.probe_failed("timeout")
    metrics.reviewed("/validate-nested-dockers", 200, 0.01)
    return metrics


def exported_series(metrics: Metrics) -> dict[str, set[str]]:
    """Name of each time series, such as `..._bucket`, and its labels."""
    series: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels)
    return series


def metrics_reference() -> str:
    """docs/metrics.md."""
    everywhere = {family.name for family in sample_metrics(leading=False).registry.collect()}
    families = sorted(sample_metrics().registry.collect(), key=lambda family: family.name)
    return HEAD + TEXT + "".join(_rows(families, everywhere))


def _rows(families: Iterable[Metric], everywhere: set[str]) -> Iterable[str]:
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        shown = ", ".join(f"`{label}`" for label in labels) or "–"
        source = "each replica" if family.name in everywhere else "leader"
        yield f"| `{name}` | {family.type} | {shown} | {source} | {family.documentation} |\n"
