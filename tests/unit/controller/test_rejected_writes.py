"""A write that the API server rejects ends no daemon that runs: it goes on, and the status says what is rejected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.support.factory import DEFAULTS
from tests.unit.fakes import KEY
from tests.unit.lab import Lab

from nested_docker.domain import names
from nested_docker.domain.ports import KubeError

Manifest = dict[str, Any]
GRACE = 30
DENIED = 'admission webhook "v.kyverno.svc" denied the request: label owner required'


@dataclass(frozen=True)
class Rejection:
    """An answer of the API server, and whether the status says that somebody must act."""

    status: int
    reason: str
    message: str
    outcome: str = "APIRejected"


REJECTIONS = {
    "a validating webhook": Rejection(403, "Forbidden", DENIED),
    "a webhook that answers 400": Rejection(400, "BadRequest", DENIED),
    "a ValidatingAdmissionPolicy": Rejection(422, "Invalid", "ValidatingAdmissionPolicy 'p' denied request: no"),
    "a full quota": Rejection(403, "Forbidden", "exceeded quota: q, used: 10, limited: 10", "QuotaExceeded"),
    "a quota that asks for limits": Rejection(403, "Forbidden", "failed quota: q: must specify limits.cpu"),
    "a lost permission": Rejection(403, "Forbidden", 'User "o" cannot create resource "x" in API group ""'),
    "an invalid object": Rejection(422, "Invalid", "is invalid: spec.clusterIP: Invalid value"),
}


def drops(kind: str, name: str) -> Callable[[Lab], None]:
    """Somebody deletes an object."""
    return lambda lab: lab.kube._drop((kind, "team-a", name))


def unlabels(kind: str, name: str, label: str = "team") -> Callable[[Lab], None]:
    """Somebody takes a label off an object; an empty name means the only one of the kind."""

    def act(lab: Lab) -> None:
        obj = next(obj for (each, _, n), obj in lab.kube.objects.items() if each == kind and name in {n, ""})
        labels = {key: value for key, value in obj["metadata"]["labels"].items() if key != label}
        lab.kube.again(obj | {"metadata": obj["metadata"] | {"labels": labels}})

    return act


def narrows(lab: Lab) -> None:
    """Somebody lets fewer clients in than are declared."""
    obj = lab.kube.objects["NetworkPolicy", "team-a", "build"]
    lab.kube.again(obj | {"spec": obj["spec"] | {"ingress": obj["spec"]["ingress"][1:]}})


def opens(lab: Lab) -> None:
    """Somebody lets everybody in."""
    obj = lab.kube.objects["NetworkPolicy", "team-a", "build"]
    lab.kube.again(obj | {"spec": obj["spec"] | {"ingress": [{}]}})


def points_elsewhere(lab: Lab) -> None:
    """Somebody sends clients to other pods."""
    obj = lab.kube.objects["Service", "team-a", "build"]
    lab.kube.again(obj | {"spec": obj["spec"] | {"selector": {"app": "other"}}})


@dataclass(frozen=True)
class Harm:
    """What somebody does to an object, the object, and whether clients can connect afterwards."""

    act: Callable[[Lab], None]
    kind: str
    name: str
    connects: bool


HARMS = {
    "env Secret deleted": Harm(drops("Secret", "build-docker-env"), "Secret", "build-docker-env", connects=False),
    "files Secret deleted": Harm(drops("Secret", "build-docker"), "Secret", "build-docker", connects=False),
    "Service deleted": Harm(drops("Service", "build"), "Service", "build", connects=False),
    "Service for other pods": Harm(points_elsewhere, "Service", "build", connects=False),
    "NetworkPolicy that lets fewer in": Harm(narrows, "NetworkPolicy", "build", connects=True),
    "env Secret unlabelled": Harm(unlabels("Secret", "build-docker-env"), "Secret", "build-docker-env", connects=True),
    "Service unlabelled": Harm(unlabels("Service", "build"), "Service", "build", connects=True),
    "NetworkPolicy unlabelled": Harm(unlabels("NetworkPolicy", "build"), "NetworkPolicy", "build", connects=True),
    "claim unlabelled": Harm(
        unlabels("PersistentVolumeClaim", "build-data"), "PersistentVolumeClaim", "build-data", connects=True
    ),
    "pod unlabelled": Harm(unlabels("Pod", "", names.LABEL_KEY_SET), "Pod", "build-", connects=False),
}

EXPOSURES = {
    "NetworkPolicy deleted": (drops("NetworkPolicy", "build"), "NetworkPolicy"),
    "NetworkPolicy that lets everybody in": (opens, "NetworkPolicy"),
    "NetworkPolicy selects the pod no longer": (unlabels("Pod", "", names.LABEL_UID), "Pod"),
}


def rejects(lab: Lab, kind: str, name: str, rejection: Rejection) -> None:
    """From now on the API server rejects each write of an object."""

    def hook(_operation: str, manifest: Manifest) -> Manifest:
        if manifest["kind"] == kind and manifest["metadata"]["name"].startswith(name):
            raise KubeError(rejection.status, rejection.reason, rejection.message)
        return manifest

    lab.kube.webhook = hook


async def running() -> tuple[Lab, list[str]]:
    """A daemon to which clients can connect, and its pod."""
    lab = Lab(defaults=replace(DEFAULTS, denial_grace_seconds=GRACE))
    await lab.passes(5)
    assert lab.ready() == ("True", "Ready")
    return lab, uids(lab)


def uids(lab: Lab) -> list[str]:
    return [pod["metadata"]["uid"] for pod in lab.pods()]


def denial(lab: Lab) -> Manifest | None:
    found: Manifest | None = lab.kube.objects["NestedDocker", *KEY]["status"].get("denial")
    return found


@pytest.mark.parametrize("rejection", REJECTIONS.values(), ids=REJECTIONS)
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
async def test_what_runs_goes_on(harm: Harm, rejection: Rejection) -> None:
    lab, before = await running()
    rejects(lab, harm.kind, harm.name, rejection)
    harm.act(lab)
    await lab.passes(12, seconds=20)
    assert uids(lab) == before
    assert denial(lab) is None
    provisioned = lab.kube.conditions()["Provisioned"]
    assert provisioned["reason"] == rejection.outcome
    assert f"the API server rejected {harm.kind} {harm.name}" in provisioned["message"]
    assert rejection.message in provisioned["message"]
    assert lab.ready() == (("True", "Ready") if harm.connects else ("False", rejection.outcome))
    assert ("Stalled" in lab.kube.conditions()) == (not harm.connects and rejection.outcome == "APIRejected")
    lab.kube.webhook = lambda _operation, manifest: manifest
    await lab.passes(6)
    assert (uids(lab), lab.ready()) == (before, ("True", "Ready"))
    assert lab.kube.conditions()["Provisioned"]["message"] == "every object exists"


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
async def test_a_namespace_that_terminates_stops_nothing_early(harm: Harm) -> None:
    lab, before = await running()
    words = "unable to create new content in namespace team-a because it is being terminated"
    rejects(lab, harm.kind, harm.name, Rejection(403, "Forbidden", words))
    harm.act(lab)
    await lab.passes(5, seconds=20)
    assert uids(lab) == before


@pytest.mark.parametrize("rejection", REJECTIONS.values(), ids=REJECTIONS)
@pytest.mark.parametrize(("act", "kind"), EXPOSURES.values(), ids=EXPOSURES)
async def test_a_daemon_that_others_may_reach_has_the_grace_time(
    act: Callable[[Lab], None], kind: str, rejection: Rejection
) -> None:
    lab, before = await running()
    rejects(lab, kind, "build", rejection)
    act(lab)
    await lab.passes(3, seconds=9)
    assert uids(lab) == before
    found = lab.kube.conditions()["Provisioned"]
    assert (found["status"], found["reason"]) == ("False", rejection.outcome)
    assert found["message"].startswith(
        "others than the declared clients may connect, so the operator stops the daemon at 2026-03-01T00:00:3"
    )
    assert rejection.message in found["message"]
    assert denial(lab) == {"since": "2026-03-01T00:00:05Z"}
    await lab.passes(2, seconds=9)
    assert lab.pods() == []
    assert lab.ready() == ("False", rejection.outcome)
    created = lab.made("Pod")
    await lab.passes(5, seconds=9)
    assert lab.made("Pod") <= created + (kind == "Pod"), "what can be written is tried"
    lab.kube.webhook = lambda _operation, manifest: manifest
    await lab.passes(8, seconds=30)
    assert lab.ready() == ("True", "Ready")


async def test_what_is_corrected_in_time_stops_the_clock() -> None:
    lab, before = await running()
    rejects(lab, "NetworkPolicy", "build", REJECTIONS["a full quota"])
    drops("NetworkPolicy", "build")(lab)
    await lab.passes(2)
    lab.kube.webhook = lambda _operation, manifest: manifest
    await lab.passes(3)
    assert (uids(lab), lab.ready()) == (before, ("True", "Ready"))
    found = denial(lab)
    assert found is not None
    assert "until" in found
    await lab.passes(3, seconds=GRACE)
    assert uids(lab) == before


async def test_every_object_is_tried_although_others_are_rejected() -> None:
    lab, before = await running()
    rejection = REJECTIONS["a validating webhook"]

    def hook(_operation: str, manifest: Manifest) -> Manifest:
        if manifest["kind"] in {"Service", "NetworkPolicy"}:
            raise KubeError(rejection.status, rejection.reason, rejection.message)
        return manifest

    lab.kube.webhook = hook
    unlabels("NetworkPolicy", "build")(lab)
    drops("Service", "build")(lab)
    drops("Secret", "build-docker-env")(lab)
    await lab.passes(1)
    assert ("Secret", "team-a", "build-docker-env") in lab.kube.objects
    message = lab.kube.conditions()["Provisioned"]["message"]
    assert "rejected Service build" in message
    assert message.endswith("The same applies to NetworkPolicy build")
    assert uids(lab) == before


@pytest.mark.parametrize("rejection", REJECTIONS.values(), ids=REJECTIONS)
async def test_a_restart_waits_for_the_keys_of_the_new_pod(rejection: Rejection) -> None:
    lab, before = await running()

    def hook(operation: str, manifest: Manifest) -> Manifest:
        if manifest["kind"] == "Secret" and operation == "CREATE":
            raise KubeError(rejection.status, rejection.reason, rejection.message)
        return manifest

    lab.kube.webhook = hook
    obj = lab.kube.objects["NestedDocker", *KEY]
    annotations = {names.ANNOTATION_RESTART: "1"}
    lab.kube.again(obj | {"metadata": obj["metadata"] | {"annotations": annotations}})
    await lab.passes(5, seconds=20)
    assert uids(lab) == before
    assert lab.ready() == ("False", rejection.outcome)
    assert rejection.message in lab.kube.conditions()["Ready"]["message"]
    assert len([key for key in lab.kube.objects if key[0] == "Secret"]) == 3
    lab.kube.webhook = lambda _operation, manifest: manifest
    await lab.passes(5, seconds=20)
    assert lab.ready() == ("True", "Ready")
    assert uids(lab) != before


@pytest.mark.parametrize("kind", ["Service", "NetworkPolicy", "Secret", "PersistentVolumeClaim", "Pod"])
async def test_a_daemon_that_was_never_complete_does_not_stay(kind: str) -> None:
    lab = Lab()
    rejects(lab, kind, "build", REJECTIONS["a validating webhook"])
    await lab.passes(5, seconds=20)
    assert lab.pods() == []
    assert lab.made("Pod") <= 1
    assert lab.ready() == ("False", "APIRejected")
    lab.kube.webhook = lambda _operation, manifest: manifest
    await lab.passes(5, seconds=20)
    assert lab.ready() == ("True", "Ready")


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
async def test_a_lasting_rejection_costs_no_writes(harm: Harm) -> None:
    lab, _ = await running()
    rejects(lab, harm.kind, harm.name, REJECTIONS["a validating webhook"])
    harm.act(lab)
    await lab.passes(4)
    lab.kube.writes.clear()
    await lab.passes(10, seconds=3)
    assert lab.kube.writes == []


LAST = ("build-docker-env", "build-docker")
"""The Secrets that are written when the daemon has answered, so when its pod has run for some time."""


@pytest.mark.parametrize("name", LAST)
async def test_a_daemon_whose_secrets_are_rejected_does_not_stay(name: str) -> None:
    lab = Lab()

    def hook(_operation: str, manifest: Manifest) -> Manifest:
        if manifest["metadata"]["name"] == name:
            raise KubeError(403, "Forbidden", DENIED)
        return manifest

    lab.kube.webhook = hook
    await lab.passes(36, seconds=20)
    assert lab.pods() == []
    assert lab.made("Pod") <= 6, "tried again after a minute, then after two, four"
    assert lab.ready() == ("False", "APIRejected")
    lab.kube.webhook = lambda _operation, manifest: manifest
    await lab.passes(12, seconds=60)
    assert lab.ready() == ("True", "Ready")


@pytest.mark.parametrize("name", LAST)
async def test_a_daemon_whose_secret_is_somebodys_does_not_stay(name: str) -> None:
    """The operator does not watch other people's Secrets, so only its own creation finds this one."""
    lab = Lab()
    lab.kube.objects["Secret", "team-a", name] = {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "team-a", "uid": "theirs", "resourceVersion": "1"},
    }
    await lab.passes(6, seconds=20)
    assert (lab.pods(), lab.made("Pod")) == ([], 1)
    assert lab.ready() == ("False", "NameConflict")
    lab.kube.writes.clear()
    await lab.passes(6)
    assert lab.kube.writes == []
    del lab.kube.objects["Secret", "team-a", name]
    await lab.passes(5, seconds=20)
    assert lab.ready() == ("True", "Ready")


