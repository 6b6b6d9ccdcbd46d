"""What runs goes on for the grace time when something that governs it goes, and not longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.factory import CLUSTER, DEFAULTS, NOW, WORKLOAD, class_spec, policy_spec
from tests.unit.world import EVERYTHING, World, change, message, ready

from nested_docker.api.v1alpha1.nested_docker import Denial
from nested_docker.domain.admission.denial_clock import CALM
from nested_docker.domain.observed import NamespaceFacts
from nested_docker.domain.planning.plan import plan
from nested_docker.domain.status.conditions import timestamp
from nested_docker.domain.status.reasons import Type

GRACE = 30
PSA = "pod-security.kubernetes.io/enforce"
OWN = {"kubernetes.io/metadata.name": "team-a"}
DENYING = {"everything": policy_spec(allowedModes=["HostSocket"])}
SELECTIVE = {"everything": policy_spec(namespaceSelector={"matchLabels": {"ci": "true"}})}
REMOTE = {"standard": class_spec(podNamespace="daemons")}


def running(spec: dict[str, Any] | None = None, **fields: Any) -> World:
    world = World(spec, **fields)
    world.defaults = replace(DEFAULTS, denial_grace_seconds=GRACE)
    world.settle()
    assert ready(world) == ("True", "Ready")
    return world


GOVERNING: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "class, absent": ({}, {"classes": {}}, "ClassNotFound"),
    "class, without the mode": ({}, {"classes": {"standard": class_spec(modes=["Sysbox"])}}, "ModeNotOffered"),
    "policy, absent": ({}, {"policies": {}}, "NotGranted"),
    "policy, narrowed": ({}, {"policies": DENYING}, "NotGranted"),
    "policy, with another selector": ({}, {"policies": SELECTIVE}, "NotGranted"),
    "namespace, without the policy's label": (
        {"policies": SELECTIVE, "namespace_labels": OWN | {"ci": "true"}},
        {"namespace_labels": OWN},
        "NotGranted",
    ),
    "namespace, without the enforcement label": (
        {"policies": DENYING, "namespace_labels": OWN | {"nesteddocker.dev/enforcement": "Warn"}},
        {"namespace_labels": OWN},
        "NotGranted",
    ),
    "namespace, with a Pod Security level": ({}, {"namespace_labels": OWN | {PSA: "baseline"}}, "PodSecurityDenied"),
    "pod namespace, absent": (
        {"classes": REMOTE, "pod_namespaces": {"daemons": NamespaceFacts()}},
        {"pod_namespaces": {}},
        "PodNamespaceMissing",
    ),
    "pod namespace, with a Pod Security level": (
        {"classes": REMOTE, "pod_namespaces": {"daemons": NamespaceFacts()}},
        {"pod_namespaces": {"daemons": NamespaceFacts({PSA: "restricted"})}},
        "PodSecurityDenied",
    ),
    "RuntimeClass, absent": (
        {"spec": {"mode": "Sysbox"}},
        {"cluster": replace(CLUSTER, runtime_classes={})},
        "RuntimeMissing",
    ),
}
"""What is there first, what changes then, and the reason of the denial."""


def kept(world: World) -> tuple[str, list[str]]:
    return world.pod()["metadata"]["uid"], world.kinds()


@pytest.mark.parametrize("name", [*GOVERNING])
def test_what_is_away_for_a_moment_stops_nothing(name: str) -> None:
    fields, changed, reason = GOVERNING[name]
    world = running(**fields)
    before, base = kept(world), world.base
    change(world, **changed)
    world.settle()
    world.advance(seconds=GRACE - 2)
    world.settle()
    assert kept(world) == before, f"{name}: what runs goes on"
    condition = world.status.condition(Type.ACCEPTED)
    assert condition is not None
    end = f"the operator stops the daemon at {timestamp(NOW + timedelta(seconds=GRACE))}, unless this changes: "
    assert (condition.status, condition.reason) == ("False", reason)
    assert condition.message.startswith(end)
    assert ready(world) == ("True", "Ready"), "clients can connect"
    assert message(world).startswith(f"clients can connect; {end}")
    world.base = base
    world.settle()
    assert kept(world) == before, f"{name}: it is back"
    assert (ready(world), message(world)) == (("True", "Ready"), "clients can connect")
    assert world.status.holds(Type.ACCEPTED)


@pytest.mark.parametrize("name", [*GOVERNING])
def test_what_stays_away_stops_it_after_the_grace_time(name: str) -> None:
    fields, changed, reason = GOVERNING[name]
    world = running(**fields)
    change(world, **changed)
    world.settle()
    assert world.plan().requeue_at == NOW + timedelta(seconds=GRACE)
    world.advance(seconds=GRACE)
    world.settle()
    assert world.kinds() == [], f"{name}: the grace time is over"
    assert ready(world) == ("False", reason)
    assert "the operator stops the daemon at" not in message(world)


LOST_NODES = {
    "label of Sysbox's installer": {"labels": {}},
    "Sysbox being removed": {"labels": {"sysbox-runtime": "removing"}},
    "handler": {"handlers": {"": True}},
    "user namespaces": {"handlers": {"sysbox-runc": False}},
    "kernel": {"kernel": "5.4.0"},
    "operating system": {"operating_system": "windows"},
}
"""What the only node no longer has."""


@pytest.mark.parametrize("name", [*LOST_NODES, "every node"])
def test_nodes_that_lose_something_end_no_daemon(name: str) -> None:
    world = running({"mode": "Sysbox"})
    before, status = kept(world), world.status
    nodes = {each: replace(node, **LOST_NODES.get(name, {})) for each, node in CLUSTER.nodes.items()}
    change(world, cluster=replace(CLUSTER, nodes={} if name == "every node" else nodes))
    for _ in range(2):
        world.settle()
        world.advance(seconds=GRACE)
    assert (kept(world), world.status) == (before, status)


def test_a_moment_of_a_default_class_that_is_none_changes_nothing() -> None:
    world = running()
    before = world.status
    change(world, default_classes=())
    world.settle()
    assert world.status == before


def test_without_a_grace_time_it_stops_at_once() -> None:
    world = running()
    world.defaults = DEFAULTS
    change(world, policies={})
    world.settle()
    assert (world.kinds(), ready(world)) == ([], ("False", "NotGranted"))


def test_a_new_request_is_denied_at_once() -> None:
    world = World(policies={})
    world.defaults = replace(DEFAULTS, denial_grace_seconds=GRACE)
    world.settle()
    assert (world.kinds(), ready(world)) == ([], ("False", "NotGranted"))
    assert world.status.denial is None
    assert world.plan().requeue_at is None


# --- the clock --------------------------------------------------------------------------------------


def test_a_restart_of_the_operator_neither_restarts_nor_skips_the_clock() -> None:
    world = running()
    change(world, policies={})
    world.settle()
    for _ in range(2):
        world.advance(seconds=GRACE / 2 - 1)
        world.restart_operator()
        world.settle()
        assert world.pod()
    world.advance(seconds=2)
    world.restart_operator()
    world.settle()
    assert world.kinds() == []


def test_another_reason_does_not_restart_the_clock() -> None:
    world = running()
    for denial in ({"policies": {}}, {"classes": {}}, {"namespace_labels": OWN | {PSA: "baseline"}}):
        change(world, **denial)
        world.settle()
        assert world.pod()
        world.advance(seconds=GRACE / 3)
    world.settle()
    assert world.kinds() == []


def denied_seconds(world: World, *, denied_for: int, granted_for: int, most: int = 3600) -> int:
    """How long its pod has run while it was denied, if something flaps like that until it is stopped."""
    base, seconds, first = world.base, 0, world.pod()["metadata"]["uid"]
    for second in range(most):
        is_denied = second % (denied_for + granted_for) < denied_for
        world.base = replace(base, policies={}) if is_denied else base
        world.settle()
        pods = [pod for each, pod in world.children.items() if each.kind == "Pod"]
        if [pod["metadata"]["uid"] for pod in pods] != [first]:
            return seconds
        seconds += is_denied
        world.advance(seconds=1)
    raise AssertionError(f"it runs on after {seconds} s of denial")


@pytest.mark.parametrize("times", [(1, 1), (1, 20), (5, 1), (10, 10), (20, 1), (29, 1), (29, 500), (30, 30)])
def test_who_makes_a_grant_flap_wins_no_time(times: tuple[int, int]) -> None:
    world = running()
    assert denied_seconds(world, denied_for=times[0], granted_for=times[1]) <= GRACE


def test_what_was_stopped_gets_no_second_grace_time_by_a_short_grant() -> None:
    world = running()
    base = world.base
    for _ in range(3):
        change(world, policies={})
        world.settle()
        world.advance(seconds=GRACE)
        world.settle()
        assert world.kinds() == []
        world.base = base
        world.settle()
        assert world.pod(), "what is granted runs"
        world.advance(seconds=1)
        change(world, policies={})
        world.settle()
        assert world.kinds() == [], "its grace time is used up"
        world.base = base
        world.settle()
        world.advance(seconds=CALM.total_seconds())
        world.settle()


def test_a_grant_that_lasts_gives_the_grace_time_back() -> None:
    world = running()
    base = world.base
    for _ in range(3):
        change(world, policies={})
        world.settle()
        world.advance(seconds=GRACE - 1)
        world.settle()
        world.base = base
        world.settle()
        world.advance(seconds=CALM.total_seconds())
        world.settle()
        assert world.status.denial is None
    assert world.pod()


def test_a_clock_that_no_status_has_yet_goes_on() -> None:
    world = running()
    change(world, policies={})
    memory = Denial(since=timestamp(NOW - timedelta(seconds=GRACE)))
    planned = plan(replace(world.observe(), denial=memory), world.now, world.defaults)
    assert planned.stages, "it is stopped, although no write of the status has succeeded"


# --- no grace time ----------------------------------------------------------------------------------


def edited(world: World, **spec: Any) -> None:
    change(world, spec=dict(world.base.spec) | spec, generation=world.base.generation + 1)


def patched(world: World) -> None:
    world.pod()["spec"]["containers"][0]["image"] = "evil:1"


def lost(world: World) -> None:
    world.pod()["metadata"]["deletionTimestamp"] = timestamp(world.now)


def keys_edited(world: World) -> None:
    world.edit_secret(world.key_secret(), "server-key.pem")


ENDS: dict[str, Callable[[World], object]] = {
    "suspend": lambda world: edited(world, suspend=True),
    "another engine": lambda world: edited(world, engine={"mtu": 1300}),
    "a deadline that has passed": lambda world: edited(world, activeDeadlineSeconds=1),
    "an image of the pod": patched,
    "the pod's deletion": lost,
    "the key set": keys_edited,
    "the NestedDocker's deletion": World.delete,
}


@pytest.mark.parametrize("name", [*ENDS])
@pytest.mark.parametrize("first", [True, False], ids=["before the denial", "after it"])
def test_there_is_no_grace_time_for(name: str, first: bool) -> None:
    world = running()
    if not first:
        change(world, policies={})
        world.settle()
        assert world.pod()
    ENDS[name](world)
    change(world, policies={})
    world.settle()
    assert world.kinds() == [], f"{name} stops it at once"


def test_a_deadline_does_not_wait_for_the_grace_time() -> None:
    world = running({"mode": "Dind", "activeDeadlineSeconds": 75})  # it is a minute old
    assert world.status.expiration_time == timestamp(NOW + timedelta(seconds=15))
    world.advance(seconds=10)
    change(world, policies={})
    world.settle()
    assert world.plan().requeue_at == NOW + timedelta(seconds=15)
    world.advance(seconds=5)
    world.settle()
    assert world.kinds() == []


def test_a_pod_that_is_lost_in_the_grace_time_gets_no_successor() -> None:
    world = running()
    change(world, policies={})
    world.settle()
    lost(world)
    world.settle()
    assert world.kinds() == []
    assert len(world.created_pods) == 1


def test_a_restart_in_the_grace_time_creates_no_pod() -> None:
    world = running()
    change(world, policies={}, annotations={"nesteddocker.dev/restart": "1"})
    world.settle()
    assert len(world.created_pods) == 1
    assert world.pod()


# --- what goes on in the grace time -----------------------------------------------------------------


def test_clients_wait_for_a_daemon_that_is_lost_in_the_grace_time() -> None:
    world = running()
    change(world, policies={})
    world.settle()
    change(world, cluster=replace(CLUSTER, nodes={"node-1": replace(CLUSTER.nodes["node-1"], ready=False)}))
    world.settle()
    assert "Secret/build-docker" not in world.kinds()
    assert ready(world) == ("False", "NotGranted")


def test_a_daemon_that_starts_is_not_given_to_clients_in_the_grace_time() -> None:
    world = World()
    world.defaults = replace(DEFAULTS, denial_grace_seconds=GRACE)
    world.step()
    change(world, policies={})
    world.settle()
    assert ready(world) == ("False", "NotGranted")
    assert world.pod()
    assert [kind for kind in world.kinds() if kind.startswith("Secret/build-docker")] == []


def test_a_build_that_ends_in_the_grace_time_is_not_run_again() -> None:
    world = running({"mode": "Dind", "workload": WORKLOAD})
    base = world.base
    change(world, policies={})
    world.settle()
    world.end(world.pod(), "Succeeded")
    done = {"name": "builder", "state": {"terminated": {"exitCode": 0}}}
    world.pod()["status"]["containerStatuses"] = [done]
    world.settle()
    world.base = base
    world.settle()
    assert ready(world) == ("True", "Completed")
    assert len(world.created_pods) == 1


def test_a_policy_that_only_reports_keeps_what_it_kept_before() -> None:
    reporting = policy_spec(allowedModes=["HostSocket"], onViolation="Report")
    world = running(policies={"everything": policy_spec(onViolation="Report")})
    change(world, policies={})
    world.settle()
    change(world, policies={"everything": reporting})
    world.settle()
    world.advance(seconds=10 * GRACE)
    world.settle()
    assert len(world.kinds()) == len(EVERYTHING)
    condition = world.status.condition(Type.ACCEPTED)
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "GrantRevoked")


# --- a policy that grants something else -------------------------------------------------------------

WIDE = policy_spec(hostSocket={"guard": {"build": {"allowed": True}}})
NARROW = policy_spec(hostSocket={"guard": {}})


def guarded() -> World:
    return running({"mode": "HostSocket"}, policies={"a": WIDE})


OTHER_RULES = {"narrowed": {"a": NARROW}, "replaced by another policy": {"b": NARROW}}


@pytest.mark.parametrize("name", [*OTHER_RULES])
def test_rules_that_change_for_a_moment_replace_nothing(name: str) -> None:
    world = guarded()
    before, base = kept(world), world.base
    change(world, policies=OTHER_RULES[name])
    world.settle()
    world.advance(seconds=GRACE - 2)
    world.settle()
    assert kept(world) == before
    end = timestamp(NOW + timedelta(seconds=GRACE))
    assert f"the operator replaces the pod at {end}, unless the policy" in message(world, Type.UPDATE_PENDING)
    assert world.status.policy_name == "a", "that granted what runs"
    world.base = replace(base, policies={"a": WIDE, "b": NARROW})
    world.settle()
    assert kept(world) == before
    assert (world.status.policy_name, world.status.condition(Type.UPDATE_PENDING)) == ("a", None)


@pytest.mark.parametrize("name", [*OTHER_RULES])
def test_rules_that_stay_changed_are_in_force_after_the_grace_time(name: str) -> None:
    world = guarded()
    before = world.pod()["metadata"]["uid"]
    change(world, policies=OTHER_RULES[name])
    world.settle()
    world.advance(seconds=GRACE)
    world.settle()
    world.settle()
    assert world.pod()["metadata"]["uid"] != before
    assert world.status.policy_name == next(iter(OTHER_RULES[name]))
    assert world.created_pods[-1] <= NOW + timedelta(seconds=GRACE + 1)


def test_an_image_that_policy_does_not_allow_has_no_grace_time_at_creation() -> None:
    pinned = {"everything": policy_spec(allowedImages={"patterns": ["docker:*"]})}
    world = World({"mode": "Dind", "engine": {"image": "docker:29-dind"}}, policies=pinned)
    world.defaults = replace(DEFAULTS, denial_grace_seconds=GRACE)

    def rewrite(operation: str, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["kind"] == "Pod" and operation == "CREATE":
            for container in manifest["spec"]["containers"]:
                container["image"] = container["image"].replace("docker:", "mirror.example.com/docker:")
        return manifest

    world.server.webhook = rewrite
    for _ in range(3):
        world.settle()
        assert [kind for kind in world.kinds() if kind.startswith("Pod/")] == []
        assert ready(world) == ("False", "ImageNotAllowed")
        world.advance(hours=2)
    assert len(world.created_pods) == 3
