"""What becomes of guarded pods that have ended, against an API server in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.factory import DEFAULTS
from tests.unit.fakes import KEY, FakeClock, WatchedKube, reconciler_of

from nested_docker.controller.cleaner import Cleaner
from nested_docker.controller.reconciler import Reconciler
from nested_docker.domain import names
from nested_docker.domain.planning.node_cleanup import RETRY
from nested_docker.domain.ports import KubeError

OWNER = "uid-NestedDocker-build"
CLEANUP = DEFAULTS.cleanup_namespace
GONE = "2026-03-01T00:00:10Z"
STARTED = {"startedAt": "2026-03-01T00:00:00Z"}
Manifest = dict[str, Any]


class Diary:
    """Events, as who, which and what."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str, str]] = []

    def record(self, regarding: Mapping[str, Any], type_: str, reason: str, message: str) -> None:
        self.lines.append((f"{regarding['kind']}/{regarding['name']}", type_, reason, message))

    def told(self) -> list[tuple[str, str]]:
        return [(who, reason) for who, _, reason, _ in self.lines]


class Cluster(WatchedKube):
    """An API server with a node."""

    def __init__(self) -> None:
        super().__init__()
        self.creation: KubeError | None = None
        self.put("Node", "", "node-1", status={"conditions": [{"type": "Ready", "status": "True"}]})
        self.put("NestedDocker", *KEY, spec={"mode": "HostSocket"})
        self.writes.clear()

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        cleans = manifest["metadata"].get("namespace") == CLEANUP
        if cleans and self.creation is not None and self.creation.status:
            raise self.creation
        made = await super().create(manifest, dry_run=dry_run)
        if cleans and self.creation is not None:
            raise self.creation
        return made

    def pod(self, name: str = "build-abcde", *, owner: str = OWNER, node: str = "node-1", **status: Any) -> Manifest:
        """A guarded pod that has ended."""
        self.put(
            "Pod",
            "team-a",
            name,
            metadata={"labels": {names.LABEL_NAME: "build"}, "finalizers": ["example.com/kept", names.FINALIZER]},
            spec={
                "nodeName": node,
                "containers": [{"name": "daemon", "image": "i", "args": ["relay", f"--owner-uid={owner}"]}],
                "volumes": [{"name": "node-socket", "hostPath": {"path": "/run/docker.sock"}}],
            },
            status={"phase": "Failed", "containerStatuses": [{"name": "daemon", "state": {"terminated": STARTED}}]}
            | status,
        )
        self.writes.clear()
        return self.objects["Pod", "team-a", name]

    def finalizers(self, name: str = "build-abcde") -> list[str]:
        return list(self.objects["Pod", "team-a", name]["metadata"]["finalizers"])

    def cleanups(self) -> list[Manifest]:
        return [obj for (kind, namespace, _), obj in self.objects.items() if (kind, namespace) == ("Pod", CLEANUP)]

    def ends(self, phase: str, message: str = "") -> None:
        """The one cleanup pod ends so."""
        (found,) = self.cleanups()
        statuses = [{"name": "cleanup", "state": {"terminated": {"message": message}}}]
        self.again(found | {"status": {"phase": phase, "containerStatuses": statuses}})


@pytest.fixture
def kube() -> Cluster:
    return Cluster()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def cleaner(kube: Cluster, diary: Diary, clock: FakeClock) -> Cleaner:
    return Cleaner(kube, kube.cache, diary, clock, DEFAULTS)


