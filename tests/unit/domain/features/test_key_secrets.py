"""A Secret with a key set is named after it, so its data never changes: immutable Secrets and caches do no harm."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from tests.support.certificates import key_set_annotations
from tests.support.factory import NOW, class_spec, observed
from tests.unit.fakes import KEY, FakeClock, WatchedKube, reconciler_of
from tests.unit.world import World, change, ready

from nested_docker.domain import names, pki
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity, Manifest
from nested_docker.domain.observed import DATA_DIGESTS, NamespaceFacts, Observed
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.conditions import timestamp


def mounted(pod: Manifest) -> list[str]:
    return [volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume]


@pytest.mark.parametrize("mode", ["Dind", "HostSocket", "Sysbox"])
def test_a_pod_mounts_the_secret_of_its_key_set(mode: str) -> None:
    world = World({"mode": mode})
    world.settle()
    pod = world.pod()
    assert mounted(pod) == [f"{pod['metadata']['name']}-tls"] == [world.key_secret().name]


def test_a_new_key_set_gets_a_new_secret_and_the_old_one_is_removed() -> None:
    world = World()
    world.settle()
    seen = {world.key_secret().name}
    for number in range(3):
        change(world, annotations={names.ANNOTATION_RESTART: str(number)})
        world.advance(hours=2)
        world.settle()
        assert ready(world) == ("True", "Ready")
        assert mounted(world.pod()) == [world.key_secret().name]
        seen.add(world.key_secret().name)
    assert len(seen) == 4, "no name is used for other keys"


def test_a_class_with_another_pod_namespace_leaves_no_key_set_behind() -> None:
    facts = {"daemons": NamespaceFacts()}
    world = World(pod_namespaces=facts)
    world.settle()
    change(
        world,
        classes={"standard": class_spec(podNamespace="daemons")},
        annotations={names.ANNOTATION_RESTART: "1"},
    )
    world.settle()
    assert [each.namespace for each in world.key_secrets()] == ["daemons"]
    assert mounted(world.pod()) == [world.key_secret().name]


def test_a_secret_of_the_same_name_that_is_somebodys_is_a_conflict() -> None:
    world = World()
    planned = world.plan()
    assert planned.status is not None
    theirs = Identity("Secret", "team-a", f"{planned.status.pod_name}-tls")
    world.children[theirs] = {"kind": "Secret", "metadata": {"name": theirs.name, "namespace": theirs.namespace}}
    world._key_sets = itertools.count(1)  # the same key set as planned
    world.step()
    assert ready(world) == ("False", "NameConflict")


# --- which key set is in force ---------------------------------------------------------------------


def secret(number: int, **metadata: Any) -> Manifest:
    """The key set of that number, as the cache has it."""
    digests = {key: f"{key}-{number}" for key in pki.KEYS}
    key_set = KeySet(digests, NOW + timedelta(days=365), number, server_not_after=NOW + timedelta(days=3650))
    owner = observed().owner
    where = ObjectNames(owner).tls_secret(key_set.id)
    annotations = key_set_annotations(key_set)
    labels = names.common_labels(owner.name, owner.uid)
    head = {"name": where.name, "namespace": where.namespace, "labels": labels, "annotations": annotations}
    return {"kind": "Secret", "metadata": head | metadata, DATA_DIGESTS: digests}


def seen(*secrets: Manifest) -> Observed:
    return observed(children={Identity.of(each): each for each in secrets})


def test_the_latest_key_set_is_in_force_in_any_order() -> None:
    for order in ((1, 2), (2, 1), (9, 10), (10, 9)):
        key_set = seen(*(secret(number) for number in order)).key_set()
        assert key_set is not None
        assert key_set.revision == max(order)


def test_of_two_operators_at_once_both_choose_the_same_key_set() -> None:
    """Each sees the Secrets in its own order, and removes the one that it does not choose."""
    first, second = secret(3), secret(4)
    second["metadata"]["annotations"][names.ANNOTATION_REVISION] = "3"
    chosen = [seen(*order).key_set() for order in ((first, second), (second, first))]
    assert chosen[0] == chosen[1]
    assert chosen[0] is not None
    loser = next(each for each in (first, second) if chosen[0].id[:5] not in each["metadata"]["name"])
    assert seen(first, second).rivals == [loser["metadata"]["name"]]


def test_an_earlier_key_set_is_no_rival() -> None:
    assert seen(secret(1), secret(2)).rivals == []
    assert seen(secret(1)).rivals == []
    assert seen().rivals == []


def annotated(number: int, **annotations: str | None) -> Manifest:
    made = secret(number)
    changes = {f"nesteddocker.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    kept = {key: value for key, value in (made["metadata"]["annotations"] | changes).items() if value is not None}
    return made | {"metadata": made["metadata"] | {"annotations": kept}}


DAMAGED = {
    "edited": secret(2) | {DATA_DIGESTS: dict.fromkeys(pki.KEYS, "edited")},
    "without a key": secret(2) | {DATA_DIGESTS: {}},
    "with another digest": annotated(2, data_digest="x"),
    "without its end": annotated(2, not_after=None),
    "that is going": secret(2, deletionTimestamp=timestamp(NOW)),
    "under another name": secret(2, name="build-abcde-tls"),
}


@pytest.mark.parametrize("name", [*DAMAGED])
def test_an_earlier_key_set_is_not_in_force_again_beside_one(name: str) -> None:
    observation = seen(secret(1), DAMAGED[name])
    assert (observation.key_set(), observation.location) == (None, None), f"a key set {name}"


@pytest.mark.parametrize("revision", ["", "x", "-1", "²", "1e9", " 5", "9" * 11, "9" * 5000])
def test_a_revision_that_is_not_the_operators_counts_as_none(revision: str) -> None:
    key_set = seen(secret(1), annotated(2, revision=revision)).key_set()
    assert key_set is not None
    assert key_set.revision == 1


def test_connection_secrets_hold_no_key_set() -> None:
    for name in ("build-docker", "build-docker-env"):
        assert seen(secret(1, name=name)).key_set() is None


# --- immutable Secrets ------------------------------------------------------------------------------


class ImmutableSecrets(WatchedKube):
    """An API server with a webhook that makes every Secret immutable."""

    async def apply(self, manifest: Manifest) -> Manifest:
        existing = self.objects.get(self._place(manifest), {})
        if manifest["kind"] == "Secret" and manifest.get("data", existing.get("data")) != existing.get("data"):
            raise KubeError(422, "Invalid", 'Secret is invalid: data: Forbidden: field is immutable when "immutable"')
        return await super().apply(manifest)


@pytest.fixture
def kube() -> ImmutableSecrets:
    kube = ImmutableSecrets()
    grant = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": ["Dind"]}
    kube.put("NestedDockerClass", "", "standard", spec={"modes": ["Dind"]})
    kube.put("NestedDockerPolicy", "", "all", spec=grant)
    kube.put("Namespace", "", "team-a")
    kube.put("NestedDocker", *KEY, spec={"className": "standard"})
    return kube


def keys(kube: WatchedKube) -> list[str]:
    return [name for kind, _, name in kube.objects if kind == "Secret" and name.endswith("-tls")]


async def test_immutable_secrets_do_not_stop_a_rotation(kube: ImmutableSecrets) -> None:
    reconciler = reconciler_of(kube, clock=FakeClock())
    await reconciler.reconcile(KEY)
    (before,) = keys(kube)
    wanted = kube.objects["NestedDocker", *KEY]
    restart = {"annotations": {names.ANNOTATION_RESTART: "1"}}
    kube.again(wanted | {"metadata": wanted["metadata"] | restart})
    await reconciler.reconcile(KEY)
    (now,) = keys(kube)
    assert now != before
    assert {each["status"] for each in kube.conditions().values() if each["type"] == "Provisioned"} == {"True"}
    (pod,) = [obj for (kind, _, _), obj in kube.objects.items() if kind == "Pod"]
    assert mounted(pod) == [now]


async def test_an_immutable_connection_secret_is_created_again(kube: ImmutableSecrets) -> None:
    reconciler = reconciler_of(kube, clock=FakeClock(), answers=True)
    await settle(kube, reconciler)
    env = kube.objects["Secret", "team-a", "build-docker-env"]
    kube.again(env | {"data": {"DOCKER_HOST": "eA=="}})
    await settle(kube, reconciler)
    assert kube.objects["Secret", "team-a", "build-docker-env"]["data"] == env["data"]
    assert kube.writes.count("create Secret/build-docker-env") == 2
    assert len([write for write in kube.writes if write.startswith("create Pod")]) == 1, "nothing else is touched"


async def settle(kube: WatchedKube, reconciler: Any) -> None:
    for _ in range(4):
        await reconciler.reconcile(KEY)
        for location, obj in [*kube.objects.items()]:
            if location[0] == "Pod" and "status" not in obj:
                running = {"running": {"startedAt": "2026-03-01T00:00:01Z"}}
                container = {"name": "daemon", "state": running, "ready": True, "restartCount": 0}
                status = {"phase": "Running", "podIP": "192.0.2.1", "containerStatuses": [container]}
                kube.again(obj | {"status": status})
        for _ in range(3):
            await asyncio.sleep(0)
