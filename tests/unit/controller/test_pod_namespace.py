"""Passes over NestedDockers whose pods are elsewhere, and over what is left of those that are gone."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.controller.fakes import FakeClock, FakeKube
from tests.unit.controller.test_cache import taken
from tests.unit.factory import DEFAULTS

from nested_docker.adapters.certificates import CertificateMaker
from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.controller.cache import Cache
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.controller.outcome import Rejected
from nested_docker.controller.reconciler import Reconciler
from nested_docker.controller.routing import Router
from nested_docker.controller.session import Sessions
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain import names
from nested_docker.domain.ports import KubeError

KEY = ("team-a", "build")
STEM = names.name_prefix("uid-NestedDocker-build")


class Silent:
    """Daemons that do not answer, and Events that nobody reads."""

    async def ask(self, *_: Any) -> EngineStatus:
        raise ConnectionError

    def record(self, *_: Any) -> None:
        """Not needed here."""


class WatchedKube(FakeKube):
    """An API server whose watch is at once. It ends a deleted NestedDocker with its last finalizer."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = Cache()
        self.forbidden: set[str] = set()
        self.lost_answers = False
        self.reads: list[str] = []

    async def create(self, manifest: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        made = await super().create(manifest, dry_run=dry_run)
        if self.lost_answers and made["kind"] == "Service":
            raise KubeError(0, "NoAnswer", "the line was cut")
        return made

    async def apply_status(self, manifest: dict[str, Any]) -> dict[str, Any]:
        location = ("NestedDocker", *KEY)
        return self._store("status", location, self.objects[location] | {"status": manifest["status"]})

    async def set_finalizers(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._check("patch", "NestedDocker", read=False)
        changed = await super().set_finalizers(manifest)
        if "deletionTimestamp" in changed["metadata"] and not changed["metadata"]["finalizers"]:
            self.objects.pop(self._place(manifest))
        return changed

    async def get(self, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        self._check("get", kind)
        return await super().get(kind, namespace, name)

    async def list(self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = "") -> Any:
        self._check("list", kind)
        return await super().list(kind, namespace, labels=labels, fields=fields)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        self._check("delete", kind, read=False)
        gone = self.objects.get((kind, namespace, name))
        await super().delete(kind, namespace, name, uid)
        if gone is not None:
            self.cache.remove(gone, kind)

    def _check(self, verb: str, kind: str, *, read: bool = True) -> None:
        self.reads += [f"{verb} {kind}"] if read else []
        if f"{verb} {kind}" in self.forbidden:
            raise KubeError(403, "Forbidden", f"cannot {verb} {kind}")

    def put(self, kind: str, namespace: str, name: str, **fields: Any) -> dict[str, Any]:
        """An object that the watch has brought."""
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": "2026-03-01T00:00:00Z"}
        given = {"apiVersion": API_VERSION, "kind": kind, "spec": {}} | fields
        obj = self._store("put", (kind, namespace, name), given | {"metadata": metadata | fields.get("metadata", {})})
        self.cache.put(obj, kind)
        return obj

    def mark_deleted(self) -> None:
        """Somebody deletes the NestedDocker."""
        obj = self.objects["NestedDocker", *KEY]
        metadata = obj["metadata"] | {"deletionTimestamp": "2026-03-01T00:01:00Z"}
        self.put("NestedDocker", *KEY, metadata=metadata, **{key: obj[key] for key in ("spec", "status") if key in obj})

    def vanish(self) -> None:
        """The NestedDocker is no more, whatever finalizer it had."""
        self.cache.remove(self.objects.pop(("NestedDocker", *KEY)), "NestedDocker")

    def there(self) -> list[str]:
        """Kinds of what is in the pod namespace."""
        return sorted(kind for kind, namespace, _ in self.objects if namespace == "daemons")


@pytest.fixture
def kube() -> WatchedKube:
    kube = WatchedKube()
    policy = {"namespaceSelector": {}, "allowedClasses": ["isolated"], "allowedModes": ["Dind"]}
    kube.put("NestedDockerClass", "", "isolated", spec={"modes": ["Dind"], "podNamespace": "daemons"})
    kube.put("NestedDockerPolicy", "", "all", spec=policy)
    kube.put("Namespace", "", "team-a")
    kube.put("Namespace", "", "daemons")
    kube.put("NestedDocker", "team-a", "build", spec={"className": "isolated"})
    kube.writes.clear()
    return kube


@pytest.fixture
def reconciler(kube: WatchedKube) -> Reconciler:
    silent = Silent()
    return Reconciler(
        cache=kube.cache,
        kube=kube,
        certificates=CertificateMaker(),
        prober=DaemonProber(silent, lambda _key: None),
        recorder=silent,
        clock=FakeClock(),
        defaults=DEFAULTS,
        sessions=Sessions(),
    )


def finalizers(kube: WatchedKube) -> list[str]:
    found: list[str] = kube.objects["NestedDocker", *KEY]["metadata"].get("finalizers", [])
    return found


async def test_it_is_made_over_there_without_a_read(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    assert kube.writes[:2] == ["finalize NestedDocker/build", f"create Secret/{STEM}-tls"]
    assert kube.there() == ["NetworkPolicy", "Pod", "Secret", "Service"]
    assert kube.reads == []
    before = [*kube.writes]
    await reconciler.reconcile(KEY)
    assert kube.writes == before


async def test_whoever_was_quicker_is_not_overwritten(reconciler: Reconciler, kube: WatchedKube) -> None:
    kube.objects["NestedDocker", *KEY]["metadata"]["resourceVersion"] = "1000"
    with pytest.raises(KubeError, match="modified"):
        await reconciler.reconcile(KEY)
    assert kube.writes == []


async def test_without_the_right_to_hold_it_nothing_is_made_and_an_admin_is_told(
    reconciler: Reconciler, kube: WatchedKube
) -> None:
    kube.forbidden |= {"patch NestedDocker", "get NestedDocker"}
    for _ in range(2):
        assert isinstance(await reconciler.reconcile(KEY), Rejected)
    assert kube.there() == []
    assert kube.writes == ["status NestedDocker/build"]
    conditions = {each["type"]: each for each in kube.objects["NestedDocker", *KEY]["status"]["conditions"]}
    assert conditions["Ready"]["reason"] == "APIRejected"
    assert "adds the class's podNamespace to podNamespaces of the operator's chart" in conditions["Ready"]["message"]
    kube.forbidden.clear()
    await reconciler.reconcile(KEY)
    assert len(kube.there()) == 4


async def test_deletion_removes_all_and_then_lets_it_go(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    kube.mark_deleted()
    kube.writes.clear()
    await reconciler.reconcile(KEY)
    assert kube.there() == []
    assert len(kube.writes) == 4 + 1
    assert kube.writes[-1] == "finalize NestedDocker/build"
    assert ("NestedDocker", *KEY) not in kube.objects


async def test_what_a_lost_answer_has_left_is_found_before_it_goes(reconciler: Reconciler, kube: WatchedKube) -> None:
    kube.lost_answers = True
    with pytest.raises(KubeError):
        await reconciler.reconcile(KEY)
    assert "Service" in kube.there()
    assert kube.cache.get("Service", "daemons", STEM) is None
    kube.mark_deleted()
    await reconciler.reconcile(KEY)
    assert kube.there() == []
    assert ("NestedDocker", *KEY) not in kube.objects


@pytest.mark.parametrize("right", ["delete Pod", "list Secret", "patch NestedDocker"])
async def test_a_right_that_is_lost_is_told_and_its_return_ends_it(
    reconciler: Reconciler, kube: WatchedKube, right: str
) -> None:
    await reconciler.reconcile(KEY)
    kube.mark_deleted()
    kube.forbidden.add(right)
    for _ in range(2):
        with pytest.raises(KubeError):
            await reconciler.reconcile(KEY)
    assert finalizers(kube) == [names.FINALIZER]
    conditions = {each["type"]: each for each in kube.objects["NestedDocker", *KEY]["status"]["conditions"]}
    assert conditions["Ready"]["reason"] == "APIRejected"
    assert f"cannot {right}" in conditions["Ready"]["message"]
    assert len([write for write in kube.writes if write.startswith("status")]) == 2
    kube.forbidden.clear()
    await reconciler.reconcile(KEY)
    assert kube.there() == []


async def test_a_deletion_that_a_status_writes_answer_brings_is_not_overlooked(
    reconciler: Reconciler, kube: WatchedKube
) -> None:
    write = kube.apply_status

    async def meanwhile(manifest: dict[str, Any]) -> dict[str, Any]:
        kube.objects["NestedDocker", *KEY]["metadata"]["deletionTimestamp"] = "2026-03-01T00:01:00Z"
        return await write(manifest)

    kube.apply_status = meanwhile  # type: ignore[method-assign]
    await reconciler.reconcile(KEY)
    assert kube.there() == []
    assert ("NestedDocker", *KEY) not in kube.objects


async def test_a_finalizer_that_may_not_be_taken_off_costs_nobody_the_daemon_at_home(
    reconciler: Reconciler, kube: WatchedKube
) -> None:
    kube.put("NestedDockerClass", "", "isolated", spec={"modes": ["Dind"]}, metadata={"uid": "u"})
    kube.put("NestedDocker", *KEY, spec={"className": "isolated"}, metadata={"finalizers": [names.FINALIZER]})
    kube.forbidden.add("patch NestedDocker")
    await reconciler.reconcile(KEY)
    assert finalizers(kube) == [names.FINALIZER]
    assert kube.writes[-1] == "status NestedDocker/build"
    assert len([namespace for _, namespace, _ in kube.objects if namespace == "team-a"]) == 1 + 4


async def test_what_a_stripped_finalizer_leaves_is_collected(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    kube.vanish()
    await reconciler.reconcile(KEY)
    assert kube.there() == []
    assert "get NestedDocker" in kube.reads


async def test_it_is_collected_although_its_namespace_is_gone(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    kube.vanish()
    kube.cache.remove(kube.objects.pop(("Namespace", "", "team-a")), "Namespace")
    await reconciler.reconcile(KEY)
    assert kube.there() == []


async def test_a_predecessors_things_go_and_its_successors_stay(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    kube.vanish()
    kube.put("NestedDocker", *KEY, metadata={"uid": "uid-new"}, spec={"className": "isolated"})
    await reconciler.reconcile(KEY)
    assert kube.there() == ["NetworkPolicy", "Pod", "Secret", "Service"]
    assert {name[:13] for _, namespace, name in kube.objects if namespace == "daemons"} == {
        names.name_prefix("uid-new")
    }


async def test_nothing_is_collected_on_the_caches_word_alone(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    kube.cache.remove(kube.objects["NestedDocker", *KEY], "NestedDocker")
    before = kube.there()
    await reconciler.reconcile(KEY)
    assert kube.there() == before


async def test_what_another_installation_owns_is_left_alone(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    kube.vanish()
    kube.forbidden.add("get NestedDocker")
    before = kube.there()
    await reconciler.reconcile(KEY)
    assert kube.there() == before


async def test_a_label_changed_to_another_name_is_put_right_and_not_collected(
    reconciler: Reconciler, kube: WatchedKube
) -> None:
    await reconciler.reconcile(KEY)
    service = kube.objects["Service", "daemons", STEM]
    labels = service["metadata"]["labels"] | {names.LABEL_NAME: "other"}
    kube.put(**service | {"namespace": "daemons", "name": STEM, "metadata": service["metadata"] | {"labels": labels}})
    await reconciler.reconcile(("team-a", "other"))
    assert "Service" in kube.there()
    await reconciler.reconcile(KEY)
    assert kube.objects["Service", "daemons", STEM]["metadata"]["labels"][names.LABEL_NAME] == "build"


async def test_a_uid_label_that_is_damaged_costs_the_child_and_heals(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    service = kube.objects["Service", "daemons", STEM]
    labels = service["metadata"]["labels"] | {names.LABEL_UID: "damaged"}
    kube.put(**service | {"namespace": "daemons", "name": STEM, "metadata": service["metadata"] | {"labels": labels}})
    await reconciler.reconcile(KEY)
    assert kube.objects["Service", "daemons", STEM]["metadata"]["labels"][names.LABEL_UID] == "uid-NestedDocker-build"


async def test_events_from_over_there_reach_whom_they_concern() -> None:
    cache, queue = Cache(), WorkQueue()
    router = Router(cache, queue)

    def obj(name: str, namespace: str, **fields: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}", "resourceVersion": "1"}
        return fields | {"metadata": metadata | fields.get("metadata", {})}

    router.seen("NestedDocker", obj("build", "team-a", spec={}))
    router.seen("NestedDocker", obj("plain", "team-b", spec={}))
    router.seen("NestedDockerClass", obj("isolated", "", spec={"modes": ["Dind"], "podNamespace": "daemons"}))
    await taken(queue)
    marks = {names.LABEL_NAME: "build", names.LABEL_NAMESPACE: "team-a"}
    service = obj("nd-0123456789", "daemons", metadata={"labels": marks}, spec={})
    router.seen("Service", service)
    assert await taken(queue) == ["build"]
    router.seen("Namespace", obj("daemons", ""))
    assert sorted(await taken(queue)) == ["build", "plain"]
    router.seen("Namespace", obj("team-b", ""))
    assert await taken(queue) == ["plain"]
    router.gone("NestedDocker", obj("build", "team-a"))
    assert await taken(queue) == ["build"]
    router.everything()
    assert sorted(await taken(queue)) == ["build", "plain"], "what is left of the dead is looked at as well"
    router.gone("Service", service)
    assert await taken(queue) == ["build"]
    router.everything()
    assert await taken(queue) == ["plain"]
