"""Alerts, dashboard and scraping: what is rendered, that it fires, and that each metric exists."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hack.go_tool import promtool
from hack.metrics_reference import exported_series, sample_metrics
from tests.chart.conftest import MONITORING, RELEASE, SYSTEM, Helm, Manifest
from tests.chart.rendered import of_kind
from tests.support.cluster import ROOT, CommandFailed, run

ON = ("serviceMonitor.enabled=true", "prometheusRule.enabled=true", "dashboards.enabled=true")
TESTED = ("prometheusRule.runbookUrl=runbook", "prometheusRule.hazards={HostControl}")
RUNBOOK = ROOT / "docs/runbook.md"
PARTS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
FROM_PROMETHEUS = {"up"}
"""Series that Prometheus makes itself."""


def rules(offline: Helm, *values: str) -> Manifest:
    (made,) = of_kind(offline.render(*ON, *values), "PrometheusRule")
    return made


def alerts(made: Manifest) -> list[Manifest]:
    return [alert for group in made["spec"]["groups"] for alert in group["rules"]]


def dashboard(offline: Helm) -> dict[str, Any]:
    (made,) = (
        each for each in of_kind(offline.render(*ON), "ConfigMap") if each["metadata"]["name"].endswith("-dashboard")
    )
    (text,) = made["data"].values()
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def expressions(offline: Helm) -> Iterator[str]:
    """Of alerts and panels."""
    yield from (alert["expr"] for alert in alerts(rules(offline)))
    yield from (target["expr"] for panel in panels(offline) for target in panel["targets"])


def panels(offline: Helm) -> list[dict[str, Any]]:
    """Those that show something."""
    return [panel for panel in dashboard(offline)["panels"] if panel["type"] != "row"]


def test_all_of_it_is_off_by_default(offline: Helm) -> None:
    manifests = offline.render()
    assert not [each for each in manifests if each["apiVersion"].startswith("monitoring.coreos.com/")]
    assert not [each for each in of_kind(manifests, "ConfigMap") if "dashboard" in each["metadata"]["name"]]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("serviceMonitor.enabled", "ServiceMonitor"),
        ("prometheusRule.enabled", "PrometheusRule"),
        ("podMonitor.enabled", "PodMonitor"),
        ("podMonitor.guards", "PodMonitor"),
    ],
)
def test_without_the_kind_it_fails_and_says_what_to_do(offline: Helm, value: str, kind: str) -> None:
    others = [each for each in MONITORING if not each.endswith(kind)]
    values = ON[:2] if kind != "PodMonitor" else (f"{value}=true",)
    with pytest.raises(CommandFailed, match=f"{value}: the cluster has no kind {kind} of monitoring.coreos.com/v1"):
        offline.render(*values, kinds=others)
    assert offline.render(kinds=())


def test_what_selects_them_has_its_labels_and_the_chart_s_stay(offline: Helm) -> None:
    labels = ("serviceMonitor.labels.release=prometheus", "prometheusRule.labels.release=prometheus")
    manifests = offline.render(*ON, *labels, r"prometheusRule.labels.app\.kubernetes\.io/name=other")
    for kind in ("ServiceMonitor", "PrometheusRule"):
        (made,) = of_kind(manifests, kind)
        assert made["metadata"]["labels"].items() >= {
            ("release", "prometheus"),
            ("app.kubernetes.io/name", "nested-docker"),
        }
    (config,) = (each for each in of_kind(manifests, "ConfigMap") if each["metadata"]["name"].endswith("-dashboard"))
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_job_of_the_alerts_is_the_service_that_is_scraped(offline: Helm) -> None:
    manifests = offline.render(*ON, release="ci")
    (monitor,) = of_kind(manifests, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    selected = [
        each["metadata"]["name"]
        for each in of_kind(manifests, "Service")
        if monitor["spec"]["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
        and endpoint["port"] in [port.get("name") for port in each["spec"]["ports"]]
    ]
    assert selected == ["ci-metrics"]
    (made,) = of_kind(manifests, "PrometheusRule")
    selectors = {
        selector for alert in alerts(made) for selector in re.findall(r'job="[^"]*", namespace="[^"]*"', alert["expr"])
    }
    assert selectors == {f'job="ci-metrics", namespace="{SYSTEM}"'}
    assert all('job="ci-metrics"' in alert["expr"] for alert in alerts(made))


def test_pods_without_a_service_have_the_job_of_the_alerts(offline: Helm) -> None:
    manifests = offline.render(
        "podMonitor.enabled=true,prometheusRule.enabled=true,metrics.service=false", release="ci"
    )
    (monitor,) = of_kind(manifests, "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "ci-metrics"}]
    (deployment,) = of_kind(manifests, "Deployment")
    template = deployment["spec"]["template"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    ports = [port["name"] for each in template["spec"]["containers"] for port in each["ports"]]
    assert endpoint["port"] in ports


@pytest.mark.parametrize(
    ("values", "selector"),
    [
        ((), {"any": True}),
        (("watchNamespaces={a,b}", "podNamespaces={b,pods}"), {"matchNames": ["a", "b", "pods"]}),
    ],
)
def test_guards_are_scraped_where_the_operator_makes_them(
    offline: Helm, values: tuple[str, ...], selector: dict[str, Any]
) -> None:
    (monitor,) = of_kind(offline.render("podMonitor.guards=true", *values), "PodMonitor")
    assert monitor["spec"]["namespaceSelector"] == selector


def test_of_a_guard_s_pod_the_relay_alone_is_scraped(offline: Helm) -> None:
    (monitor,) = of_kind(offline.render("podMonitor.guards=true"), "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    pod = yaml.safe_load((ROOT / "tests/unit/snapshots/pod-hostsocket.yaml").read_text())
    assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (keep,) = endpoint["relabelings"]
    kept = [each for each in pod["spec"]["containers"] if re.fullmatch(keep["regex"], each["name"])]
    assert [[port["name"] for port in each["ports"] if port["name"] == endpoint["port"]] for each in kept] == [
        ["health"]
    ]


def test_nothing_is_left_to_replace(offline: Helm) -> None:
    text = yaml.safe_dump(rules(offline))
    assert not re.findall(r"<[a-z]+>", text)


def test_promtool_accepts_the_rules_and_each_alert_fires_in_its_case(offline: Helm, tmp_path: Path) -> None:
    made = rules(offline, *TESTED)
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(made["spec"]))
    cases = tmp_path / "alerts.test.yaml"
    shutil.copy(Path(__file__).parent / "alerts/alerts.test.yaml", cases)
    program = str(promtool())
    checked = run(program, "check", "rules", "--lint=all", "--lint-fatal", str(tmp_path / "alerts.yaml"), timeout=60)
    assert f"{len(alerts(made))} rules found" in checked
    assert "SUCCESS" in run(program, "test", "rules", str(cases), timeout=120)
    tested = set(re.findall(r'alertname="(\w+)"', cases.read_text()))
    assert tested == {alert["alert"] for alert in alerts(made)}


def test_every_metric_and_label_of_alerts_and_dashboard_exists(offline: Helm) -> None:
    series = exported_series(sample_metrics())
    for expression in expressions(offline):
        names = set(re.findall(r"\b(nested_docker_\w+|up)\{", expression))
        assert names, expression
        assert names - FROM_PROMETHEUS <= set(series), expression
        known = {"job", "namespace"}.union(*(series.get(name, set()) for name in names))
        used = set(re.findall(r'(\w+)=~?"', expression)) | set(re.findall(r"(\w+)!=", expression))
        grouped = {label.strip() for labels in re.findall(r"by \(([^)]*)\)", expression) for label in labels.split(",")}
        assert used | grouped <= known, expression


def test_each_alert_explains_itself(offline: Helm) -> None:
    for alert in alerts(rules(offline, *TESTED)):
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}, alert["alert"]
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}, alert["alert"]
        assert alert["annotations"]["runbook_url"] == f"runbook#{alert['alert'].lower()}"
        assert alert["annotations"]["summary"].endswith("."), alert["alert"]


def test_each_alert_has_an_entry_in_the_runbook_and_each_entry_an_alert(offline: Helm) -> None:
    entries = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]
    by_name = {entry.splitlines()[0]: entry for entry in entries}
    assert list(by_name) == [alert["alert"] for alert in alerts(rules(offline))]
    for name, entry in by_name.items():
        assert re.findall(r"^\*\*(\w+)\.\*\*", entry, re.MULTILINE) == PARTS, name
        assert "```\nkubectl" in entry or "```\nnested-docker" in entry, f"{name}: no command"


def test_the_dashboard_is_whole(offline: Helm) -> None:
    made = dashboard(offline)
    identifiers = [panel["id"] for panel in made["panels"]]
    assert len(set(identifiers)) == len(identifiers)
    variables = {each["name"] for each in made["templating"]["list"]}
    assert variables == {"datasource", "namespace", "job"}
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels(offline):
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == source, panel["title"]
        assert panel["targets"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert target["datasource"] == source
            assert 'namespace=~"$namespace", job=~"$job"' in target["expr"]
    assert {each["title"] for each in made["panels"] if each["type"] == "row"} == {"Operator", "Daemons", "Admission"}


def test_panels_do_not_overlap(offline: Helm) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard(offline)["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_metric_is_shown(offline: Helm) -> None:
    shown = {name for expression in expressions(offline) for name in re.findall(r"\b(nested_docker_\w+)\{", expression)}
    families = {family.name for family in sample_metrics().registry.collect()}
    assert [name for name in sorted(families) if not any(each.startswith(name) for each in shown)] == []


def test_the_file_of_the_dashboard_has_the_release_s_name(offline: Helm) -> None:
    (config,) = (
        each for each in of_kind(offline.render(*ON), "ConfigMap") if each["metadata"]["name"].endswith("-dashboard")
    )
    assert list(config["data"]) == [f"{RELEASE}.json"]
