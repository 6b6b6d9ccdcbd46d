"""What the planner derives from an observation: whose an object is, where the daemon is, which key set is in force."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.certificates import key_set_annotations
from tests.support.factory import AWAY, HOME, NOW, OWNER, class_spec, observed

from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.domain import names, pki
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity, Manifest
from nested_docker.domain.observed import DATA_DIGESTS, NamespaceFacts, Ownership, ProbeResult

OURS = names.common_labels(OWNER.name, OWNER.uid)
OTHER_UID = OURS | {names.LABEL_UID: "another"}
REMOTE = {names.LABEL_NAMESPACE: OWNER.namespace}
NOT_AFTER = NOW + timedelta(days=365)
SERVER_NOT_AFTER = NOW + timedelta(days=3650)
POD = AWAY.service.name
FACTS = {"daemons": NamespaceFacts({"a": "b"}), "others": NamespaceFacts()}


def reference(kind: str = "NestedDocker", name: str = "build", uid: str = OWNER.uid) -> list[Manifest]:
    return [{"kind": kind, "name": name, "uid": uid, "controller": True}]


def metadata(namespace: str, name: str = "build", kind: str = "Secret", **fields: Any) -> Manifest:
    return {"kind": kind, "metadata": {"namespace": namespace, "name": name} | fields}


def key_set_secret(location: ObjectNames, number: int = 1, **fields: Any) -> Manifest:
    """The key set's Secret as the cache has it."""
    digests = {key: f"{key}-{number}" for key in pki.KEYS}
    key_set = KeySet(digests, NOT_AFTER, number, server_not_after=SERVER_NOT_AFTER)
    annotations = key_set_annotations(key_set)
    where = location.tls_secret(key_set.id)
    head = metadata(where.namespace, where.name, labels=OURS | REMOTE, annotations=annotations)
    return head | {DATA_DIGESTS: digests} | fields


def seen(*secrets_: Manifest, **fields: Any) -> Any:
    return observed(children={Identity.of(each): each for each in secrets_}, pod_namespaces=FACTS, **fields)


@pytest.mark.parametrize(
    ("fields", "ownership"),
    [
        ({"ownerReferences": reference()}, Ownership.OURS),
        ({"ownerReferences": reference(uid="old")}, Ownership.PREVIOUS),
        ({"ownerReferences": reference(uid="old", name="other")}, Ownership.FOREIGN),
        ({"ownerReferences": reference("Deployment", uid="x")}, Ownership.FOREIGN),
        ({"ownerReferences": reference("Deployment", uid="x"), "labels": OURS}, Ownership.FOREIGN),
        ({"ownerReferences": [{"kind": "Job", "uid": "x"}], "labels": OURS}, Ownership.OURS),
        ({"labels": OURS}, Ownership.OURS),
        ({"labels": OTHER_UID, "kind": "PersistentVolumeClaim"}, Ownership.OURS),
        ({"labels": OURS | {names.LABEL_NAME: "other"}}, Ownership.FOREIGN),
        ({"labels": {names.LABEL_NAME: "build"}}, Ownership.FOREIGN),
        ({}, Ownership.FOREIGN),
    ],
)
def test_whose_an_object_at_home_is(fields: Manifest, ownership: Ownership) -> None:
    assert observed().ownership(metadata("team-a", **fields)) == ownership


@pytest.mark.parametrize(
    ("fields", "ownership"),
    [
        ({"labels": OURS | REMOTE}, Ownership.OURS),
        ({"labels": {names.LABEL_UID: OWNER.uid}}, Ownership.OURS),
        ({"labels": OTHER_UID | REMOTE}, Ownership.PREVIOUS),
        ({"labels": OTHER_UID}, Ownership.FOREIGN),
        ({"labels": OURS | REMOTE, "ownerReferences": reference()}, Ownership.FOREIGN),
        ({"labels": OURS | REMOTE, "ownerReferences": reference("Secret", f"{POD}-tls")}, Ownership.OURS),
        ({"labels": OTHER_UID | REMOTE, "ownerReferences": reference("Secret", f"{POD}-tls")}, Ownership.PREVIOUS),
        ({"labels": REMOTE, "ownerReferences": reference("Secret", f"{POD}-tls")}, Ownership.FOREIGN),
        ({"labels": OURS | REMOTE, "ownerReferences": reference("Secret", "another-tls")}, Ownership.FOREIGN),
        ({"labels": OURS | REMOTE, "ownerReferences": reference("ConfigMap", f"{POD}-tls")}, Ownership.FOREIGN),
        ({"labels": OURS | REMOTE, "ownerReferences": reference("ReplicaSet", POD)}, Ownership.FOREIGN),
        ({"labels": OURS | REMOTE, "name": "build"}, Ownership.FOREIGN),
        ({}, Ownership.FOREIGN),
    ],
)
def test_whose_an_object_elsewhere_is(fields: Manifest, ownership: Ownership) -> None:
    manifest = metadata("daemons", **({"name": AWAY.service.name} | fields))
    assert observed().ownership(manifest) == ownership


