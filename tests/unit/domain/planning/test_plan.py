"""The plan: what a NestedDocker goes through, step by step."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.factory import CLUSTER, DEFAULTS, NOW, class_spec, observed, policy_spec
from tests.unit.world import Crashed, World

from nested_docker.api.meta import Status
from nested_docker.domain import names
from nested_docker.domain.objects import ClusterFacts, Identity, NodeFacts
from nested_docker.domain.observed import ApiRejection
from nested_docker.domain.planning.child_diff import Create
from nested_docker.domain.planning.plan import plan
from nested_docker.domain.status.reasons import Reason, Type


def ready(world: World) -> tuple[str, str, str]:
    condition = world.status.condition(Type.READY)
    assert condition is not None
    return condition.status.value, condition.reason, condition.message


def settled(spec: dict[str, Any] | None = None, **fields: Any) -> World:
    world = World(spec, **fields)
    world.settle()
    return world


class TestCreation:
    def test_the_key_set_comes_first_and_the_files_secret_last(self) -> None:
        world = World()
        planned = world.plan()
        assert [[_kind(action) for action in stage] for stage in planned.stages] == [
            [f"Secret {planned.status.pod_name}-tls"],
            [f"Pod {planned.status.pod_name}", "Service build", "NetworkPolicy build"],
        ]
        world.step()
        world.run_pods()
        world.step()
        last = world.plan().stages
        assert [[_kind(action) for action in stage] for stage in last] == [
            ["Secret build-docker-env"],
            ["Secret build-docker"],
        ]

    def test_it_takes_its_objects_and_two_status_writes(self) -> None:
        world = settled()
        assert world.writes == 6 + 2
        assert ready(world) == ("True", "Ready", "clients can connect")

    def test_a_settled_one_is_left_alone(self) -> None:
        world = settled()
        planned = world.plan()
        assert (planned.stages, planned.status, planned.probe) == ((), None, None)

    def test_a_restarted_operator_writes_nothing(self) -> None:
        world = settled()
        world.probe_result = None
        planned = world.plan()
        assert (planned.stages, planned.status, planned.probe) == ((), None, None)

    @pytest.mark.parametrize("mode", ["Dind", "HostSocket", "Sysbox"])
    @pytest.mark.parametrize("writes", range(8))
    def test_killed_after_any_write_it_ends_the_same(self, mode: str, writes: int) -> None:
        world = World({"mode": mode})
        world.writes_left = writes
        with pytest.raises(Crashed):
            world.settle()
        world.writes_left, world.probe_result = None, None
        world.settle()
        whole = settled({"mode": mode})
        assert len(world.kinds()) == len(whole.kinds()) == 6
        assert ready(world) == ready(whole)

    def test_status_tells_how_to_connect(self) -> None:
        status = settled().status
        assert status.endpoint == "tcp://build.team-a.svc:2376"
        assert status.binding is not None
        assert status.binding.name == "build-docker"
        assert status.engine is not None
        assert status.engine.version == "28.5.2"
        assert (status.class_name, status.mode, status.node_name) == ("standard", "Dind", "node-1")


class TestAcceptance:
    def test_no_policy_no_daemon(self) -> None:
        world = settled(policies={})
        assert world.children == {}
        status, reason, message = ready(world)
        assert (status, reason) == ("False", "NotGranted")
        assert "ask a cluster admin for a NestedDockerPolicy" in message
        assert world.status.condition(Type.STALLED).status == Status.TRUE

    def test_a_policy_that_goes_takes_the_daemon_with_it(self) -> None:
        world = settled()
        world.base = observed(policies={})
        world.settle()
        assert world.children == {}
        world.base = observed()
        world.settle()
        assert ready(world)[0] == "True"

    def test_an_empty_mode_is_the_first_that_policy_and_cluster_allow(self) -> None:
        world = settled(
            {},
            classes={"standard": class_spec(modes=["Sysbox", "HostSocket", "Dind"])},
            policies={"p": policy_spec(hostSocket={"allowRaw": False})},
            cluster=ClusterFacts(),
        )
        assert world.status.mode == "Dind"

    def test_class_and_mode_are_pinned_at_acceptance(self) -> None:
        world = settled({})
        assert world.status.mode == "Rootless"
        world.base = observed(
            {},
            classes={"standard": class_spec(modes=["Dind", "Sysbox"], modeSelection="AsListed"), "other": class_spec()},
            default_classes=("other",),
            policies={"p": policy_spec(allowedClasses=["standard", "other"])},
        )
        world.settle()
        assert (world.status.class_name, world.status.mode) == ("standard", "Rootless")

    @pytest.mark.parametrize(
        ("fields", "reason", "words"),
        [
            ({"default_classes": ()}, Reason.CLASS_NOT_FOUND, "no NestedDockerClass is the default"),
            ({"default_classes": ("a", "b")}, Reason.CLASS_NOT_FOUND, "several NestedDockerClasses"),
            (
                {"spec": {"className": "gone"}},
                Reason.CLASS_NOT_FOUND,
                "gone does not exist; existing classes: standard",
            ),
            (
                {"spec": {"mode": "Sysbox"}, "classes": {"standard": class_spec(modes=["Dind"])}},
                Reason.MODE_NOT_OFFERED,
                "offers Dind",
            ),
            (
                {"spec": {"mode": "Sysbox"}, "cluster": ClusterFacts()},
                Reason.RUNTIME_MISSING,
                "RuntimeClass sysbox-runc",
            ),
            (
                {
                    "spec": {"mode": "Sysbox"},
                    "cluster": replace(
                        CLUSTER, nodes={"n": NodeFacts(ready=True, kernel="5.4", labels={"sysbox-runtime": "running"})}
                    ),
                },
                Reason.NO_CAPABLE_NODE,
                "(node n: its kernel 5.4 is older than 5.12): install Sysbox 0.7",
            ),
            (
                {"spec": {"engine": {"config": {"hosts": ["tcp://0.0.0.0:1"]}}}},
                Reason.INVALID_SPEC,
                "spec.engine.config: hosts: a key of daemon.json that may not be here: remove it, since the",
            ),
            ({"spec": {"mode": "Podman"}}, Reason.INVALID_SPEC, 'value: "Podman"'),
        ],
    )
    def test_a_rejection_says_what_where_and_what_to_do(
        self, fields: dict[str, Any], reason: Reason, words: str
    ) -> None:
        world = settled(fields.pop("spec", {}), **fields)
        assert world.children == {}
        assert ready(world)[1] == reason
        assert words in ready(world)[2]


class TestLoss:
    def test_an_edited_child_is_put_back(self) -> None:
        world = settled()
        world.children[Identity("Service", "team-a", "build")]["spec"]["selector"] = {"app": "other"}
        (stage,) = world.plan().stages
        assert [action.difference for action in stage] == ["spec.selector.app"]

    def test_a_deleted_pod_gives_way_at_once_to_one_with_new_keys(self) -> None:
        world = settled()
        old = world.pod()
        old["metadata"]["deletionTimestamp"] = "2026-03-01T12:05:00Z"
        world.step()
        assert world.pod()["metadata"]["name"] != old["metadata"]["name"]
        assert world.secret("build-docker") is None
        world.settle()
        assert ready(world)[0] == "True"

    def test_edited_keys_are_not_served_with(self) -> None:
        world = settled()
        before = world.pod()["metadata"]["name"]
        world.edit_secret(world.key_secret(), "server-key.pem")
        world.settle()
        assert world.pod()["metadata"]["name"] != before
        assert ready(world)[0] == "True"

    def test_a_container_restart_keeps_the_secret(self) -> None:
        world = settled()
        world.set_daemon(world.pod(), state={"waiting": {}}, ready=False, restartCount=1)
        world.step()
        assert ready(world)[:2] == ("False", "DaemonRestarting")
        assert world.secret("build-docker") is not None
        world.set_daemon(world.pod(), state={"running": {"startedAt": "2026-03-01T12:06:00Z"}}, ready=False)
        world.step()
        assert ready(world)[0] == "False"
        world.set_daemon(world.pod(), ready=True)
        world.settle()
        assert ready(world)[0] == "True"

    def test_out_of_memory_is_told_and_heals(self) -> None:
        world = settled()
        killed = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
        world.set_daemon(world.pod(), state=killed, ready=False, restartCount=0)
        world.step()
        assert ready(world)[1] == "DaemonOutOfMemory"
        assert "spec.resources.limits.memory" in ready(world)[2]
        running = {"running": {"startedAt": "2026-03-01T12:06:00Z"}}
        world.set_daemon(world.pod(), state=running, lastState=killed, ready=True, restartCount=1)
        world.settle()
        assert ready(world)[0] == "True"

    def test_a_lost_node_withdraws_the_secret_until_it_is_back(self) -> None:
        world = settled()
        world.base = observed(cluster=ClusterFacts(nodes={"node-1": NodeFacts(ready=False)}))
        world.probe_result = None
        world.step()
        assert ready(world)[1] == "NodeNotReady"
        assert world.secret("build-docker") is None
        world.base = observed(cluster=CLUSTER)
        world.settle()
        assert ready(world)[0] == "True"

    def test_a_pod_that_ends_soon_is_not_replaced_in_a_spin(self) -> None:
        world = settled()
        world.pod()["status"] |= {"phase": "Failed", "reason": "Evicted", "message": "disk pressure"}
        world.step()
        assert ready(world)[1] == "PodLost"
        assert "the kubelet of node node-1 evicted the pod (disk pressure); the operator creates" in ready(world)[2]
        world.advance(seconds=30)
        world.settle()
        assert ready(world)[0] == "True"

    def test_a_claims_next_pod_waits_for_the_last_one(self) -> None:
        world = settled({"mode": "Dind", "storage": {"type": "Claim", "claim": {"size": "1Gi"}}})
        world.pod()["metadata"]["deletionTimestamp"] = "2026-03-01T12:05:00Z"
        world.step()
        assert [kind for kind in world.kinds() if kind.startswith("Pod/")] == [
            f"Pod/{next(i.name for i in world.children if i.kind == 'Pod')}"
        ]
        world.settle()
        assert ready(world)[0] == "True"
        assert "PersistentVolumeClaim/build-data" in world.kinds()


class TestChange:
    def test_what_the_user_changes_is_done_at_once(self) -> None:
        world = settled()
        before = world.pod()["metadata"]["name"]
        world.base = observed({"mode": "Dind", "engine": {"mtu": 1300}})
        world.settle()
        assert world.pod()["metadata"]["name"] != before

    def test_what_the_class_changes_waits_to_be_asked_for(self) -> None:
        world = settled()
        before = world.pod()["metadata"]["name"]
        changed = {"standard": class_spec(engine={"mtu": 1300})}
        world.base = observed(classes=changed)
        world.settle()
        assert world.pod()["metadata"]["name"] == before
        pending = world.status.condition(Type.UPDATE_PENDING)
        assert "engine.mtu" in pending.message
        world.base = observed(classes=changed, annotations={names.ANNOTATION_RESTART: "1"})
        world.settle()
        assert world.pod()["metadata"]["name"] != before
        assert world.status.condition(Type.UPDATE_PENDING) is None

    def test_an_operator_upgrade_restarts_nothing(self) -> None:
        world = settled()
        before = world.pod()["metadata"]["name"]
        world.defaults = type(DEFAULTS)(**(vars(DEFAULTS) | {"operator_image": "example.com/operator:2"}))
        world.settle()
        assert world.pod()["metadata"]["name"] == before

    def test_a_patched_image_is_not_tolerated(self) -> None:
        world = settled()
        before = world.pod()["metadata"]["name"]
        world.pod()["spec"]["containers"][0]["image"] = "evil:latest"
        world.settle()
        assert world.pod()["metadata"]["name"] != before


class TestOwnership:
    @pytest.mark.parametrize(
        ("kind", "name"), [("Service", "build"), ("Secret", "build-docker"), ("NetworkPolicy", "build")]
    )
    def test_what_is_someone_elses_is_never_seized(self, kind: str, name: str) -> None:
        theirs = {
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": "team-a",
                "uid": "theirs",
                "labels": {names.LABEL_NAME: "build"},
                "ownerReferences": [{"kind": "Deployment", "name": "x", "uid": "x", "controller": True}],
            },
        }
        world = World(children={Identity(kind, "team-a", name): theirs})
        world.settle()
        assert world.children == {Identity(kind, "team-a", name): theirs}
        assert ready(world)[1] == "NameConflict"
        world.children.clear()
        world.settle()
        assert ready(world)[0] == "True"

    def test_what_a_predecessor_left_is_waited_for(self) -> None:
        left = {
            "kind": "Service",
            "metadata": {
                "name": "build",
                "namespace": "team-a",
                "uid": "old",
                "ownerReferences": [{"kind": "NestedDocker", "name": "build", "uid": "old", "controller": True}],
            },
        }
        world = World(children={Identity("Service", "team-a", "build"): left})
        world.step()
        assert ready(world)[1] == "WaitingForPrevious"

    def test_a_refusal_is_told_and_nothing_half_made_stays(self) -> None:
        world = settled()
        rejected_write = observed(
            children=world.observe().children,
            status=world.status.model_copy(update={"admitted_pod": None}),
            rejections={Identity("Service", "team-a", "build"): ApiRejection(Reason.API_REJECTED, "exceeded quota")},
        )
        planned = plan(rejected_write, NOW, DEFAULTS)
        assert planned.status.condition(Type.READY).message == "exceeded quota"
        assert {_kind(action).split()[0] for stage in planned.stages for action in stage} == {
            "Pod",
            "Secret",
            "Service",
            "NetworkPolicy",
        }


class TestLife:
    def test_suspension_leaves_the_claim_only(self) -> None:
        spec = {"mode": "Dind", "storage": {"type": "Claim", "claim": {"size": "1Gi"}}}
        world = settled(spec)
        world.base = observed(spec | {"suspend": True})
        world.settle()
        assert world.kinds() == ["PersistentVolumeClaim/build-data"]
        assert ready(world)[:2] == ("False", "Suspended")
        assert world.status.condition(Type.STALLED) is None
        assert world.status.condition(Type.RECONCILING) is None
        world.base = observed(spec)
        world.settle()
        assert ready(world)[0] == "True"

    def test_the_deadline_ends_it_for_good(self) -> None:
        world = settled({"mode": "Dind", "activeDeadlineSeconds": 3600})
        assert world.plan().requeue_at == world.base.created + timedelta(hours=1)
        assert world.status.expiration_time == "2026-03-01T12:59:00Z"
        world.advance(hours=1)
        world.settle()
        assert world.children == {}
        assert ready(world)[1] == "DeadlineExceeded"
        completed = world.status.completion_time
        world.advance(hours=1)
        world.settle()
        assert world.status.completion_time == completed

    def test_time_to_live_deletes_what_has_finished(self) -> None:
        world = settled({"mode": "Dind", "activeDeadlineSeconds": 61, "ttlSecondsAfterFinished": 60})
        world.advance(seconds=2)
        world.settle()
        assert not world.deleted
        world.advance(seconds=61)
        world.step()
        assert world.deleted

    def test_the_idle_watchs_end_is_the_daemons(self) -> None:
        world = settled({"mode": "Dind", "idleTimeoutSeconds": 60})
        world.pod()["status"]["containerStatuses"].append(
            {"name": "idle-watch", "state": {"terminated": {"exitCode": 0}}}
        )
        world.settle()
        assert world.children == {}
        assert ready(world)[1] == "IdleTimeout"

    @pytest.mark.parametrize(("code", "type_", "status"), [(0, Type.COMPLETE, "True"), (3, Type.FAILED, "False")])
    def test_a_one_shot_build_ends_with_its_exit_code(self, code: int, type_: Type, status: str) -> None:
        workload = {"restartPolicy": "Never", "containers": [{"name": "b", "image": "docker:29-cli"}]}
        world = settled({"mode": "Dind", "workload": workload})
        world.pod()["status"]["containerStatuses"] = [{"name": "b", "state": {"terminated": {"exitCode": code}}}]
        world.settle()
        assert world.status.condition(type_).status == Status.TRUE
        assert [result.exit_code for result in world.status.results] == [code]
        assert ready(world)[0] == status
        assert [kind.split("/")[0] for kind in world.kinds()] == ["Pod", "Secret"]


STEPS = st.lists(
    st.sampled_from(["delete pod", "delete secret", "edit service", "edit keys", "crash", "evict", "restart"]),
    max_size=6,
)


@example(["evict", "crash", "evict", "crash", "edit keys"], 5)
@given(STEPS, st.integers(min_value=0, max_value=8))
def test_whatever_happens_it_converges_to_one_pod_and_three_secrets(steps: list[str], writes: int) -> None:
    world = settled()
    for step in steps:
        _disturb(world, step, writes)
        world.advance(seconds=60)
    world.advance(hours=1)  # after three ends in a row the operator waits that long
    world.settle()
    world.advance(hours=2)  # three losses in a row stall it for an hour
    world.settle()
    assert len([kind for kind in world.kinds() if kind.startswith("Pod/")]) == 1
    assert len(world.kinds()) == 6
    assert ready(world)[0] == "True"


def _edit_keys(world: World) -> None:
    for identity in world.key_secrets():
        world.edit_secret(identity, "ca.pem")


def _disturb(world: World, step: str, writes: int) -> None:
    pods = [child for identity, child in world.children.items() if identity.kind == "Pod"]
    service = world.children.get(Identity("Service", "team-a", "build"))
    if step == "delete pod":
        for pod in pods:
            pod["metadata"]["deletionTimestamp"] = "2026-03-01T12:05:00Z"
    elif step == "evict":
        for pod in pods:
            pod["status"]["phase"] = "Failed"
    elif step == "delete secret":
        world.children.pop(Identity("Secret", "team-a", "build-docker"), None)
    elif step == "edit service" and service:
        service["spec"]["selector"] = {}
    elif step == "edit keys":
        _edit_keys(world)
    elif step == "restart":
        world.probe_result = None
    elif step == "crash":
        _crash(world, writes)


def _crash(world: World, writes: int) -> None:
    world.writes_left = writes
    with contextlib.suppress(Crashed):
        world.settle()
    world.writes_left = world.probe_result = None


def _kind(action: Any) -> str:
    if isinstance(action, Create):
        manifest = getattr(action.desired, "manifest", action.desired)
        return f"{manifest['kind']} {manifest['metadata']['name']}"
    return f"{action.identity.kind} {action.identity.name}"
