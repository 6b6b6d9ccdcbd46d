"""The facts that decisions use: when a pod must be replaced, and what the next one waits for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, class_spec, policy_spec
from tests.unit.world import World, change

from nested_docker.domain import names, pki
from nested_docker.domain.admission.acceptance import Accepted, accept
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.objects import ClusterFacts, NodeFacts
from nested_docker.domain.observed import NamespaceFacts
from nested_docker.domain.planning.situation import Situation

CLAIM = {"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}


def world(mode: str = "Dind", spec: dict[str, Any] | None = None, **fields: Any) -> World:
    made = World({"mode": mode} | (spec or {}), **fields)
    made.settle()
    return made


def situation(made: World, issued: KeySet | None = None) -> Situation:
    seen = made.observe(issued)
    accepted = accept(seen, made.defaults)
    assert isinstance(accepted, Accepted)
    return Situation(seen, accepted, made.now, made.defaults)


def terminates(made: World) -> None:
    made.pod()["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"


def ends(made: World) -> None:
    made.end(made.pod())


def new_image(made: World) -> None:
    made.pod()["spec"]["containers"][0]["image"] = "evil:latest"


def spec_changes(made: World) -> None:
    change(made, spec={"mode": "Dind", "engine": {"mtu": 1300}})


def class_changes(made: World) -> None:
    change(made, classes={"standard": class_spec(engine={"mtu": 1300})})


def restart(made: World) -> None:
    change(made, annotations={names.ANNOTATION_RESTART: "1"})


def operator_upgrade(made: World) -> None:
    made.defaults = replace(DEFAULTS, operator_image="example.com/operator:2")


MOUNTED_FOR = pki.AUTHORITY_LIFETIME - pki.BACKDATED - pki.MARGIN / 2


def a_year_passes(made: World) -> None:
    made.advance(seconds=(pki.LIFETIME + pki.MARGIN / 2).total_seconds() + 1)


def ten_years_pass(made: World) -> None:
    made.advance(seconds=MOUNTED_FOR.total_seconds() - 60)
    made.settle()
    made.advance(seconds=61)


def almost_ten_years_pass(made: World) -> None:
    made.advance(seconds=MOUNTED_FOR.total_seconds() - 60)
    made.settle()
    made.advance(seconds=59)


@pytest.mark.parametrize(
    ("act", "rotates"),
    [
        (lambda _made: None, False),
        (terminates, True),
        (ends, True),
        (new_image, True),
        (spec_changes, True),
        (class_changes, False),
        (restart, True),
        (operator_upgrade, False),
        (a_year_passes, False),
        (almost_ten_years_pass, False),
        (ten_years_pass, True),
    ],
)
def test_when_a_pod_must_be_replaced(act: Any, *, rotates: bool) -> None:
    made = world()
    act(made)
    assert situation(made).must_rotate == rotates


@pytest.mark.parametrize("reports", [False, True])
def test_a_change_of_the_policy_replaces_it_unless_the_policy_only_reports(*, reports: bool) -> None:
    grants = [
        policy_spec(onViolation="Report" if reports else "Stop", hostSocket={"guard": guard})
        for guard in ({}, {"containers": {"exec": False}})
    ]
    made = world("HostSocket", policies={"p": grants[0]})
    change(made, policies={"p": grants[1]})
    assert situation(made).must_rotate != reports


def test_without_a_key_set_there_is_nothing_to_keep() -> None:
    made = World()
    at = situation(made)
    assert (at.must_rotate, at.pod, at.change, at.key_set) == (True, None, None, None)


def test_a_key_set_that_was_just_made_is_not_replaced() -> None:
    issued = KeySet(
        {"ca.pem": "new"}, World().now + timedelta(days=1), server_not_after=World().now + timedelta(days=1)
    )
    assert not situation(world(), issued).must_rotate


@pytest.mark.parametrize(
    ("mode", "of_class", "outlives"),
    [("Dind", {}, False), ("Dind", {"podNamespace": "daemons"}, True), ("HostSocket", {}, True)],
)
def test_what_the_garbage_collector_does_not_remove(mode: str, of_class: dict[str, Any], *, outlives: bool) -> None:
    made = world(mode, classes={"standard": class_spec(**of_class)}, pod_namespaces={"daemons": NamespaceFacts()})
    assert situation(made).outlives_owner == outlives


def test_the_next_pod_of_a_claim_waits_for_the_last_one() -> None:
    for spec, waits in (({}, False), (CLAIM, True)):
        made = world("Dind", spec)
        issued = KeySet({"ca.pem": "new"}, made.now + timedelta(days=1), server_not_after=made.now + timedelta(days=1))
        assert not situation(made).claim_user, "its own pod is there"
        assert bool(situation(made, issued).claim_user) == waits


@pytest.mark.parametrize(
    ("nodes", "waits"),
    [({"node-1": NodeFacts(ready=True)}, True), ({"node-1": NodeFacts(ready=False)}, False), ({}, False)],
)
def test_the_next_guarded_pod_waits_for_a_node_that_can_be_cleaned(nodes: dict[str, NodeFacts], *, waits: bool) -> None:
    made = world("HostSocket")
    change(made, cluster=ClusterFacts(nodes=nodes))
    issued = KeySet({"ca.pem": "new"}, made.now + timedelta(days=1), server_not_after=made.now + timedelta(days=1))
    assert (situation(made, issued).unclean is not None) == waits


@pytest.mark.parametrize(
    ("spec", "management", "kinds"),
    [
        ({}, "Managed", ["NetworkPolicy", "Secret", "Secret", "Secret", "Service"]),
        ({}, "Unmanaged", ["Secret", "Secret", "Secret", "Service"]),
        (CLAIM, "Managed", ["NetworkPolicy", "PersistentVolumeClaim", "Secret", "Secret", "Secret", "Service"]),
    ],
)
def test_the_names_that_it_needs(spec: dict[str, Any], management: str, kinds: list[str]) -> None:
    made = world("Dind", spec, classes={"standard": class_spec(networkPolicy=management)})
    assert sorted(each.kind for each in situation(made).names_needed) == kinds


def test_since_when_the_kubelet_is_silent() -> None:
    made = World({"mode": "Dind"})
    made.step()
    assert situation(made).silent_since is None, "no node has it yet"
    made.pod()["spec"]["nodeName"] = "node-1"
    assert situation(made).silent_since == made.now
    made.run_pods()
    made.set_daemon(made.pod(), state={"running": {}})
    assert situation(made).silent_since is None
