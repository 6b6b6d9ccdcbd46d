"""The executor: it writes without reading, and settles what its cache does not know."""

from __future__ import annotations

from tests.unit.fakes import KEY, WatchedKube

from nested_docker.controller.reconciler import Reconciler
from nested_docker.domain import names

STEM = names.name_prefix("uid-NestedDocker-build")


async def test_it_is_made_over_there_without_a_read(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    assert kube.writes[:2] == ["finalize NestedDocker/build", f"create Secret/{STEM}-tls"]
    assert kube.there() == ["NetworkPolicy", "Pod", "Secret", "Service"]
    assert kube.reads == []
    before = [*kube.writes]
    await reconciler.reconcile(KEY)
    assert kube.writes == before


async def test_a_uid_label_that_is_damaged_costs_the_child_and_heals(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    service = kube.objects["Service", "daemons", STEM]
    labels = service["metadata"]["labels"] | {names.LABEL_UID: "damaged"}
    kube.put(**service | {"namespace": "daemons", "name": STEM, "metadata": service["metadata"] | {"labels": labels}})
    await reconciler.reconcile(KEY)
    assert kube.objects["Service", "daemons", STEM]["metadata"]["labels"][names.LABEL_UID] == "uid-NestedDocker-build"