async def test_a_node_is_cleaned_and_the_pod_let_go(cleaner: Cleaner, kube: Cluster, diary: Diary) -> None:
    pod = kube.pod()
    for _ in range(2):
        assert await cleaner.clean(KEY) is None
    mine = names.cleanup_pod(pod["metadata"]["uid"])
    assert kube.writes == [f"create Pod/{mine}"]
    assert kube.finalizers() == ["example.com/kept", names.FINALIZER]
    kube.ends("Succeeded", "removed 2 containers\n")
    await cleaner.clean(KEY)
    assert kube.finalizers() == ["example.com/kept"]
    assert kube.writes[1:] == ["finalize Pod/build-abcde", f"delete Pod/{mine}"]
    assert diary.lines == [("NestedDocker/build", "Normal", "CleanedUp", "node node-1 is clean: removed 2 containers")]
    await cleaner.clean(KEY)
    assert len(kube.writes) == 3
    assert kube.reads == []


async def test_one_that_was_deleted_is_gone_then(cleaner: Cleaner, kube: Cluster) -> None:
    pod = kube.pod()
    kube.again(pod | {"metadata": pod["metadata"] | {"deletionTimestamp": GONE, "finalizers": [names.FINALIZER]}})
    await cleaner.clean(KEY)
    kube.ends("Succeeded")
    await cleaner.clean(KEY)
    assert kube.cleanups() == []
    assert ("Pod", "team-a", "build-abcde") not in kube.objects


async def test_a_cleanup_that_says_nothing_has_found_nothing(cleaner: Cleaner, kube: Cluster, diary: Diary) -> None:
    kube.pod()
    await cleaner.clean(KEY)
    kube.ends("Succeeded")
    await cleaner.clean(KEY)
    assert diary.lines[0][-1] == "node node-1 is clean: nothing was left"


async def test_one_that_never_ran_is_let_go_at_once_and_without_a_word(
    cleaner: Cleaner, kube: Cluster, diary: Diary
) -> None:
    kube.pod(containerStatuses=[{"name": "daemon", "state": {"waiting": {}}}])
    await cleaner.clean(KEY)
    assert kube.writes == ["finalize Pod/build-abcde"]
    assert diary.lines == []


async def test_one_that_runs_is_left_alone(cleaner: Cleaner, kube: Cluster) -> None:
    kube.pod(phase="Running")
    await cleaner.clean(KEY)
    assert kube.writes == []


# --- what the API server says -------------------------------------------------------------------------


async def test_a_lost_answer_makes_no_second_one(cleaner: Cleaner, kube: Cluster) -> None:
    kube.pod()
    kube.creation = KubeError(0, "NoAnswer", "the line was cut")
    with pytest.raises(KubeError, match="NoAnswer"):
        await cleaner.clean(KEY)
    kube.creation = None
    await cleaner.clean(KEY)
    assert len(kube.cleanups()) == 1
    kube.ends("Succeeded")
    await cleaner.clean(KEY)
    assert names.FINALIZER not in kube.finalizers()


async def test_one_that_exists_and_is_gone_when_looked_at_is_made_again(cleaner: Cleaner, kube: Cluster) -> None:
    kube.pod()
    kube.creation = KubeError(409, "AlreadyExists", "it exists")
    await cleaner.clean(KEY)
    kube.creation = None
    await cleaner.clean(KEY)
    assert len(kube.cleanups()) == 1


async def test_somebody_elses_pod_in_its_place_is_told(cleaner: Cleaner, kube: Cluster, diary: Diary) -> None:
    pod = kube.pod()
    kube.put("Pod", CLEANUP, names.cleanup_pod(pod["metadata"]["uid"]), status={"phase": "Succeeded"})
    with pytest.raises(KubeError, match="AlreadyExists"):
        await cleaner.clean(KEY)
    assert diary.told() == [("NestedDocker/build", "CleanupFailed")]
    assert names.FINALIZER in kube.finalizers(), "nobody has cleaned anything"


