"""Orphans: what is removed after a NestedDocker that is gone, and what is not."""

from __future__ import annotations

from tests.unit.fakes import KEY, WatchedKube

from nested_docker.controller.reconciler import Reconciler
from nested_docker.domain import names

STEM = names.name_prefix("uid-NestedDocker-build")


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
