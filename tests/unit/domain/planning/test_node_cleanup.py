"""Steps towards letting a guarded pod go, and the pod that removes what it has left on its node."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.factory import DEFAULTS, NOW, OWNER, class_spec
from tests.unit.snapshot import matches_snapshot
from tests.unit.world import World

from nested_docker.controller.trim import trim
from nested_docker.domain import names
from nested_docker.domain.objects import NodeFacts
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.node_cleanup import RETRY, CleanupOutcome, ReleasePod, Retry, Start, Step, Wait

Manifest = dict[str, Any]
KEY = (OWNER.namespace, OWNER.name)
STARTED = "2026-03-01T12:00:01Z"
RUNNING = {"state": {"running": {"startedAt": STARTED}}}
ENDED = {"state": {"terminated": {"startedAt": STARTED, "exitCode": 0}}}
DIED = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 1}
LOST = {"state": {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}, "lastState": ENDED["state"]}
WAITING = {"state": {"waiting": {"reason": "ContainerCreating"}}, "restartCount": 0}


def pod(phase: str = "Succeeded", daemon: Manifest | None = None, *, uid: str = "uid-1", **metadata: Any) -> Manifest:
    """A guarded pod on node-1 as the cache has it, whose daemon has run."""
    world = World({"mode": "HostSocket"}, classes={"standard": class_spec(hostSocket={"gid": 999})})
    world.settle()
    made = trim(copy.deepcopy(world.pod()), "Pod")
    made["metadata"] |= {"name": "build-e1005", "uid": uid} | metadata
    status = {"name": "daemon", "restartCount": 0} | (ENDED if daemon is None else daemon)
    made["status"] = {"phase": phase, "containerStatuses": [status]}
    return made


def cleaner(phase: str, *, age: timedelta = timedelta(), **metadata: Any) -> Manifest:
    """A cleanup pod of that age."""
    created = (NOW - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"metadata": {"name": "x", "creationTimestamp": created} | metadata, "spec": {}, "status": {"phase": phase}}


def step(made: Manifest, found: Manifest | None = None, *others: Manifest, node_exists: bool = True) -> Step:
    return cleanup.step(made, found, owner=KEY, others=others, node_exists=node_exists, now=NOW, defaults=DEFAULTS)


GOING = {"deletionTimestamp": "2026-03-01T12:00:00Z"}


class TestSteps:
    @pytest.mark.parametrize("metadata", [{}, GOING], ids=["wanted", "going"])
    @pytest.mark.parametrize("phase", ["Running", "Pending", "Unknown", ""])
    def test_one_that_may_still_run_is_waited_for(self, phase: str, metadata: Manifest) -> None:
        assert step(pod(phase, RUNNING, **metadata)) == Wait()

    def test_one_that_never_got_a_node_is_let_go(self) -> None:
        made = pod("Pending", {}, **GOING)
        del made["spec"]["nodeName"], made["status"]["containerStatuses"]
        assert step(made, node_exists=False) == ReleasePod(CleanupOutcome.NOTHING_MADE)
        del made["metadata"]["deletionTimestamp"]
        assert step(made, node_exists=False) == Wait()

    @pytest.mark.parametrize("node_exists", [True, False])
    def test_one_whose_relay_never_ran_is_let_go(self, *, node_exists: bool) -> None:
        assert step(pod("Failed", WAITING), node_exists=node_exists) == ReleasePod(CleanupOutcome.NOTHING_MADE)

    @pytest.mark.parametrize("daemon", [ENDED, DIED, LOST, RUNNING], ids=["ended", "died", "lost", "running"])
    @pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
    def test_one_whose_relay_has_run_is_cleaned_up_after(self, phase: str, daemon: Manifest) -> None:
        assert isinstance(step(pod(phase, daemon)), Start)

    def test_one_that_its_kubelet_has_turned_away_when_it_came_back_is_too(self) -> None:
        """Such a pod has no container statuses any more, and still the time at which its node took it."""
        made = pod("Failed")
        del made["status"]["containerStatuses"]
        assert step(made) == ReleasePod(CleanupOutcome.NOTHING_MADE)
        made["status"]["startTime"] = STARTED
        assert isinstance(step(made), Start)
        assert trim(made, "Pod")["status"]["startTime"] == STARTED

    def test_one_that_had_no_guard_is_let_go(self) -> None:
        """A raw one, whose class asks for a guard by now, has the finalizer too, and has labelled nothing."""
        raw = pod()
        raw["spec"]["containers"][0]["args"] = []
        assert step(raw) == ReleasePod(CleanupOutcome.NOTHING_MADE)

    @pytest.mark.parametrize("volume", [{"emptyDir": {}}, None])
    def test_one_without_the_nodes_socket_is_let_go(self, volume: Manifest | None) -> None:
        made = pod()
        made["spec"]["volumes"] = [] if volume is None else [{"name": "node-socket"} | volume]
        assert step(made) == ReleasePod(CleanupOutcome.NOTHING_MADE)

    def test_without_its_node_it_is_let_go_whatever_its_cleanup_pod_says(self) -> None:
        for found in (None, cleaner("Pending"), cleaner("Failed")):
            assert step(pod(), found, node_exists=False) == ReleasePod(CleanupOutcome.NODE_GONE)

    @pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown"])
    def test_a_cleanup_pod_is_waited_for(self, phase: str) -> None:
        assert step(pod(), cleaner(phase, age=timedelta(days=1))) == Wait()

    def test_the_success_of_a_cleanup_pod_lets_it_go(self) -> None:
        assert step(pod(), cleaner("Succeeded")) == ReleasePod(CleanupOutcome.CLEAN)
        assert step(pod(), cleaner("Succeeded", **GOING)) == ReleasePod(CleanupOutcome.CLEAN)

    def test_a_failed_cleanup_pod_is_made_again_after_some_time(self) -> None:
        second = timedelta(seconds=1)
        assert step(pod(), cleaner("Failed", age=RETRY - second)) == Wait(NOW + second)
        assert step(pod(), cleaner("Failed", age=RETRY)) == Retry()
        assert step(pod(), cleaner("Failed", age=RETRY, **GOING)) == Wait()


class TestInheritance:
    """Another pod of the owner's on the node goes on labelling what it makes, and must not lose it."""

    def test_one_that_runs_inherits(self) -> None:
        successor = pod("Running", RUNNING, uid="uid-2")
        assert step(pod(), None, successor) == ReleasePod(CleanupOutcome.INHERITED)
        assert step(pod(), cleaner("Running"), successor) == ReleasePod(CleanupOutcome.INHERITED)

    def test_one_that_may_never_run_does_not_yet(self) -> None:
        """Else what is there would be nobody's if it never did."""
        successor = pod("Pending", WAITING, uid="uid-2")
        assert step(pod(), None, successor) == Wait()
        assert step(pod(), cleaner("Pending"), successor) == Retry()
        assert isinstance(step(pod(), None, pod("Failed", WAITING, uid="uid-2")), Start)

    @pytest.mark.parametrize("difference", ["ended", "elsewhere", "another owner's"])
    def test_others_do_not(self, difference: str) -> None:
        other = pod("Running", RUNNING, uid="uid-2")
        if difference == "ended":
            other["status"]["phase"] = "Failed"
        elif difference == "elsewhere":
            other["spec"]["nodeName"] = "node-2"
        else:
            other["spec"]["containers"][0]["args"] = ["--owner-uid=another"]
        assert isinstance(step(pod(), None, other), Start)


