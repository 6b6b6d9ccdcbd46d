"""Objects that an admission plugin or a controller takes away from their NestedDocker: none is made again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.fakes import KEY
from tests.unit.lab import Lab

from nested_docker.domain import names

Manifest = dict[str, Any]
Change = Callable[[Manifest], Any]
FOREIGN = [{"apiVersion": "batch/v1", "kind": "Job", "name": "x", "uid": "u", "controller": True}]


def adopts(manifest: Manifest) -> None:
    manifest["metadata"]["ownerReferences"] = FOREIGN


def renames_owner(manifest: Manifest) -> None:
    manifest["metadata"].pop("ownerReferences", None)
    manifest["metadata"]["labels"][names.LABEL_UID] = "x"


def replaces_labels(manifest: Manifest) -> None:
    manifest["metadata"].pop("ownerReferences", None)
    manifest["metadata"]["labels"] = {"a": "b"}


CHANGES: dict[str, Change] = {
    "another controller": adopts,
    "another uid label": renames_owner,
    "other labels": replaces_labels,
}
KINDS = ("Pod", "Service", "Secret", "NetworkPolicy")


def home(_lab: Lab) -> None:
    """The daemon is in the namespace of its NestedDocker."""


def away(lab: Lab) -> None:
    """The daemon is in a pod namespace."""
    kube = lab.kube
    kube.put("Namespace", "", "daemons")
    spec = {"modes": ["Dind"], "podNamespace": "daemons"}
    kube.again(kube.objects["NestedDockerClass", "", "standard"] | {"spec": spec})
    kube.again(kube.objects["NestedDocker", *KEY] | {"spec": {"className": "standard"}})


@pytest.mark.parametrize("restarts", [False, True], ids=["one operator", "it restarts each time"])
@pytest.mark.parametrize("where", [home, away], ids=["home", "away"])
@pytest.mark.parametrize("operations", [{"CREATE"}, {"CREATE", "UPDATE"}], ids=["creation", "every write"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_a_webhook_takes_away_is_removed_once(
    change: Change, kind: str, operations: set[str], where: Callable[[Lab], None], *, restarts: bool
) -> None:
    lab = Lab()
    where(lab)

    def hook(operation: str, manifest: Manifest) -> Manifest:
        if manifest["kind"] == kind and operation in operations:
            change(manifest)
        return manifest

    lab.kube.webhook = hook
    for _ in range(12):
        await lab.passes(1, seconds=10)
        if restarts:
            lab.restart()
    # An operator that has just started tries once; pods also wait for the interval, which is longer each time.
    assert lab.made("Pod") <= (5 if restarts else 1)
    assert lab.made(kind) <= (12 if restarts else 1)
    assert lab.pods() == []
    assert [key for key in lab.kube.objects if key[0] == kind] == []
    assert lab.ready() == ("False", "Contested")
    message = lab.kube.conditions()["Ready"]["message"]
    assert message.startswith(f"an admission plugin of the cluster changed the labels or the owner of {kind} ")
    assert "Stalled" in lab.kube.conditions()
    lab.kube.webhook = lambda _operation, manifest: manifest
    await lab.passes(8, seconds=60)
    assert lab.ready() == ("True", "Ready")


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_a_controller_takes_away_at_once_is_made_less_and_less_often(change: Change) -> None:
    lab = Lab()
    away(lab)
    for _ in range(60):
        await lab.passes(1)
        for location, obj in [*lab.kube.objects.items()]:
            if location[0] == "Service":
                changed = {**obj, "metadata": {**obj["metadata"], "labels": dict(obj["metadata"]["labels"])}}
                change(changed)
                lab.kube.again(changed)
    assert lab.made("Service") <= 6
    assert lab.made("Pod") == 1


async def test_a_pod_that_goes_before_the_status_has_it_counts() -> None:
    lab = Lab()
    store, count = lab.kube._store, 0

    def gone_at_once(verb: str, location: tuple[str, str, str], manifest: Manifest) -> Manifest:
        nonlocal count
        stored = store(verb, location, manifest)
        if verb == "create" and location[0] == "Pod":
            count += 1
            lab.kube.cache.put(stored, "Pod")
            lab.kube._drop(location)
        return stored

    lab.kube._store = gone_at_once  # type: ignore[method-assign]
    put, dead = lab.kube.cache.put, set[str]()

    def unless_gone(obj: Any, kind: str) -> bool:
        if kind == "Pod" and obj["metadata"]["uid"] in dead:
            return False
        dead.update({obj["metadata"]["uid"]} if kind == "Pod" else set())
        return put(obj, kind)

    lab.kube.cache.put = unless_gone  # type: ignore[method-assign]
    await lab.passes(100, seconds=3)
    assert count == 1 + 2
    assert lab.ready() == ("False", "ReplacedRepeatedly")


async def test_a_claim_that_a_webhook_takes_away_stays() -> None:
    lab = Lab()

    def hook(_operation: str, manifest: Manifest) -> Manifest:
        if manifest["kind"] == "PersistentVolumeClaim":
            replaces_labels(manifest)
        return manifest

    lab.kube.webhook = hook
    await lab.passes(5)
    assert (lab.made("PersistentVolumeClaim"), lab.pods()) == (1, [])
    message = lab.kube.conditions()["Ready"]["message"]
    assert message.startswith("PersistentVolumeClaim build-data exists and is not managed by this NestedDocker")
    assert message.endswith(
        "an admission plugin of the cluster changed its labels or its owner: exempt it from that plugin first"
    )


@pytest.mark.parametrize(
    ("watched", "words"),
    [(True, "somebody deleted the pod"), (False, "the pod is gone, and no operator saw why")],
    ids=["an operator runs", "no operator runs"],
)
async def test_only_what_was_seen_is_said_of_a_lost_pod(words: str, *, watched: bool) -> None:
    lab = Lab()
    await lab.passes(4)
    (pod,) = lab.pods()
    lab.kube._drop(("Pod", "team-a", pod["metadata"]["name"]))
    if not watched:
        lab.restart()
        lab.kube.cache._departed.clear()
    await lab.passes(1)
    lost = [message for _, reason, message in lab.events if reason == "PodLost"]
    assert lost == [f"Pod {pod['metadata']['name']} is lost: {words}"]
