"""docs/metrics.md, made of the registry that the operator exports, with one sample of each metric."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client.core import Metric

from nested_docker.observability.metrics import Metrics

HEAD = "<!-- Made by hack/generate.py; edit operator/nested_docker/observability/metrics.py instead. -->\n\n"
TEXT = """# Metrics

Every replica of the operator serves them at port 8080, path `/metrics`. `serviceMonitor.enabled` of the chart makes the
Prometheus operator scrape them, or `podMonitor.enabled` without the Service; `prometheusRule.enabled` adds
[alerts](runbook.md), and `dashboards.enabled` a dashboard for Grafana.

No label holds the name of an object, so a tenant cannot create time series. What is *from* the leader only the leader
exports, so a sum over replicas counts it once. What is from each replica is about that replica.

The pods of mode `HostSocket` serve metrics too: [below](#metrics-of-guards).

| metric | type | labels | from | meaning |
|---|---|---|---|---|
"""

GUARDS = """
## Metrics of guards

The relay in a pod of mode `HostSocket`, with the guard or without, serves `/metrics` at port 8080 (`health`) beside
its probes.

| metric | type | labels | meaning |
|---|---|---|---|
| `nested_docker_relay_connections` | gauge | – | Open connections. |
| `nested_docker_guard_requests_total` | counter | `rule`, `verdict` | Requests to [the guard](guard.md), by verdict. |

`verdict` is `allowed`, `denied`, or `waived`: a violation that `Warn` or `Audit` lets pass. `rule` is the first word
of the rule that a request violates, from a fixed list: no word of a client becomes a label. Other owners' objects and
those that do not exist count as the same (`owner`), as the guard also answers the same. Who reads the metrics of a
guard learns of its own clients only. [The guard's log](guard.md) has each request.

`podMonitor.guards` of the chart makes the Prometheus operator scrape them in all namespaces. The NetworkPolicy of a
daemon opens port 8080 to nobody but the clients of published ports: in each namespace in which Prometheus is to reach
guards, an admin adds this one.

```yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: guards-monitoring
spec:
  podSelector:
    matchLabels:
      nesteddocker.dev/role: daemon
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: monitoring
      ports:
        - port: 8080
          protocol: TCP
```

Only the container of the relay is scraped, and of it only these metrics: a user's workload beside it cannot add any.
`tests/contract/test_monitoring.py` offers the chart's objects and this policy to an API server.
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
        webhook_certificate=lambda: (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
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
    return HEAD + TEXT + "".join(_rows(families, everywhere)) + GUARDS


def _rows(families: Iterable[Metric], everywhere: set[str]) -> Iterable[str]:
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        shown = ", ".join(f"`{label}`" for label in labels) or "–"
        source = "each replica" if family.name in everywhere else "leader"
        yield f"| `{name}` | {family.type} | {shown} | {source} | {family.documentation} |\n"