class TestCleanupPod:
    def test_whole_manifest(self) -> None:
        started = step(pod())
        assert isinstance(started, Start)
        matches_snapshot("cleanup-pod", started.manifest)

    @given(
        labels=st.dictionaries(
            st.sampled_from([names.LABEL_UID, names.LABEL_NAME, names.LABEL_NAMESPACE, names.MANAGED_BY]), st.text()
        ),
        annotations=st.dictionaries(st.text(), st.text()),
    )
    def test_what_can_be_changed_of_a_pod_changes_nothing(
        self, labels: dict[str, str], annotations: dict[str, str]
    ) -> None:
        assert step(pod(labels=labels, annotations=annotations, ownerReferences=[])) == step(pod())

    def test_the_name_is_the_pods_uid_s(self) -> None:
        one, other = (cleanup.identity(pod(uid=uid), DEFAULTS) for uid in ("uid-1", "uid-2"))
        assert one != other
        assert one.namespace == DEFAULTS.cleanup_namespace
        assert len(one.name) <= 63

    def test_the_whole_pod_and_what_is_kept_of_it_come_to_the_same(self) -> None:
        made = pod()
        assert step(trim(made, "Pod")) == step(made)

    @pytest.mark.parametrize("workload", [False, True])
    def test_the_owner_is_the_guards(self, *, workload: bool) -> None:
        spec: Manifest = {"workload": {"containers": [{"name": "w", "image": "i"}]}} if workload else {}
        world = World({"mode": "HostSocket"} | spec)
        world.settle()
        assert cleanup.owner_uid(world.pod()) == OWNER.uid


def test_what_owes_is_what_has_the_finalizer() -> None:
    made = pod()
    assert cleanup.needs_cleanup(made)
    assert not cleanup.needs_cleanup(pod(finalizers=["example.com/other"]))
    del made["metadata"]["finalizers"]
    assert not cleanup.needs_cleanup(made)


def test_who_waits_is_told_where_to_look() -> None:
    made = pod()
    name = made["metadata"]["name"]
    nodes = {"node-1": NodeFacts(ready=True, labels={})}
    assert cleanup.describe(made, DEFAULTS, nodes) == cleanup.describe(made, DEFAULTS, {})
    assert cleanup.describe(made, DEFAULTS, nodes) == (
        f"Pod {names.cleanup_pod('uid-1')} in namespace nested-docker-cleanup removes from node node-1 what clients "
        f"made through Pod {name}, after that has ended. If it takes long, look at both pods and at the node"
    )
    del made["spec"]["nodeName"]
    assert cleanup.describe(made, DEFAULTS, nodes) == f"Pod {name} terminates"


def test_who_waits_for_a_node_that_is_not_ready_is_told_how_to_give_it_up() -> None:
    made, nodes = pod(), {"node-1": NodeFacts(ready=False, labels={})}
    assert cleanup.describe(made, DEFAULTS, nodes) == (
        "node node-1 is not ready: what clients made there through Pod build-e1005 is removed when it is. If it never "
        "is, delete its Node object, which releases the pod"
    )
    assert cleanup.describe(made, DEFAULTS, nodes, "a request failed") == "a request failed"
