"""What the chart gives to the Prometheus operator is valid by that operator's own CustomResourceDefinitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hack.go_tool import monitoring_crds
from tests.chart.conftest import Helm
from tests.support.api import Api
from tests.support.cluster import ROOT, Cluster

from nested_docker.domain.ports import KubeError

Manifest = dict[str, Any]
EVERYTHING = (
    "prometheusRule.enabled=true",
    "prometheusRule.hazards={HostControl}",
    "prometheusRule.labels.release=prometheus",
)
OF_SERVICE = ("serviceMonitor.enabled=true", "serviceMonitor.interval=30s", "serviceMonitor.labels.release=prometheus")
OF_PODS = (
    "metrics.service=false",
    "podMonitor.enabled=true",
    "podMonitor.guards=true",
    "podMonitor.interval=1m",
    "podMonitor.labels.release=prometheus",
    "watchNamespaces={ci}",
)
RENDERINGS = {
    "service": (*EVERYTHING, *OF_SERVICE),
    "pods": (*EVERYTHING, *OF_PODS),
    "guards": ("podMonitor.guards=true",),
}
USED = ("servicemonitors", "podmonitors", "prometheusrules")
QUERY = {"dryRun": "All", "fieldValidation": "Strict"}


def monitoring(*values: str) -> list[Manifest]:
    """The chart's objects of the Prometheus operator, in a namespace that every cluster has."""
    made = [each for each in Helm().render(*values) if each["apiVersion"] == "monitoring.coreos.com/v1"]
    for each in made:
        each["metadata"]["namespace"] = "default"
    return made


@pytest.fixture(scope="module")
def monitoring_kinds(cluster: Cluster) -> Iterator[list[str]]:
    """Names of the Prometheus operator's definitions, which are there until the last test of this module."""
    used = [path for path in monitoring_crds() if path.stem.partition("_")[2] in USED]
    assert len(used) == len(USED)
    for path in used:  # annotations of `kubectl apply` on the client have no place for so long a schema
        cluster.kubectl("apply", "--server-side", "--filename", str(path))
    names = [f"{plural}.monitoring.coreos.com" for plural in USED]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in names))
    yield names
    cluster.kubectl("delete", "crd", *names, "--timeout=60s")


async def offered(api: Api, manifest: Manifest) -> str:
    """The message with which the API server refuses it; empty: it would take it."""
    path = f"/apis/monitoring.coreos.com/v1/namespaces/default/{manifest['kind'].lower()}s"
    try:
        await api.request("POST", path, query=QUERY, body=manifest)
    except KubeError as error:
        return error.message
    return ""


@pytest.mark.parametrize("values", RENDERINGS.values(), ids=RENDERINGS)
async def test_the_chart_s_objects_are_valid(api: Api, monitoring_kinds: list[str], values: tuple[str, ...]) -> None:
    made = monitoring(*values)
    assert {f"{each['kind'].lower()}s.monitoring.coreos.com" for each in made} <= set(monitoring_kinds)
    for each in made:
        assert await offered(api, each) == "", yaml.safe_dump(each)


def test_every_kind_is_offered() -> None:
    kinds = {each["kind"].lower() + "s" for values in RENDERINGS.values() for each in monitoring(*values)}
    assert kinds == set(USED)


@pytest.mark.parametrize(
    ("kind", "path", "value", "words"),
    [
        ("ServiceMonitor", ("spec", "endpoints", 0, "every"), "30s", "unknown field"),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "interval"), "often", "should match"),
        ("PodMonitor", ("spec", "sampleLimit"), "many", "must be of type integer"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "for"), "a while", "should match"),
    ],
)
@pytest.mark.usefixtures("monitoring_kinds")
async def test_what_is_wrong_is_refused(
    api: Api, kind: str, path: tuple[str | int, ...], value: str, words: str
) -> None:
    changed = next(
        each for name in ("service", "pods") for each in monitoring(*RENDERINGS[name]) if each["kind"] == kind
    )
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert words in await offered(api, changed)


async def test_the_network_policy_of_the_page_is_valid(api: Api) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/metrics.md").read_text(), re.DOTALL)
    made = await api.request(
        "POST", "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", query=QUERY, body=yaml.safe_load(text)
    )
    assert made["kind"] == "NetworkPolicy"
