"""The chart's ValidatingAdmissionPolicies before the real API server: whom they let do what, and how they refuse.

Everybody here may do everything by RBAC, so that what is refused is refused by a guardrail. Each copy of the chart's
guardrails is bound to namespaces of its own, where it disturbs no other test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import yaml
from tests.contract.guardrails.baseline import BASELINE
from tests.contract.guardrails.children import CHILDREN
from tests.contract.guardrails.entering import EPHEMERAL, NOT_THE_GUARDRAIL, enters
from tests.contract.guardrails.events import EVENTS
from tests.contract.guardrails.everything import EVERYTHING, WITH_EVERYTHING
from tests.contract.guardrails.guarded_pods import GUARDED_PODS
from tests.contract.guardrails.injection import INJECTING
from tests.contract.guardrails.installation import furnish, look, rendered, wait_until_in_force
from tests.contract.guardrails.making import annotations, creates, labels, merged_with, patches, plain
from tests.contract.guardrails.node_cleanup import IN_CLEANUP
from tests.contract.guardrails.pods import PODS
from tests.contract.guardrails.requests import REQUESTS
from tests.contract.guardrails.reserved import RESERVED
from tests.contract.guardrails.separated import SEPARATED, WITHOUT_NODE
from tests.contract.guardrails.sidecars import SIDECARS
from tests.contract.guardrails.site import (
    BESIDE,
    DAEMON,
    FORM,
    GUARDED,
    INJECT,
    RUNTIME,
    SUFFIX,
    Attempt,
    Manifest,
    Site,
)
from tests.support.api import Api
from tests.support.cluster import Cluster
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def sites(cluster: Cluster, crds: list[str]) -> Iterator[dict[str, Site]]:
    """Guardrails as they are by default, and with everything set that can be set."""
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": RUNTIME}, "handler": "none"}
    made: list[Manifest] = [runtime]
    cluster.apply(runtime)
    sites = {}
    try:
        for key, values in (("default", {}), ("all", EVERYTHING), ("no-node", SEPARATED)):
            sites[key] = site = furnish(cluster, f"{key}-{SUFFIX}")
            guardrails = rendered(site, values)
            made += guardrails
            cluster.apply(*guardrails)
            asyncio.run(wait_until_in_force(cluster, site, guardrails))
        yield sites
    finally:
        text = yaml.safe_dump_all(made)
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=text)
        for site in sites.values():
            release = '--patch={"metadata":{"finalizers":null}}'
            for held in ("nesteddocker/build", f"pod/{GUARDED}"):
                cluster.kubectl("-n", site.name, "patch", held, "--type=merge", release)
        cluster.kubectl("delete", "namespace", f"--selector=guardrails={SUFFIX}", "--wait=false")


@pytest.mark.parametrize("attempt", RESERVED.values(), ids=RESERVED)
async def test_our_marks(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", CHILDREN.values(), ids=CHILDREN)
async def test_what_the_operator_writes(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", REQUESTS.values(), ids=REQUESTS)
async def test_what_the_operator_asks_for(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", PODS.values(), ids=PODS)
async def test_the_operator_s_pods(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", IN_CLEANUP.values(), ids=IN_CLEANUP)
async def test_where_nodes_are_cleaned_up_from(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", EVENTS.values(), ids=EVENTS)
async def test_the_operator_s_events(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("site", ["default", "no-node"])
@pytest.mark.parametrize("attempt", BASELINE.values(), ids=BASELINE)
async def test_no_more_than_pod_security_s_baseline(
    api: Api, sites: dict[str, Site], site: str, attempt: Attempt
) -> None:
    await look(api, sites[site], attempt)


@pytest.mark.parametrize("attempt", GUARDED_PODS.values(), ids=GUARDED_PODS)
async def test_nobody_enters_a_guarded_pod(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["default"], attempt)


@pytest.mark.parametrize("attempt", WITH_EVERYTHING.values(), ids=WITH_EVERYTHING)
async def test_with_every_value_set(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["all"], attempt)


@pytest.mark.parametrize("attempt", WITHOUT_NODE.values(), ids=WITHOUT_NODE)
async def test_with_no_way_to_the_node(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["no-node"], attempt)


@pytest.mark.parametrize("attempt", INJECTING.values(), ids=INJECTING)
async def test_pods_that_ask_for_a_daemon(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["all"], attempt)


@pytest.mark.parametrize("attempt", SIDECARS.values(), ids=SIDECARS)
async def test_pods_with_a_sidecar(api: Api, sites: dict[str, Site], attempt: Attempt) -> None:
    await look(api, sites["all"], attempt)


@pytest.mark.parametrize("subresource", ["ephemeralcontainers", "resize"])
async def test_other_ways_to_write_a_pod_leave_its_marks_alone(
    api: Api, sites: dict[str, Site], subresource: str
) -> None:
    """The API server takes nothing but containers, or resources, from such a request."""
    site = sites["all"]
    change = merged_with(labels({INJECT: "other"}), annotations({FORM: "Remote"}))
    asked = patches("Pod", BESIDE, change, subresource)(site)
    client = site.acting_as("user", api)
    answer = await client.request(asked.method, asked.path, query=asked.query, body=asked.body, type_=asked.type_)
    assert answer["metadata"]["labels"][INJECT] == "standard"
    assert answer["metadata"]["annotations"] == {FORM: "Sidecar"}


@pytest.mark.parametrize("who", ["user", "admin"])
async def test_whoever_is_no_operator_makes_what_pods_he_may(api: Api, sites: dict[str, Site], who: str) -> None:
    root = {"hostNetwork": True, "hostPID": True, "volumes": [{"name": "root", "hostPath": {"path": "/"}}]}
    await look(api, sites["default"], Attempt(who, creates(plain("Pod", {"spec": root}))))


async def test_exec_is_open_by_default(api: Api, sites: dict[str, Site]) -> None:
    await look(api, sites["default"], Attempt("user", enters(DAEMON, "exec"), NOT_THE_GUARDRAIL))
    await look(api, sites["default"], Attempt("user", patches("Pod", DAEMON, EPHEMERAL, "ephemeralcontainers")))


async def test_every_expression_fits_the_types(sites: dict[str, Site], api: Api) -> None:
    """A controller checks them some time after a policy is made, and leaves what it finds in its status."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"

    async def checked() -> list[Manifest]:
        items = (await api.request("GET", path))["items"]
        ours = [item for item in items if f"-{SUFFIX}-operator-" in item["metadata"]["name"]]
        return ours if all(item.get("status", {}).get("observedGeneration") for item in ours) else []

    policies = await wait_for(checked, 180, "the policies' types are checked")
    assert {item["metadata"]["name"]: item["status"].get("typeChecking", {}) for item in policies} == {
        item["metadata"]["name"]: {} for item in policies
    }