def test_ours_are_only_ours() -> None:
    ours, theirs = key_set_secret(HOME), metadata("team-a", kind="Service")
    assert [identity for identity, _ in seen(ours, theirs).ours()] == [Identity.of(ours)]


@pytest.mark.parametrize("location", [HOME, AWAY])
def test_the_daemon_is_where_its_key_set_is(location: ObjectNames) -> None:
    found = seen(key_set_secret(location))
    assert found.location == location
    assert found.key_set() == KeySet(
        {key: f"{key}-1" for key in pki.KEYS}, NOT_AFTER, 1, server_not_after=SERVER_NOT_AFTER
    )


def test_without_a_key_set_it_is_nowhere() -> None:
    assert (seen().location, seen().key_set()) == (None, None)


@pytest.mark.parametrize(
    "damage",
    [
        {DATA_DIGESTS: dict.fromkeys(pki.KEYS, "edited")},
        {"metadata": key_set_secret(HOME)["metadata"] | {"annotations": {}}},
        {"metadata": key_set_secret(HOME)["metadata"] | {"labels": {}}},
    ],
    ids=["edited", "without its annotations", "not ours"],
)
def test_a_damaged_key_set_is_none(damage: Manifest) -> None:
    assert seen(key_set_secret(HOME, **damage)).key_set() is None


def test_a_key_set_where_no_class_has_its_pods_is_not_looked_at() -> None:
    assert seen(key_set_secret(ObjectNames(OWNER, "evil"))).location is None


def test_the_statuss_place_comes_first_and_a_new_key_set_before_all() -> None:
    both = key_set_secret(HOME, 1), key_set_secret(ObjectNames(OWNER, "others"), 2)
    assert seen(*both).location == HOME
    assert seen(*both, status=NestedDockerStatus(pod_namespace="others")).location == ObjectNames(OWNER, "others")
    issued = KeySet({"ca.pem": "new"}, NOT_AFTER, server_not_after=SERVER_NOT_AFTER)
    assert seen(*both, issued=issued).key_set() == replace(issued, revision=3)


def test_labels_of_namespaces() -> None:
    found = seen(namespace_labels={"home": "yes"})
    assert (found.labels("team-a"), found.labels("daemons"), found.labels("gone")) == ({"home": "yes"}, {"a": "b"}, {})


@pytest.mark.parametrize(
    ("spec", "status", "defaults", "name"),
    [
        ({"className": "own"}, "pinned", ("default",), "own"),
        ({}, "pinned", ("default",), "pinned"),
        ({}, "", ("default",), "default"),
        ({}, "", ("one", "two"), ""),
        ({}, "", (), ""),
    ],
)
def test_which_class_it_is(spec: Manifest, status: str, defaults: tuple[str, ...], name: str) -> None:
    pinned = NestedDockerStatus(class_name=status)
    assert observed(spec, status=pinned, default_classes=defaults).class_name == name


def test_where_something_unseen_may_be() -> None:
    classes = {"standard": class_spec(podNamespace="daemons"), "other": class_spec(podNamespace="unused")}
    status = NestedDockerStatus(pod_namespace="others")
    facts = FACTS | {"unused": NamespaceFacts()}
    found = observed(classes=classes, status=status, pod_namespaces=facts)
    assert found.possible_pod_namespaces() == ["daemons", "others"]
    ending = facts | {"others": NamespaceFacts(terminating=True)}
    assert observed(classes=classes, status=status, pod_namespaces=ending).possible_pod_namespaces() == ["daemons"]


def test_a_probe_result_names_pod_start_and_time() -> None:
    assert ProbeResult("uid-1", 2, EngineStatus(), "2026-03-01T12:00:00Z").mark() == "uid-1/2/2026-03-01T12:00:00Z"