async def test_an_object_of_that_name_that_is_somebodys_ends_nothing() -> None:
    lab, before = await running()
    drops("Secret", "build-docker-env")(lab)
    lab.kube.put("Secret", "team-a", "build-docker-env", apiVersion="v1")
    await lab.passes(3)
    assert uids(lab) == before
    assert lab.ready() == ("False", "NameConflict")
    assert "Secret build-docker-env exists" in lab.kube.conditions()["Ready"]["message"]
    assert lab.kube.objects["Secret", "team-a", "build-docker-env"]["metadata"].get("labels") is None


TAKEN = {
    "Service": ("build", False),
    "Secret": ("build-docker", False),
    "Secret of the environment": ("build-docker-env", False),
    "NetworkPolicy": ("build", True),
}


@pytest.mark.parametrize(("kind", "name", "connects"), [(kind.split(" ", 1)[0], *each) for kind, each in TAKEN.items()])
async def test_an_object_that_another_controller_takes_is_left_to_it(kind: str, name: str, connects: bool) -> None:
    lab, before = await running()
    obj = lab.kube.objects[kind, "team-a", name]
    reference = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "theirs", "controller": True}
    lab.kube.again(obj | {"metadata": obj["metadata"] | {"ownerReferences": [reference]}})
    lab.kube.writes.clear()
    await lab.passes(3)
    assert uids(lab) == before
    assert lab.kube.conditions()["Provisioned"]["reason"] == "NameConflict"
    assert lab.ready() == (("True", "Ready") if connects else ("False", "NameConflict"))
    assert [write for write in lab.changes() if f"{kind}/{name}" in write] == []


