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


async def test_a_key_set_that_has_lost_its_namespace_label_is_collected(
    reconciler: Reconciler, kube: WatchedKube
) -> None:
    """The next key set is another Secret, so nobody would correct it."""
    await reconciler.reconcile(KEY)
    (location,) = [each for each in kube.objects if each[0] == "Secret" and names.is_tls_secret(each[2])]
    secret = kube.objects[location]
    labels = {key: value for key, value in secret["metadata"]["labels"].items() if key != names.LABEL_NAMESPACE}
    kube.put(
        **secret | {"namespace": location[1], "name": location[2], "metadata": secret["metadata"] | {"labels": labels}}
    )
    await reconciler.reconcile((location[1], "build"))
    assert location not in kube.objects
    await reconciler.reconcile(KEY)
    assert len([each for each in kube.objects if names.is_tls_secret(each[2])]) == 1


async def test_a_pod_whose_controller_is_its_key_set_is_collected_by_its_label(
    reconciler: Reconciler, kube: WatchedKube
) -> None:
    await reconciler.reconcile(KEY)
    (location,) = [each for each in kube.objects if each[0] == "Pod"]
    assert [each["kind"] for each in kube.objects[location]["metadata"]["ownerReferences"]] == ["Secret"]
    await reconciler.reconcile(KEY)
    assert location in kube.objects, "a pod whose NestedDocker lives stays"
    kube.vanish()
    await reconciler.reconcile(KEY)
    assert location not in kube.objects