@pytest.mark.parametrize(
    "error",
    [
        KubeError(403, "Forbidden", "no rights."),
        KubeError(404, "NotFound", 'namespaces "nested-docker-cleanup" not found'),
        KubeError(0, "NoAnswer", "the line was cut"),
    ],
    ids=lambda error: error.reason,
)
async def test_one_that_cannot_be_made_is_told_and_tried_again(
    cleaner: Cleaner, kube: Cluster, diary: Diary, error: KubeError
) -> None:
    kube.pod()
    kube.creation = error
    with pytest.raises(KubeError):
        await cleaner.clean(KEY)
    who, type_, reason, message = diary.lines[-1]
    assert (who, type_, reason) == ("NestedDocker/build", "Warning", "CleanupFailed")
    assert message == (
        "the operator cannot create a cleanup pod for node node-1: "
        f"{error.message.rstrip('.')}. It retries from time to time"
    )
    assert names.FINALIZER in kube.finalizers()
    kube.creation = None
    await cleaner.clean(KEY)
    assert len(kube.cleanups()) == 1


async def test_whoever_writes_the_pod_meanwhile_is_not_overwritten(cleaner: Cleaner, kube: Cluster) -> None:
    pod = kube.pod(containerStatuses=[])
    metadata = pod["metadata"] | {"resourceVersion": "1000", "finalizers": ["example.com/new", names.FINALIZER]}
    kube.objects["Pod", "team-a", "build-abcde"] = pod | {"metadata": metadata}
    with pytest.raises(KubeError, match="modified"):
        await cleaner.clean(KEY)
    await cleaner.clean(KEY)
    assert kube.finalizers() == ["example.com/new"]


async def test_one_that_is_gone_already_is_forgotten(cleaner: Cleaner, kube: Cluster, diary: Diary) -> None:
    kube.pod()
    await cleaner.clean(KEY)
    kube.ends("Succeeded")
    del kube.objects["Pod", "team-a", "build-abcde"]
    await cleaner.clean(KEY)
    assert kube.cache.get("Pod", "team-a", "build-abcde") is None
    assert kube.cleanups() == []
    assert diary.lines == []


async def test_trouble_with_one_pod_costs_no_other_its_cleaning(cleaner: Cleaner, kube: Cluster) -> None:
    kube.pod()
    kube.pod("build-fffff", containerStatuses=[])
    kube.creation = KubeError(403, "Forbidden", "no")
    with pytest.raises(KubeError, match="403"):
        await cleaner.clean(KEY)
    assert names.FINALIZER not in kube.finalizers("build-fffff")


# --- nodes --------------------------------------------------------------------------------------------


async def test_a_node_is_gone_when_the_api_server_says_so(cleaner: Cleaner, kube: Cluster, diary: Diary) -> None:
    kube.pod()
    kube.cache.remove(kube.objects["Node", "", "node-1"], "Node")
    await cleaner.clean(KEY)
    assert len(kube.cleanups()) == 1, "the cache alone is not believed"
    del kube.objects["Node", "", "node-1"]
    kube.put("Node", "", "node-10")
    kube.reads.clear()
    await cleaner.clean(KEY)
    assert kube.reads == ["list Node"]
    assert names.FINALIZER not in kube.finalizers()
    assert kube.cleanups() == []
    assert diary.lines == [
        (
            "NestedDocker/build",
            "Warning",
            "NodeGone",
            f"node node-1 is gone: the operator cannot remove what clients made there. It has the owner UID {OWNER}",
        )
    ]


async def test_one_that_failed_is_made_again_and_not_too_soon(
    cleaner: Cleaner, kube: Cluster, clock: FakeClock
) -> None:
    kube.pod()
    await cleaner.clean(KEY)
    kube.ends("Failed")
    again = clock.now() + RETRY
    before = [*kube.writes]
    assert await cleaner.clean(KEY) == again
    clock.seconds = RETRY.total_seconds() - 1
    assert await cleaner.clean(KEY) == again
    assert kube.writes == before
    clock.seconds += 1
    await cleaner.clean(KEY)
    assert kube.cleanups() == []
    await cleaner.clean(KEY)
    assert len(kube.cleanups()) == 1


# --- whom it concerns ---------------------------------------------------------------------------------