def opens_and_takes(lab: Lab) -> None:
    """A tenant gives the NetworkPolicy another controller, and lets everybody in."""
    opens(lab)
    obj = lab.kube.objects["NetworkPolicy", "team-a", "build"]
    reference = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "theirs", "controller": True}
    lab.kube.again(obj | {"metadata": obj["metadata"] | {"ownerReferences": [reference]}})


def replaces(lab: Lab) -> None:
    """A tenant puts a NetworkPolicy without labels in its place, which the operator does not watch."""
    drops("NetworkPolicy", "build")(lab)
    lab.kube.objects["NetworkPolicy", "team-a", "build"] = {
        "kind": "NetworkPolicy",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": "build", "namespace": "team-a", "uid": "theirs", "resourceVersion": "1"},
        "spec": {"podSelector": {}, "ingress": [{}]},
    }


@pytest.mark.parametrize("act", [opens_and_takes, replaces])
async def test_a_network_policy_that_a_tenant_takes_to_open_it_stops_the_daemon(act: Callable[[Lab], None]) -> None:
    lab, before = await running()
    act(lab)
    await lab.passes(3)
    assert uids(lab) == before
    assert denial(lab) is not None
    await lab.passes(3, seconds=GRACE)
    assert lab.pods() == []
    assert lab.ready() == ("False", "NameConflict")


async def test_a_pod_that_is_rejected_again_and_again_has_one_name() -> None:
    lab = Lab()

    def hook(_operation: str, manifest: Manifest) -> Manifest:
        if manifest["kind"] == "Pod":
            raise KubeError(403, "Forbidden", f'pods "{manifest["metadata"]["name"]}" is forbidden: no')
        return manifest

    lab.kube.webhook = hook
    await lab.passes(1)
    first = lab.kube.conditions()["Provisioned"]["message"]
    await lab.passes(3, seconds=30)
    message = lab.kube.conditions()["Provisioned"]["message"]
    assert message == first
    name = message.removeprefix("the API server rejected Pod ").split(":")[0]
    assert message.startswith(f'the API server rejected Pod {name}: pods "{name}" is forbidden: no. The operator')
