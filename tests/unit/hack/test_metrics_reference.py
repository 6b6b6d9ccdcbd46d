"""The page of metrics: each metric of the registry, its labels and who exports it."""

from __future__ import annotations

from hack.metrics_reference import metrics_reference, sample_metrics
from tests.unit import pages


def test_each_metric_has_a_row_with_its_labels_and_its_source() -> None:
    rows = {row[0].strip("`"): row for row in pages.table(metrics_reference())}
    families = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in sample_metrics().registry.collect()
    }
    assert set(rows) - {"metric"} == families
    assert rows["nested_docker_webhook_seconds"][1:4] == ["histogram", "`code`, `path`", "each replica"]
    assert rows["nested_docker_queue_depth"][1:4] == ["gauge", "–", "leader"]
    assert all(row[4].endswith(".") for name, row in rows.items() if name != "metric"), rows