async def test_a_stale_one_is_removed(cleaner: Cleaner, kube: Cluster) -> None:
    labels = {names.LABEL_NAME: "build", names.LABEL_NAMESPACE: "team-a"}
    kube.put("Pod", CLEANUP, "nd-0123456789-cleanup", metadata={"labels": labels}, spec={"containers": []})
    kube.put("Pod", CLEANUP, "other", metadata={"labels": labels | {names.LABEL_NAME: "other"}})
    kube.writes.clear()
    await cleaner.clean(KEY)
    assert kube.writes == ["delete Pod/nd-0123456789-cleanup"]


@pytest.mark.parametrize("successor", [False, True])
async def test_without_its_nested_docker_the_pod_is_told_of(
    cleaner: Cleaner, kube: Cluster, diary: Diary, *, successor: bool
) -> None:
    kube.pod()
    kube.vanish()
    if successor:
        kube.put("NestedDocker", *KEY, metadata={"uid": "uid-new"})
    await cleaner.clean(KEY)
    kube.ends("Succeeded")
    await cleaner.clean(KEY)
    assert diary.told() == [("Pod/build-abcde", "CleanedUp")]
    assert names.FINALIZER not in kube.finalizers()


@pytest.mark.parametrize("labels", [{}, {names.LABEL_UID: "another"}, {names.LABEL_NAMESPACE: "team-a"}])
async def test_changed_labels_lead_nowhere_else(cleaner: Cleaner, kube: Cluster, labels: dict[str, str]) -> None:
    pod = kube.pod()
    owner = {"kind": "NestedDocker", "name": "build", "uid": OWNER, "controller": True}
    kube.again(pod | {"metadata": pod["metadata"] | {"labels": labels, "ownerReferences": [owner]}})
    await cleaner.clean(KEY)
    (made,) = kube.cleanups()
    assert made["metadata"]["labels"][names.LABEL_NAME] == "build"
    assert made["metadata"]["labels"][names.LABEL_UID] == OWNER
    kube.ends("Succeeded")
    await cleaner.clean(KEY)
    assert names.FINALIZER not in kube.finalizers()


# --- in a pass ----------------------------------------------------------------------------------------


@pytest.fixture
def reconciler(kube: Cluster, diary: Diary, clock: FakeClock) -> Reconciler:
    grant = {"namespaceSelector": {}, "allowedClasses": ["shared"], "allowedModes": ["HostSocket"]}
    kube.put("NestedDockerClass", "", "shared", spec={"modes": ["HostSocket"]})
    kube.put("NestedDockerPolicy", "", "all", spec=grant | {"hostSocket": {"guard": {}}})
    kube.put("Namespace", "", "team-a")
    kube.again(kube.objects["NestedDocker", *KEY] | {"spec": {"className": "shared"}})
    kube.writes.clear()
    return reconciler_of(kube, diary, clock)


def daemon(kube: Cluster) -> Manifest:
    (found,) = [obj for (kind, namespace, _), obj in kube.objects.items() if (kind, namespace) == ("Pod", "team-a")]
    return found


def runs(kube: Cluster, phase: str = "Running") -> None:
    """The daemon's pod is on the node, and has got so far."""
    pod = daemon(kube)
    state = {"running": STARTED} if phase == "Running" else {"terminated": STARTED}
    status = {"phase": phase, "containerStatuses": [{"name": "daemon", "restartCount": 0, "state": state}]}
    kube.again(pod | {"spec": pod["spec"] | {"nodeName": "node-1"}, "status": status})


def condition(kube: Cluster) -> tuple[str, str]:
    found = kube.conditions()["Ready"]
    return found["status"], found["reason"]


def message(kube: Cluster) -> str:
    return str(kube.conditions()["Provisioned"]["message"])


REJECTED = (
    "the operator cannot create a cleanup pod in namespace nested-docker-cleanup, to remove what clients made: "
    "no rights. It retries from time to time"
)


