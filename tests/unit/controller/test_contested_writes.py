"""Writes that somebody changes back: bounded, with a condition, and without a pod made in turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.fakes import KEY
from tests.unit.lab import Lab

from nested_docker.domain import names

Manifest = dict[str, Any]
Mutate = Callable[[Manifest], object]


@pytest.fixture
async def lab() -> Lab:
    return Lab()


def mutating(kind: str, mutate: Mutate, *operations: str) -> Callable[[str, Manifest], Manifest]:
    def webhook(operation: str, manifest: Manifest) -> Manifest:
        if manifest["kind"] == kind and operation in operations:
            mutate(manifest)
        return manifest

    return webhook


def data(key: str, value: str = "YQ==") -> Mutate:
    """Change a Secret's value, where it has the key."""
    return lambda each: each["data"].update({key: value} if key in each["data"] else {})


READY, CONTESTED = ("True", "Ready"), ("False", "Contested")

MUTATIONS: dict[str, tuple[str, Mutate, tuple[str, str]]] = {
    "Service's type": ("Service", lambda each: each["spec"].update(type="NodePort"), CONTESTED),
    "Service's selector": ("Service", lambda each: each["spec"]["selector"].update(a="b"), CONTESTED),
    "Service's ports": ("Service", lambda each: each["spec"].update(ports=[{"port": 1}]), CONTESTED),
    "Service's own label": ("Service", lambda each: each["metadata"]["labels"].update({names.LABEL_UID: "x"}), READY),
    "Service's annotation": ("Service", lambda each: each["metadata"].update(annotations={"a": "b"}), READY),
    "NetworkPolicy opened": ("NetworkPolicy", lambda each: each["spec"].update(ingress=[{}]), CONTESTED),
    "NetworkPolicy for other pods": (
        "NetworkPolicy",
        lambda each: each["spec"].update(podSelector={"matchLabels": {"a": "b"}}),
        CONTESTED,
    ),
    "NetworkPolicy's finalizer": (
        "NetworkPolicy",
        lambda each: each["metadata"].update(finalizers=["example.com/theirs"]),
        READY,
    ),
    "Secrets' data added": ("Secret", lambda each: each["data"].update(theirs="YQ=="), READY),
    "Secrets' label": ("Secret", lambda each: each["metadata"]["labels"].update(team="a"), READY),
    "Secrets' owner": ("Secret", lambda each: each["metadata"].pop("ownerReferences", None), READY),
    "env Secret's data": ("Secret", data("DOCKER_HOST"), CONTESTED),
    "files Secret's data": ("Secret", data("key.pem"), CONTESTED),
    "key set's data": ("Secret", data("server-key.pem"), CONTESTED),
    "key set's annotations": ("Secret", lambda each: each["metadata"].pop("annotations", None), CONTESTED),
    "pod's labels": ("Pod", lambda each: each["metadata"]["labels"].pop(names.LABEL_KEY_SET), CONTESTED),
    "claim": ("PersistentVolumeClaim", lambda each: each["spec"].update(storageClassName="theirs"), READY),
}


@pytest.mark.parametrize(("kind", "mutate", "expected"), MUTATIONS.values(), ids=MUTATIONS)
async def test_what_is_always_changed_back_is_not_fought_over(
    lab: Lab, kind: str, mutate: Mutate, expected: tuple[str, str]
) -> None:
    lab.kube.webhook = mutating(kind, mutate, "CREATE", "UPDATE")
    await lab.passes(5)
    assert lab.ready() == expected, lab.kube.conditions()["Ready"]
    if expected == CONTESTED:
        message = lab.kube.conditions()["Ready"]["message"]
        assert "an admission plugin of the cluster" in message
        assert kind in message
        assert lab.kube.conditions()["Stalled"]["status"] == "True"
    first = len(lab.changes())
    assert first <= 14, lab.changes()
    await lab.passes(120, seconds=5)
    objects = 3 if kind == "Secret" else 1
    assert len(lab.changes()) - first <= 7 * objects, "ten minutes of passes must not be ten minutes of writes"
    for _ in range(5):
        lab.restart()
        await lab.passes(4, seconds=60)
    assert len(lab.changes()) - first <= (7 + 5 * 4) * objects, lab.changes()[first:]
    assert lab.made("Pod") <= 1


def without(part: str, key: str) -> Mutate:
    """Remove a label or an annotation."""
    return lambda each: each["metadata"].get(part, {}).pop(key, None)


