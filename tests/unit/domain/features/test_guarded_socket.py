"""Mode HostSocket with its guard: who gets it, by which rules, and that nothing of it is left on a node."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.factory import CLUSTER, DEFAULTS, OWNER, class_spec, policy_spec
from tests.unit.world import World, change, crash, message, ready, shape

from nested_docker.api.meta import Enforcement, Status
from nested_docker.domain import names
from nested_docker.domain.effective import Change, Origin, first_change
from nested_docker.domain.manifests.secrets import SecretManifest
from nested_docker.domain.objects import ClusterFacts, NodeFacts
from nested_docker.domain.observed import NamespaceFacts
from nested_docker.domain.planning.child_diff import AddFinalizer, Create
from nested_docker.domain.planning.node_cleanup import CleanupOutcome
from nested_docker.domain.status.reasons import Type

HOST_SOCKET = {"mode": "HostSocket"}
WORKLOAD = {"workload": {"containers": [{"name": "job", "image": "docker:29-cli"}]}}


def granting(guard: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """One policy, with these rules."""
    return {"policies": {"everything": policy_spec(hostSocket={"guard": guard or {}}, **fields)}}


def world(spec: dict[str, Any] | None = None, **fields: Any) -> World:
    return World(HOST_SOCKET | (spec or {}), **fields)


def outcome(spec: dict[str, Any] | None = None, **fields: Any) -> World:
    made = world(spec, **fields)
    made.settle()
    return made


def relay(pod: dict[str, Any]) -> dict[str, Any]:
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    (found,) = [each for each in containers if each["name"] == "daemon"]
    return dict(found)


def planned_pod(made: World) -> dict[str, Any]:
    """The pod that would be made, whole."""
    actions = [action for stage in made.plan().stages for action in stage if isinstance(action, Create)]
    manifests = [each.desired for each in actions if not isinstance(each.desired, SecretManifest)]
    (pod,) = [manifest for manifest in manifests if manifest["kind"] == "Pod"]
    return pod


def rules(pod: dict[str, Any]) -> dict[str, Any]:
    (flag,) = [arg for arg in relay(pod)["args"] if arg.startswith("--guard-rules=")]
    return dict(json.loads(flag.removeprefix("--guard-rules=").replace("$$", "$")))


class TestGrants:
    def test_guarded_is_not_granted_without_rules(self) -> None:
        made = outcome(policies={"p": policy_spec(hostSocket={"allowRaw": True})})
        assert made.children == {}
        assert ready(made) == ("False", "NotGranted")
        assert "the class's hostSocket.access is Guarded, and hostSocket.guard has no rules" in message(made)
        assert "put `hostSocket.guard: {…}` into NestedDockerPolicy p" in message(made)

    def test_raw_is_not_granted_by_rules(self) -> None:
        made = outcome(classes={"standard": class_spec(hostSocket={"access": "Raw"})}, **granting())
        assert made.children == {}
        assert "the class's hostSocket.access is Raw, which hands out the node's socket unguarded" in message(made)
        assert "put `hostSocket.allowRaw: true` into NestedDockerPolicy everything" in message(made)

    def test_raw_is_the_socket_as_it_is(self) -> None:
        made = outcome(classes={"standard": class_spec(hostSocket={"access": "Raw"})})
        assert ready(made)[0] == "True"
        assert (made.finalizers, made.pods_needing_cleanup(), made.writes) == ((), [], 8)
        made.delete()
        assert made.gone

    def test_empty_rules_are_rules(self) -> None:
        made = world(**granting())
        assert rules(planned_pod(made))["build"] == {"allowed": False}
        made.settle()
        assert ready(made)[0] == "True"

    @pytest.mark.parametrize("enforcement", [Enforcement.WARN, Enforcement.AUDIT])
    def test_what_no_policy_grants_is_guarded_by_empty_rules(self, enforcement: Enforcement) -> None:
        made = world(policies={})
        made.defaults = replace(DEFAULTS, enforcement=enforcement)
        pod = planned_pod(made)
        assert rules(pod)["enforcement"] == "Enforce"
        assert rules(pod)["images"] == {
            "sharing": "Owned",
            "use": [],
            "pull": [],
            "push": [],
            "tags": [],
            "save": False,
            "load": False,
        }
        assert pod["metadata"]["finalizers"] == [names.FINALIZER]

    def test_another_policy_that_grants_it_too_changes_nothing(self) -> None:
        made = outcome()
        before = (made.pod()["metadata"]["uid"], made.writes)
        other = {"a-first": policy_spec(hostSocket={"guard": {"images": {"sharing": "Shared"}}})}
        change(made, policies=other | dict(made.base.policies))
        made.settle()
        assert (made.pod()["metadata"]["uid"], made.writes) == before
        assert made.status.policy_name == "everything"

    def test_it_takes_over_when_the_first_one_goes(self) -> None:
        made = outcome()
        other = {"a-first": policy_spec(hostSocket={"guard": {"images": {"sharing": "Shared"}}})}
        change(made, policies=other)
        made.settle()
        assert made.status.policy_name == "a-first"
        assert ready(made)[0] == "True"
        assert len(made.outcome) == 1, "its pod is another one, by the other rules"


@pytest.mark.parametrize("mode", ["HostSocket", "Dind"])
def test_no_daemon_is_where_nodes_are_cleaned_up_from(mode: str) -> None:
    location = DEFAULTS.cleanup_namespace
    there = {location: NamespaceFacts()}
    for fields in (
        {"owner": replace(OWNER, namespace=location)},
        {"classes": {"standard": class_spec(podNamespace=location)}, "pod_namespaces": there},
    ):
        made = outcome({"mode": mode}, **fields)
        assert made.children == {}
        assert ready(made) == ("False", "NotAllowedByClass")
        assert message(made) == (
            "namespace nested-docker-cleanup is for the operator's pods that clean up nodes: create the NestedDocker "
            "in another one, or change podNamespace of NestedDockerClass standard"
        )


class TestPod:
    def test_it_has_rules_owner_and_finalizer(self) -> None:
        pod = planned_pod(world(**granting({"build": {"allowed": True}})))
        assert rules(pod)["build"] == {"allowed": True}
        assert f"--owner-uid={OWNER.uid}" in relay(pod)["args"]
        assert pod["metadata"]["finalizers"] == [names.FINALIZER]

    def test_rules_that_speak_of_the_pod_get_its_uid(self) -> None:
        pod = planned_pod(world(**granting({"limits": {"cgroupParent": "/kubepods/burstable/pod{podUID}"}})))
        assert "--pod-uid=$(POD_UID)" in relay(pod)["args"]
        assert relay(pod)["env"] == [{"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}]
        plain = relay(planned_pod(world(**granting({"limits": {"cgroupParent": "/ci"}}))))
        assert "env" not in plain

    def test_resources_narrow_the_rules(self) -> None:
        made = world({"resources": {"limits": {"cpu": "2"}}}, **granting({"limits": {"total": {"cpu": "8"}}}))
        assert rules(planned_pod(made))["limits"]["total"] == {"cpu": "2"}

    def test_what_the_kubelet_would_expand_is_escaped(self) -> None:
        sysctl = "$(HOSTNAME)$x$$"
        pod = planned_pod(world(**granting({"containers": {"sysctls": [sysctl]}})))
        (flag,) = [arg for arg in relay(pod)["args"] if arg.startswith("--guard-rules=")]
        assert '"$$(HOSTNAME)$$x$$$$"' in flag
        assert rules(pod)["containers"]["sysctls"] == [sysctl]

    def test_clients_are_kept_from_buildkit(self) -> None:
        made = world(WORKLOAD)
        (job,) = planned_pod(made)["spec"]["containers"]
        assert {"name": "DOCKER_BUILDKIT", "value": "0"} in job["env"]
        made.step()
        made.run_pods()
        made.step()
        (env,) = [
            action.desired
            for stage in made.plan().stages
            for action in stage
            if isinstance(action, Create) and isinstance(action.desired, SecretManifest)
            if action.desired.manifest["metadata"]["name"] == "build-docker-env"
        ]
        assert env.literals["DOCKER_BUILDKIT"] == "0"

    def test_other_modes_have_nothing_of_it(self) -> None:
        made = World({"mode": "Dind"} | WORKLOAD)
        pod = planned_pod(made)
        assert "finalizers" not in pod["metadata"]
        assert "DOCKER_BUILDKIT" not in str(pod)
        made.settle()
        assert made.finalizers == ()


class TestChanges:
    """A change of the rules is policy's word."""

    LESS = granting({"containers": {"exec": False}})

    def test_it_takes_effect_at_once(self) -> None:
        made = outcome(**granting())
        before = made.pod()["metadata"]["uid"]
        change(made, **self.LESS)
        made.settle()
        assert ready(made)[0] == "True"
        assert made.pod()["metadata"]["uid"] != before
        assert made.outcome == [CleanupOutcome.CLEAN]

    def test_it_waits_where_policy_only_reports(self) -> None:
        made = outcome(**granting(onViolation="Report"))
        before = made.pod()["metadata"]["uid"]
        change(made, **granting({"containers": {"exec": False}}, onViolation="Report"))
        made.settle()
        assert (ready(made)[0], made.pod()["metadata"]["uid"]) == ("True", before)
        pending = made.status.condition(Type.UPDATE_PENDING)
        assert pending is not None
        assert pending.status == Status.TRUE
        assert pending.message.startswith("the policy changed hostSocket.guard; the running pod has the previous value")
        change(made, annotations={names.ANNOTATION_RESTART: "1"})
        made.settle()
        assert made.pod()["metadata"]["uid"] != before
        assert made.status.condition(Type.UPDATE_PENDING) is None

    def test_resources_are_the_users_word_even_then(self) -> None:
        made = outcome(**granting(onViolation="Report"))
        before = made.pod()["metadata"]["uid"]
        change(made, spec=HOST_SOCKET | {"resources": {"limits": {"memory": "1Gi"}}}, generation=2)
        made.settle()
        assert made.pod()["metadata"]["uid"] != before

    def test_a_user_s_change_comes_before_policys_and_that_before_the_class_s(self) -> None:
        made = outcome(**granting())
        fingerprint = made.pod()["metadata"]["annotations"][names.ANNOTATION_EFFECTIVE]

        def seen(**fields: Any) -> Change | None:
            other = outcome(**(granting() | fields))
            return first_change(other.pod()["metadata"]["annotations"][names.ANNOTATION_EFFECTIVE], _Made(fingerprint))

        path = {"classes": {"standard": class_spec(hostSocket={"gid": 999})}}
        assert seen() is None
        assert seen(**path) == Change("hostSocket.gid", Origin.CLASS)
        assert seen(**path, **self.LESS) == Change("hostSocket.guard", Origin.POLICY)
        grown = outcome({"resources": {"limits": {"cpu": "1"}}}, **path, **self.LESS)
        annotation = grown.pod()["metadata"]["annotations"][names.ANNOTATION_EFFECTIVE]
        assert first_change(annotation, _Made(fingerprint)) == Change("resources", Origin.SPEC)

    def test_the_class_s_guard_replaces_a_raw_pod_at_once(self) -> None:
        made = outcome(classes={"standard": class_spec(hostSocket={"access": "Raw"})})
        raw = made.pod()["metadata"]["uid"]
        change(made, classes={"standard": class_spec()})
        made.settle()
        assert made.pod()["metadata"]["uid"] != raw
        assert (made.finalizers, len(made.pods_needing_cleanup())) == ((names.FINALIZER,), 1)

    def test_a_raw_pod_that_may_go_on_owes_nothing_in_the_end(self) -> None:
        """It gets the finalizer like every pod of its class, and nothing is labelled as its owner's."""
        raw = class_spec(hostSocket={"access": "Raw"})
        grant = {"policies": {"p": policy_spec(onViolation="Report")}}
        made = outcome(classes={"standard": raw}, **grant)
        change(made, classes={"standard": class_spec()})
        made.settle()
        made.delete()
        made.settle()
        assert made.gone
        assert made.outcome in ([], [CleanupOutcome.NOTHING_MADE])

    def test_without_the_guard_it_need_not_outlive_its_pod(self) -> None:
        made = outcome()
        change(made, spec={"mode": "Dind"}, generation=2)
        made.settle()
        assert ready(made)[0] == "True"
        assert (made.finalizers, made.outcome) == ((), [CleanupOutcome.CLEAN])

    def test_a_finalizer_that_a_pod_has_lost_is_put_back(self) -> None:
        made = outcome()
        made.pod()["metadata"]["finalizers"] = []
        made.settle()
        assert len(made.pods_needing_cleanup()) == 1

    def test_but_not_on_one_that_will_not_run_again(self) -> None:
        made = outcome({**WORKLOAD, "workload": WORKLOAD["workload"] | {"restartPolicy": "Never"}})
        pod = made.pod()
        made.end(pod, "Succeeded")
        pod["status"]["containerStatuses"] = [{"name": "job", "state": {"terminated": {"exitCode": 0}}}]
        made.settle()
        assert made.status.condition(Type.COMPLETE) is not None
        assert made.pods_needing_cleanup() == []
        assert made.pod()["metadata"]["uid"] == pod["metadata"]["uid"], "its logs are kept"
        assert made.outcome == [CleanupOutcome.CLEAN]


