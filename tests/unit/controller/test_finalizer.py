"""The finalizer: what it takes to add it and to remove it, in passes over a NestedDocker with a pod namespace."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.fakes import KEY, WatchedKube

from nested_docker.controller.outcome import Rejected
from nested_docker.controller.reconciler import Reconciler
from nested_docker.domain import names
from nested_docker.domain.ports import KubeError

STEM = names.name_prefix("uid-NestedDocker-build")


def finalizers(kube: WatchedKube) -> list[str]:
    found: list[str] = kube.objects["NestedDocker", *KEY]["metadata"].get("finalizers", [])
    return found


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
    conditions = kube.conditions()
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
    conditions = kube.conditions()
    assert conditions["Ready"]["reason"] == "RequestFailed"
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