@pytest.mark.parametrize("kind", ["Service", "NetworkPolicy", "Secret", "PersistentVolumeClaim", "Pod"])
@pytest.mark.parametrize(("part", "key"), [("labels", "team"), ("annotations", "example.com/note")])
async def test_metadata_of_all_children_is_not_fought_over(lab: Lab, kind: str, part: str, key: str) -> None:
    lab.kube.webhook = mutating(kind, without(part, key), "CREATE", "UPDATE")
    await lab.passes(5)
    assert lab.ready() == READY
    provisioned = lab.kube.conditions()["Provisioned"]
    if kind == "Pod":
        assert provisioned["reason"] == "Provisioned", "a pod is never edited"
    else:
        assert (provisioned["status"], provisioned["reason"]) == ("True", "Contested")
        assert f"changes metadata.{part}" in provisioned["message"]
        assert f"of {kind} " in provisioned["message"]
    first = len(lab.changes())
    assert first <= 14, lab.changes()
    await lab.passes(120, seconds=5)
    objects = 3 if kind == "Secret" else 1
    assert len(lab.changes()) - first <= 7 * objects, lab.changes()[first:]
    assert lab.made("Pod") == 1


@pytest.mark.parametrize("what", ["Service", "NetworkPolicy", "Secret"])
async def test_contested_metadata_does_not_hide_what_matters(lab: Lab, what: str) -> None:
    lab.kube.webhook = mutating(what, without("labels", "team"), "CREATE", "UPDATE")
    await lab.passes(5)
    assert lab.ready() == READY
    name = {"Secret": names.env_secret(KEY[1])}.get(what, KEY[1])
    obj = lab.kube.objects[what, KEY[0], name]
    theirs = {"data": obj["data"] | {"DOCKER_HOST": "YQ=="}} if what == "Secret" else {"spec": {"theirs": True}}
    lab.kube.again(obj | theirs)
    await lab.passes(2)
    assert lab.ready() == CONTESTED


@pytest.mark.parametrize(("kind", "mutate", "expected"), MUTATIONS.values(), ids=MUTATIONS)
async def test_what_is_changed_at_creation_is_corrected_once(
    lab: Lab, kind: str, mutate: Mutate, expected: tuple[str, str]
) -> None:
    lab.kube.webhook = mutating(kind, mutate, "CREATE")
    await lab.passes(20, seconds=3)
    unusable = kind == "Secret" and expected == CONTESTED and lab.made("Pod") == 0
    assert lab.ready() == (CONTESTED if unusable else READY), lab.kube.conditions()["Ready"]
    assert len(lab.changes()) <= 12, lab.changes()
    assert lab.made("Pod") <= 1


async def test_it_is_ready_as_soon_as_the_plugin_is_gone(lab: Lab) -> None:
    lab.kube.webhook = mutating("Service", lambda each: each["spec"]["selector"].update(a="b"), "CREATE", "UPDATE")
    await lab.passes(5)
    assert lab.ready() == CONTESTED
    lab.kube.webhook = lambda _operation, manifest: manifest
    await lab.passes(12)
    assert lab.ready() == READY


@pytest.mark.parametrize("kind", ["Service", "NetworkPolicy", "Secret"])
async def test_a_controller_that_changes_an_object_after_each_correction(lab: Lab, kind: str) -> None:
    await lab.passes(5)
    assert lab.ready() == READY
    first = len(lab.changes())
    for _ in range(120):
        name = {"Secret": names.env_secret(KEY[1])}.get(kind, KEY[1])
        obj = lab.kube.objects[kind, KEY[0], name]
        theirs = {"data": obj["data"] | {"DOCKER_HOST": "YQ=="}} if kind == "Secret" else {"spec": {"theirs": True}}
        lab.kube.again(obj | theirs)
        await lab.passes(1, seconds=5)
    assert 3 <= len(lab.changes()) - first <= 3 + 7, lab.changes()[first:]
    assert lab.ready() == CONTESTED


@pytest.mark.parametrize("kind", ["Service", "NetworkPolicy", "Secret"])
async def test_a_controller_that_deletes_an_object_each_time(lab: Lab, kind: str) -> None:
    await lab.passes(5)
    first = len(lab.changes())
    for _ in range(120):
        name = {"Secret": names.env_secret(KEY[1])}.get(kind, KEY[1])
        if (kind, KEY[0], name) in lab.kube.objects:
            lab.kube._drop((kind, KEY[0], name))
        await lab.passes(1, seconds=5)
    assert 3 <= len(lab.changes()) - first <= 3 + 7, lab.changes()[first:]
    assert lab.ready() == CONTESTED
    assert "deletes" in lab.kube.conditions()["Ready"]["message"]


async def test_a_controller_that_deletes_each_pod(lab: Lab) -> None:
    await lab.passes(5)
    for _ in range(240):
        for location in [each for each in lab.kube.objects if each[0] == "Pod"]:
            lab.kube._drop(location)
        await lab.passes(1, seconds=5)
    assert lab.made("Pod") <= 1 + 2
    assert lab.ready() == ("False", "ReplacedRepeatedly")