async def test_it_is_deleted_when_its_node_is_clean(reconciler: Reconciler, kube: Cluster, diary: Diary) -> None:
    await reconciler.reconcile(KEY)
    assert kube.writes[0] == "finalize NestedDocker/build"
    runs(kube)
    kube.mark_deleted()
    await reconciler.reconcile(KEY)
    assert condition(kube) == ("False", "CleaningUp")
    runs(kube, "Succeeded")
    await reconciler.reconcile(KEY)
    kube.ends("Succeeded")
    await reconciler.reconcile(KEY)
    assert ("NestedDocker", *KEY) not in kube.objects
    assert [name for kind, _, name in kube.objects if kind == "Pod"] == []
    assert diary.told()[-1] == ("NestedDocker/build", "CleanedUp")


async def test_trouble_with_a_node_does_not_keep_the_rest_from_being_told(
    reconciler: Reconciler, kube: Cluster, clock: FakeClock
) -> None:
    await reconciler.reconcile(KEY)
    old = daemon(kube)["metadata"]["name"]
    runs(kube, "Failed")
    clock.seconds = 60
    kube.creation = KubeError(403, "Forbidden", "no rights")
    for _ in range(2):
        with pytest.raises(KubeError, match="no rights"):
            await reconciler.reconcile(KEY)
    assert condition(kube) == ("False", "CleaningUp")
    assert message(kube) == REJECTED
    kube.creation = None
    await reconciler.reconcile(KEY)
    assert "removes from node node-1 what clients made" in message(kube)
    kube.ends("Succeeded")
    await reconciler.reconcile(KEY)
    assert daemon(kube)["metadata"]["name"] != old
    assert condition(kube) == ("False", "DaemonStarting")


async def test_a_deletion_that_cannot_clean_up_is_told_and_goes_on_when_it_can(
    reconciler: Reconciler, kube: Cluster
) -> None:
    await reconciler.reconcile(KEY)
    runs(kube)
    kube.mark_deleted()
    await reconciler.reconcile(KEY)
    runs(kube, "Succeeded")
    kube.creation = KubeError(403, "Forbidden", "no rights")
    for _ in range(2):
        with pytest.raises(KubeError, match="no rights"):
            await reconciler.reconcile(KEY)
    assert condition(kube) == ("False", "CleaningUp")
    assert message(kube) == REJECTED
    kube.creation = None
    await reconciler.reconcile(KEY)
    assert "removes from node node-1 what clients made" in message(kube)
    kube.ends("Succeeded")
    await reconciler.reconcile(KEY)
    assert ("NestedDocker", *KEY) not in kube.objects


FAILURES = {
    "delete": "-cleanup in namespace nested-docker-cleanup",
    "set_finalizers": "cannot update Pod build-",
    "list": "cannot read Node node-1",
}


@pytest.mark.parametrize(("verb", "what"), FAILURES.items())
async def test_each_request_that_fails_is_in_the_condition(
    reconciler: Reconciler, kube: Cluster, clock: FakeClock, verb: str, what: str
) -> None:
    await reconciler.reconcile(KEY)
    runs(kube, "Failed")
    clock.seconds = 60
    await reconciler.reconcile(KEY)
    if verb == "list":  # while it lives, its next pod does not wait for a node that is gone
        kube.mark_deleted()
        kube._drop(("Node", "", "node-1"))
    else:
        kube.ends("Failed" if verb == "delete" else "Succeeded")
        clock.seconds = 600

    async def fails(*_: Any, **__: Any) -> Any:
        raise KubeError(503, "ServiceUnavailable", "etcd has no leader")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kube, verb, fails)
        for _ in range(2):
            with pytest.raises(KubeError, match="no leader"):
                await reconciler.reconcile(KEY)
        assert condition(kube) == ("False", "CleaningUp")
        assert what in message(kube)
        assert "said: etcd has no leader). It retries" in message(kube)