class _Made:
    """What a fingerprint is compared with."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint


def ends_by_itself(made: World) -> None:
    made.end(made.pod())
    made.advance(minutes=5)


def is_replaced(made: World) -> None:
    change(made, spec=HOST_SOCKET | {"resources": {"limits": {"memory": "1Gi"}}}, generation=2)


class TestReplacement:
    @pytest.mark.parametrize("lose", [ends_by_itself, is_replaced])
    def test_the_next_pod_waits_until_the_old_one_s_node_is_clean(self, lose: Callable[[World], None]) -> None:
        made = outcome()
        (old,) = made.pods_needing_cleanup()
        lose(made)
        for _ in range(4):
            made.finish_deletions()
            made.step()
        assert made.pods_needing_cleanup() == [old]
        status, reason = ready(made)
        assert (status, reason) == ("False", "CleaningUp")
        assert message(made).startswith("Pod nd-")
        assert f"removes from node node-1 what clients made through Pod {old}" in message(made)
        assert not made.secret(names.files_secret("build")), "clients do not connect meanwhile"
        made.settle()
        assert ready(made)[0] == "True"
        assert made.pods_needing_cleanup() != [old]

    @pytest.mark.parametrize(
        "cluster", [ClusterFacts(), replace(CLUSTER, nodes={"node-1": NodeFacts(ready=False, labels={})})]
    )
    def test_it_does_not_wait_for_a_node_that_does_not_answer(self, cluster: ClusterFacts) -> None:
        made = outcome()
        (old,) = made.pods_needing_cleanup()
        is_replaced(made)
        change(made, cluster=cluster)
        for _ in range(3):
            made.step()
        assert len(made.pods_needing_cleanup()) == 2
        assert old in made.pods_needing_cleanup()

    def test_what_is_gone_with_its_node_is_not_waited_for(self) -> None:
        made = outcome()
        made.end(made.pod())
        change(made, cluster=ClusterFacts(nodes={"node-2": NodeFacts(ready=True, labels={})}))
        made.clean()
        assert made.outcome == [CleanupOutcome.NODE_GONE]

    def test_one_that_has_no_node_yet_is_waited_for(self) -> None:
        made = world()
        made.step()
        is_replaced(made)
        made.step()
        made.step()
        assert len(made.pods_needing_cleanup()) == 1
        assert message(made).endswith(" terminates")
        made.settle()
        assert ready(made)[0] == "True"
        assert made.outcome == [CleanupOutcome.NOTHING_MADE]

    def test_suspension_cleans_and_resumption_waits_for_it(self) -> None:
        made = outcome()
        change(made, spec=HOST_SOCKET | {"suspend": True}, generation=2)
        made.step()
        made.finish_deletions()
        assert ready(made) == ("False", "Suspended")
        change(made, spec=HOST_SOCKET, generation=3)
        made.step()
        made.step()
        assert ready(made) == ("False", "CleaningUp")
        made.settle()
        assert ready(made)[0] == "True"

    def test_suspended_it_holds_on_until_it_is_clean(self) -> None:
        made = outcome()
        change(made, spec=HOST_SOCKET | {"suspend": True}, generation=2)
        made.settle()
        assert (made.children, made.outcome) == ({}, [CleanupOutcome.CLEAN])
        made.delete()
        made.settle()
        assert made.gone


class TestLife:
    def test_it_is_held_before_its_pod_is_made(self) -> None:
        assert world().plan().stages[0] == (AddFinalizer((names.FINALIZER,)),)

    def test_a_settled_one_is_left_alone(self) -> None:
        made = outcome()
        planned = made.plan()
        assert (planned.stages, planned.status) == ((), None)
        assert made.writes == 1 + 6 + 2

    def test_deletion_tells_what_it_waits_for_and_lets_go_after(self) -> None:
        made = outcome()
        (old,) = made.pods_needing_cleanup()
        made.delete()
        made.step()
        assert not made.gone
        assert ready(made) == ("False", "CleaningUp")
        assert f"removes from node node-1 what clients made through Pod {old}" in message(made, Type.PROVISIONED)
        made.finish_deletions()
        assert not made.step(), "nothing to do until the node is clean"
        made.settle()
        assert made.gone
        assert (made.outcome, made.children) == ([CleanupOutcome.CLEAN], {})

    def test_while_its_node_is_not_ready_it_says_so_and_then_what_it_does(self) -> None:
        made = outcome()
        made.mark_deleted()
        for ready_, words in ((False, "node node-1 is not ready"), (True, "removes from node node-1")):
            change(made, cluster=replace(CLUSTER, nodes={"node-1": NodeFacts(ready=ready_, labels={})}))
            made.step()
            assert words in message(made, Type.PROVISIONED)

    def test_what_policy_no_longer_grants_is_cleaned_up_after(self) -> None:
        made = outcome()
        change(made, policies={})
        made.settle()
        assert (ready(made)[1], made.children, made.outcome) == ("NotGranted", {}, [CleanupOutcome.CLEAN])

    def test_elsewhere_it_is_the_same(self) -> None:
        made = outcome(
            classes={"standard": class_spec(podNamespace="daemons")}, pod_namespaces={"daemons": NamespaceFacts()}
        )
        assert ready(made)[0] == "True"
        made.delete()
        made.settle()
        assert (made.gone, made.children, made.outcome) == (True, {}, [CleanupOutcome.CLEAN])

    def test_a_finalizer_that_somebody_takes_off_costs_no_node_its_cleaning(self) -> None:
        made = outcome()
        made.mark_deleted()
        made.strip(names.FINALIZER)
        assert made.gone
        made.finish_deletions()
        assert len(made.pods_needing_cleanup()) == 1
        made.clean()
        assert (made.children, made.outcome) == ({}, [CleanupOutcome.CLEAN])


def deletes(made: World) -> None:
    made.delete()


def suspends(made: World) -> None:
    change(made, spec=HOST_SOCKET | {"suspend": True}, generation=2)


ACTS: dict[str, Callable[[World], None]] = {
    "creation": lambda _made: None,
    "replacement": is_replaced,
    "loss": ends_by_itself,
    "suspension": suspends,
    "deletion": deletes,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("writes", range(16))
def test_killed_after_any_write_it_ends_the_same(act: Callable[[World], None], writes: int) -> None:
    def made() -> World:
        return world() if act is ACTS["creation"] else outcome()

    whole, killed = made(), made()
    act(whole)
    whole.settle()
    act(killed)
    crash(killed, writes, World.settle)
    killed.settle()
    assert killed.gone == whole.gone
    assert whole.gone or shape(killed) == shape(whole)
    assert len(killed.children) == len(whole.children)
    assert killed.outcome[-1:] == whole.outcome[-1:]
