"""The page of metrics: each metric of the registry, its labels and who exports it."""

from __future__ import annotations

from hack.metrics_reference import GUARDS, metrics_reference, sample_metrics
from prometheus_client.parser import text_string_to_metric_families
from tests.unit import pages

from nested_docker.guard.verdicts import GuardVerdict, Verdicts
from nested_docker.relay.probes import METRICS


def test_each_metric_has_a_row_with_its_labels_and_its_source() -> None:
    rows = {row[0].strip("`"): row for row in pages.table(metrics_reference().partition(GUARDS)[0])}
    families = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in sample_metrics().registry.collect()
    }
    assert set(rows) - {"metric"} == families
    assert rows["nested_docker_webhook_seconds"][1:4] == ["histogram", "`code`, `path`", "each replica"]
    assert rows["nested_docker_queue_depth"][1:4] == ["gauge", "–", "leader"]
    assert all(row[4].endswith(".") for name, row in rows.items() if name != "metric"), rows


def test_each_metric_of_a_guard_has_a_row_with_its_labels() -> None:
    rows = {row[0].strip("`"): row for row in pages.table(GUARDS)}
    verdicts = Verdicts()
    verdicts.count(GuardVerdict.ALLOWED)
    families = list(text_string_to_metric_families(METRICS.format(0) + verdicts.metrics()))
    names = {f"{each.name}_total" if each.type == "counter" else each.name: each for each in families}
    assert set(rows) - {"metric"} == set(names)
    for name, family in names.items():
        labels = {label.strip(" `–") for label in rows[name][2].split(",")} - {""}
        assert (rows[name][1], labels) == (family.type, set(family.samples[0].labels))
