"""NestedDockers of pods: made once for a pod that waits, and gone with it, whatever the operator has missed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.domain.injection.pods import patched, pod
from tests.unit.fakes import START, FakeClock, WatchedKube, reconciler_of
from tests.unit.lab import pods_run

from nested_docker.controller.admission_reviewer import AdmissionResponse, Review
from nested_docker.controller.cache import Cache
from nested_docker.controller.injection_turns import InjectionTurns
from nested_docker.controller.injections import Injections
from nested_docker.controller.observer import Observer
from nested_docker.controller.outcome import Settled
from nested_docker.controller.pod_injector import PodInjector
from nested_docker.controller.reconciler import Reconciler
from nested_docker.controller.workqueue import Key
from nested_docker.domain.injection.signature import Injection
from nested_docker.domain.names import (
    ANNOTATION_INJECTION_SIGNATURE,
    LABEL_INJECT,
    LABEL_INJECTION_ID,
    NAMESPACE_INJECTION,
)
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason

SIGNING_KEY = b"k" * 32
ID = "0123456789abcdef0123"
NAME = f"injected-{ID}"
HERE = ("team-a", NAME)
RUNNING, ENDED = {"running": {}}, {"terminated": {"exitCode": 0}}


class Lab:
    """An operator with injection, in a cluster whose daemons answer at once."""

    def __init__(self) -> None:
        self.kube, self.clock = WatchedKube(), FakeClock()
        self.events: list[tuple[str, str, str]] = []
        grant = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": ["Dind"]}
        self.kube.put("NestedDockerClass", "", "standard", spec={"modes": ["Dind"]})
        self.kube.put("NestedDockerPolicy", "", "all", spec=grant)
        self.enable("enabled")
        self.kube.writes.clear()
        self.restart()

    def restart(self) -> None:
        """A new operator, which knows only what the API server has."""
        self.queued: list[Key] = []
        turns = InjectionTurns(self.kube.cache, self.clock, self.queued.append)
        self.injections = Injections(self.kube.cache, self.kube, lambda: SIGNING_KEY, self.clock, self, turns)
        self.reconciler: Reconciler = reconciler_of(
            self.kube, clock=self.clock, answers=True, injections=self.injections
        )

    def record(self, regarding: Any, type_: str, reason: str, message: str) -> None:
        """Record an Event."""
        assert regarding["kind"] == "Pod"
        self.events.append((regarding["name"], reason, message))

    def enable(self, value: str) -> None:
        """An admin labels the namespace."""
        self.kube.put("Namespace", "", "team-a", metadata={"labels": {NAMESPACE_INJECTION: value}})

    def client(self, name: str = "job", *, signature: str | None = None, **fields: Any) -> dict[str, Any]:
        """Store a pod that the webhook has prepared."""
        injection = Injection(ID, "team-a", "standard", "0" * 16, int(START.timestamp()) - 5)
        made = pod(
            labels={LABEL_INJECT: "standard", LABEL_INJECTION_ID: ID},
            annotations={ANNOTATION_INJECTION_SIGNATURE: signature or injection.signature(SIGNING_KEY)},
        )
        metadata = {key: made["metadata"][key] for key in ("labels", "annotations")} | fields.pop("metadata", {})
        stored = {"apiVersion": "v1", "spec": made["spec"], "status": {"phase": "Pending"}} | fields
        return self.kube.put(CLIENT_POD, "team-a", name, metadata=metadata, **stored)

    def change(self, name: str = "job", **fields: Any) -> None:
        self.kube.again(self.kube.objects[CLIENT_POD, "team-a", name] | fields)

    def states(self, name: str = "job", **states: Any) -> None:
        """The kubelet reports containers."""
        statuses = [{"name": key, "state": state} for key, state in states.items()]
        self.change(name, status={"phase": "Running", "containerStatuses": statuses})

    async def passes(self, count: int = 8) -> None:
        for _ in range(count):
            await self.reconciler.reconcile(HERE)
            await pods_run(self.kube)
            self.clock.seconds += 1

    def nested_docker(self) -> dict[str, Any] | None:
        return self.kube.objects.get(("NestedDocker", *HERE))

    def left(self) -> list[str]:
        """Kinds of what exists for the NestedDocker."""
        governing = {"NestedDockerClass", "NestedDockerPolicy", "Namespace", CLIENT_POD}
        return sorted(kind for kind, _, _ in self.kube.objects if kind not in governing)


def schedule(kube: WatchedKube) -> None:
    """Every pod without a gate gets a node."""
    for location, obj in [*kube.objects.items()]:
        spec = obj.get("spec", {})
        if location[0] in {"Pod", CLIENT_POD} and not spec.get("schedulingGates") and "nodeName" not in spec:
            kube.again(obj | {"spec": spec | {"nodeName": "node-1"}})


# --- made ---------------------------------------------------------------------------------------------


async def test_a_pod_gets_a_daemon_that_it_owns() -> None:
    lab = Lab()
    client = lab.client()
    await lab.passes()
    made = lab.nested_docker()
    assert made is not None
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Pod", "job", client["metadata"]["uid"])
    assert made["spec"]["className"] == "standard"
    assert ("Secret", "team-a", f"{NAME}-docker") in lab.kube.objects
    assert lab.events == [
        (
            "job",
            "NestedDockerCreated",
            f"the pod starts when its Docker daemon is ready: see `kubectl describe nesteddocker {NAME}`",
        )
    ]


async def test_only_the_pod_may_connect() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    rules = lab.kube.objects["NetworkPolicy", "team-a", NAME]["spec"]["ingress"]
    peers = [peer for rule in rules for peer in rule["from"]]
    selectors = [peer["podSelector"] for peer in peers if "namespaceSelector" not in peer]
    assert selectors == [{"matchLabels": {LABEL_INJECTION_ID: ID}, "matchExpressions": []}]


async def test_it_is_made_once_also_by_an_operator_that_starts_again() -> None:
    lab = Lab()
    lab.client()
    await lab.reconciler.reconcile(HERE)
    lab.restart()
    await lab.passes(3)
    assert lab.kube.writes.count(f"create NestedDocker/{NAME}") == 1


async def test_a_settled_pod_costs_no_request() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    lab.states(build=RUNNING, helper=RUNNING)
    await lab.passes(2)
    lab.kube.writes.clear()
    lab.kube.reads.clear()
    await lab.passes(3)
    assert (lab.kube.writes, lab.kube.reads) == ([], [])


@pytest.mark.parametrize(
    "signature",
    [
        "v1.1.0000000000000000." + "0" * 64,
        "forged",
        Injection(ID, "team-b", "standard", "0" * 16, 1).signature(SIGNING_KEY),
        Injection(ID, "team-a", "standard", "0" * 16, 1).signature(b"x" * 32),
    ],
    ids=["a wrong digest", "another form", "another namespace", "another root key"],
)
async def test_a_forged_signature_gets_nothing_and_says_so_once(signature: str) -> None:
    lab = Lab()
    lab.client(signature=signature)
    await lab.passes(3)
    assert lab.left() == []
    message = "the pod's injection signature is not the webhook's for this pod: create the pod again"
    assert lab.events == [("job", "NestedDockerNotCreated", message)]


async def test_an_event_is_recorded_again_only_when_too_many_others_came_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for most, times in ((2, 1), (1, 2)):
        monkeypatch.setattr("nested_docker.controller.injections.REMEMBERED", most)
        lab = Lab()
        lab.client("one", signature="forged")
        lab.client("two", signature="forged")
        await lab.passes(2)
        assert [name for name, _, _ in lab.events] == ["one", "two"] * times


async def test_a_signature_from_before_the_pod_gets_nothing() -> None:
    lab = Lab()
    lab.client(
        signature=Injection(ID, "team-a", "standard", "0" * 16, int(START.timestamp()) - 61).signature(SIGNING_KEY)
    )
    await lab.passes(3)
    assert lab.left() == []
    message = "the pod's injection signature is not the webhook's for this pod: create the pod again"
    assert lab.events == [("job", "NestedDockerNotCreated", message)]


async def test_in_a_namespace_that_is_not_enabled_a_pod_gets_nothing_until_it_is() -> None:
    lab = Lab()
    lab.enable("disabled")
    lab.client()
    await lab.passes(3)
    assert lab.left() == []
    message = (
        "namespace team-a gives its pods no daemons: ask a cluster admin to label it with "
        "nesteddocker.dev/injection=enabled"
    )
    assert lab.events == [("job", "NestedDockerNotCreated", message)]
    lab.enable("enabled")
    await lab.passes(1)
    assert lab.nested_docker() is not None


async def test_a_namespace_that_is_disabled_ends_nothing_that_runs() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    lab.states(build=RUNNING, helper=RUNNING)
    lab.enable("disabled")
    await lab.passes(2)
    assert lab.nested_docker() is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"status": {"phase": "Running"}},
        {"status": {"phase": "Succeeded"}},
        {"metadata": {"deletionTimestamp": "2026-03-01T00:00:30Z"}},
    ],
    ids=["has started", "has ended", "is being deleted"],
)
async def test_a_pod_that_does_not_wait_gets_nothing(fields: dict[str, Any]) -> None:
    lab = Lab()
    lab.client(**fields)
    await lab.passes(3)
    assert lab.left() == []


async def test_somebody_deletes_the_daemon_of_a_pod_that_runs_and_it_stays_away() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    lab.states(build=RUNNING, helper=RUNNING)
    made = lab.nested_docker()
    assert made is not None
    await lab.kube.delete("NestedDocker", *HERE, made["metadata"]["uid"])
    await lab.passes(3)
    assert lab.nested_docker() is None


async def test_somebody_deletes_it_before_the_pod_has_started_and_it_is_made_again() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    made = lab.nested_docker()
    assert made is not None
    await lab.kube.delete("NestedDocker", *HERE, made["metadata"]["uid"])
    await lab.passes(1)
    assert lab.nested_docker() is not None


async def test_a_rejection_is_an_event_of_the_pod_and_is_tried_again() -> None:
    lab = Lab()
    lab.client()

    def quota(_operation: str, manifest: dict[str, Any]) -> dict[str, Any]:
        raise KubeError(403, "Forbidden", "exceeded quota: small")

    lab.kube.webhook = quota
    for _ in range(3):
        with pytest.raises(KubeError):
            await lab.reconciler.reconcile(HERE)
    message = f"NestedDocker {NAME} was rejected, and the operator tries again: exceeded quota: small"
    assert lab.events == [("job", "NestedDockerNotCreated", message)]
    lab.kube.webhook = lambda _operation, manifest: manifest
    await lab.passes(1)
    assert lab.nested_docker() is not None


async def test_a_daemon_that_ends_before_its_pod_starts_is_made_again() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    made = lab.nested_docker()
    assert made is not None
    lab.kube.again(made | {"status": made["status"] | {"completionTime": "2026-03-01T00:00:08Z"}})
    await lab.passes()
    again = lab.nested_docker()
    assert again is not None
    assert again["metadata"]["uid"] != made["metadata"]["uid"]
    assert "completionTime" not in again["status"]
    ((_, reason, message),) = [event for event in lab.events if "has ended before" in event[2]]
    assert reason == "NestedDockerNotReady"
    assert message.startswith(f"the daemon {NAME} has ended before the pod has started")


async def test_a_daemon_that_ends_after_its_pod_has_started_is_not_made_again() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    lab.states(build=RUNNING, helper=RUNNING)
    made = lab.nested_docker()
    assert made is not None
    lab.kube.again(made | {"status": made["status"] | {"completionTime": "2026-03-01T00:00:08Z"}})
    await lab.passes()
    kept = lab.nested_docker()
    assert kept is None or kept["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_quota_that_has_no_room_for_the_daemon_s_pod_is_an_event_of_the_waiting_pod_at_once() -> None:
    lab = Lab()
    lab.client()

    def quota(_operation: str, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["kind"] == "Pod":
            raise KubeError(403, "Forbidden", 'pods "x" is forbidden: exceeded quota: small, requested: pods=1')
        return manifest

    lab.kube.webhook = quota
    await lab.passes(3)
    assert lab.clock.seconds < 10
    found = [message for _, reason, message in lab.events if reason == "NestedDockerNotReady"]
    assert len(found) == 1
    assert f"the pod waits for NestedDocker {NAME}: QuotaExceeded: " in found[0]
    assert "exceeded quota: small" in found[0]
    assert "A quota on pods counts pods that wait behind a gate too" in found[0]


async def test_pods_that_have_ended_are_not_remembered() -> None:
    lab = Lab()
    lab.client(status={"phase": "Succeeded"})
    await lab.passes(2)
    assert lab.injections.turns._refused == set()


# --- one id, several pods -----------------------------------------------------------------------------


async def test_an_id_is_claimed_once() -> None:
    lab = Lab()
    first = lab.client("first")
    await lab.passes()
    lab.client("second")
    await lab.passes(3)
    made = lab.nested_docker()
    assert made is not None
    assert made["metadata"]["ownerReferences"][0]["uid"] == first["metadata"]["uid"]
    message = f"NestedDocker {NAME} belongs to another pod: delete this one and create it again"
    assert lab.events[1:] == [("second", "NestedDockerNotCreated", message)]


async def test_of_two_pods_that_wait_the_older_one_has_the_id() -> None:
    lab = Lab()
    lab.client("b", metadata={"creationTimestamp": "2026-03-01T00:00:02Z"})
    older = lab.client("z", metadata={"creationTimestamp": "2026-03-01T00:00:01Z"})
    await lab.passes(1)
    made = lab.nested_docker()
    assert made is not None
    assert made["metadata"]["ownerReferences"][0]["uid"] == older["metadata"]["uid"]


async def test_a_pod_of_the_same_name_is_another_pod() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    lab.kube._drop((CLIENT_POD, "team-a", "job"))
    other = pod(labels={LABEL_INJECT: "standard", LABEL_INJECTION_ID: "f" * 20})
    lab.kube.put(CLIENT_POD, "team-a", "job", metadata=other["metadata"] | {"uid": "another"}, spec=other["spec"])
    await lab.passes(3)
    assert lab.nested_docker() is None


# --- gone ---------------------------------------------------------------------------------------------


async def ends(lab: Lab, how: str) -> None:
    match how:
        case "succeeded":
            lab.change(status={"phase": "Succeeded"})
        case "failed":
            lab.change(status={"phase": "Failed"})
        case "its containers have ended, and a sidecar goes on":
            lab.states(build=ENDED, helper=ENDED)
        case "deleted":
            lab.kube._drop((CLIENT_POD, "team-a", "job"))
        case "its grace period is over":
            metadata = lab.kube.objects[CLIENT_POD, "team-a", "job"]["metadata"]
            lab.change(metadata=metadata | {"deletionTimestamp": "2026-03-01T00:00:00Z"})
        case "without its label":
            metadata = lab.kube.objects[CLIENT_POD, "team-a", "job"]["metadata"]
            lab.change(metadata=metadata | {"labels": {LABEL_INJECTION_ID: ID}})
        case "without its id":
            metadata = lab.kube.objects[CLIENT_POD, "team-a", "job"]["metadata"]
            lab.change(metadata=metadata | {"labels": {LABEL_INJECT: "standard"}})


HOW = [
    "succeeded",
    "failed",
    "its containers have ended, and a sidecar goes on",
    "deleted",
    "its grace period is over",
    "without its label",
    "without its id",
]


@pytest.mark.parametrize("restarts", [False, True], ids=["", "while no operator runs"])
@pytest.mark.parametrize("how", HOW)
async def test_the_daemon_goes_when_its_pod_has_ended(how: str, *, restarts: bool) -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    lab.states(init=RUNNING, build=RUNNING, helper=RUNNING)
    await lab.passes(2)
    await ends(lab, how)
    if restarts:
        lab.restart()
    assert await lab.reconciler.reconcile(HERE) == Settled()
    assert lab.nested_docker() is None


async def test_a_deleted_pod_keeps_its_daemon_until_its_grace_period_is_over() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    lab.states(build=RUNNING, helper=RUNNING)
    metadata = lab.kube.objects[CLIENT_POD, "team-a", "job"]["metadata"]
    lab.change(metadata=metadata | {"deletionTimestamp": "2026-03-01T00:00:30Z"})
    outcome = await lab.reconciler.reconcile(HERE)
    assert isinstance(outcome, Settled)
    assert outcome.requeue_at is not None
    assert (outcome.requeue_at - lab.clock.now()).total_seconds() <= 30 - lab.clock.seconds
    assert lab.nested_docker() is not None
    lab.clock.seconds = 30
    await lab.reconciler.reconcile(HERE)
    assert lab.nested_docker() is None


async def test_a_nested_docker_without_its_owner_reference_goes() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    lab.states(build=RUNNING, helper=RUNNING)
    made = lab.nested_docker()
    assert made is not None
    lab.kube.again(made | {"metadata": made["metadata"] | {"ownerReferences": []}})
    await lab.reconciler.reconcile(HERE)
    assert lab.nested_docker() is None


async def test_a_watch_that_lags_ends_nothing() -> None:
    lab = Lab()
    client = lab.client()
    await lab.passes()
    lab.states(build=RUNNING, helper=RUNNING)
    lab.kube.cache.remove(client | {"metadata": client["metadata"] | {"resourceVersion": "0"}}, CLIENT_POD)
    await lab.passes(2)
    assert lab.nested_docker() is not None


async def test_an_api_server_that_does_not_answer_ends_nothing() -> None:
    lab = Lab()
    client = lab.client()
    await lab.passes()
    lab.kube.cache.remove(client, CLIENT_POD)
    lab.kube.failure = KubeError(0, "NoAnswer", "down")
    with pytest.raises(KubeError):
        await lab.reconciler.reconcile(HERE)
    lab.kube.failure = None
    assert lab.nested_docker() is not None


async def test_another_root_key_ends_nothing_that_runs() -> None:
    lab = Lab()
    lab.client()
    await lab.passes()
    lab.states(build=RUNNING, helper=RUNNING)
    lab.injections.key = lambda: b"x" * 32
    await lab.passes(2)
    assert lab.nested_docker() is not None


async def test_other_nested_dockers_are_left_alone() -> None:
    lab = Lab()
    lab.kube.put("NestedDocker", "team-a", "build", spec={"className": "standard"})
    await lab.reconciler.reconcile(("team-a", "build"))
    assert ("NestedDocker", "team-a", "build") in lab.kube.objects


# --- behind the gate ---------------------------------------------------------------------------------------

GATE, KUEUE = {"name": "nesteddocker.dev/daemon"}, {"name": "kueue.x-k8s.io/admission"}


def gated(*gates: dict[str, str]) -> dict[str, Any]:
    return pod()["spec"] | {"schedulingGates": list(gates)}


def gates(lab: Lab) -> list[dict[str, str]]:
    found: list[dict[str, str]] = lab.kube.objects[CLIENT_POD, "team-a", "job"]["spec"]["schedulingGates"]
    return found


async def test_the_gate_opens_when_the_daemon_has_a_node() -> None:
    lab = Lab()
    lab.client(spec=gated(GATE))
    await lab.passes(3)
    assert lab.nested_docker() is not None
    assert gates(lab) == [GATE]
    schedule(lab.kube)
    await lab.passes(3)
    assert gates(lab) == []
    assert lab.kube.writes.count("open ClientPod/job") == 1


async def test_a_daemon_that_is_being_deleted_opens_no_gate() -> None:
    lab = Lab()
    lab.client(spec=gated(GATE))
    await lab.passes(2)
    for location, obj in [*lab.kube.objects.items()]:
        if location[0] == "Pod":
            metadata = obj["metadata"] | {"deletionTimestamp": "2026-03-01T00:01:00Z"}
            lab.kube.again(obj | {"metadata": metadata, "spec": obj["spec"] | {"nodeName": "node-1"}})
    await lab.reconciler.reconcile(HERE)
    assert gates(lab) == [GATE]


async def test_a_pod_behind_another_gate_gets_its_daemon_later() -> None:
    lab = Lab()
    client = lab.client(spec=gated(KUEUE, GATE))
    await lab.passes(2)
    assert (lab.left(), lab.events) == ([], [])
    lab.kube.again(client | {"spec": gated(GATE)})
    await lab.passes(2)
    assert lab.nested_docker() is not None


async def test_a_gate_that_cannot_be_removed_is_an_event_of_the_pod() -> None:
    lab = Lab()
    lab.client(spec=gated(GATE))
    await lab.passes(2)
    schedule(lab.kube)

    async def denied(*_: Any) -> dict[str, Any]:
        raise KubeError(403, "Forbidden", "policy example denies it")

    lab.kube.remove_scheduling_gate = denied  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(KubeError):
            await lab.reconciler.reconcile(HERE)
    message = (
        "the scheduling gate nesteddocker.dev/daemon could not be removed, and the operator tries again: "
        "policy example denies it"
    )
    assert lab.events[1:] == [("job", "NestedDockerNotCreated", message)]


async def test_a_pod_whose_daemon_is_denied_does_not_wait_silently() -> None:
    lab = Lab()
    lab.client(spec=gated(GATE))
    lab.kube._drop(("NestedDockerClass", "", "standard"))
    await lab.passes(3)
    assert [reason for _, reason, _ in lab.events] == ["NestedDockerCreated", "NestedDockerNotReady"]
    assert f"the pod waits for NestedDocker {NAME}: ClassNotFound: " in lab.events[-1][2]


async def test_a_pod_whose_daemon_gets_no_node_does_not_wait_silently() -> None:
    lab = Lab()
    lab.client(spec=gated(GATE))
    await lab.reconciler.reconcile(HERE)
    outcome = await lab.reconciler.reconcile(HERE)
    assert isinstance(outcome, Settled)
    assert outcome.requeue_at is not None
    lab.clock.seconds = 300
    await lab.reconciler.reconcile(HERE)
    assert [reason for _, reason, _ in lab.events] == ["NestedDockerCreated", "NestedDockerNotReady"]
    assert lab.events[-1][2].startswith(f"the pod waits for NestedDocker {NAME}: ")


# --- with the webhook -----------------------------------------------------------------------------------


class Allowing:
    """Judges every NestedDocker as allowed."""

    def __init__(self, cache: Cache) -> None:
        self.cache, self.observer = cache, Observer(cache)

    async def review(self, _review: Review) -> AdmissionResponse:
        return AdmissionResponse(allowed=True, reason=Reason.GRANTED)


async def test_many_pods_that_the_webhook_has_prepared_each_have_a_daemon_and_leave_nothing() -> None:
    lab = Lab()
    injector = PodInjector(Allowing(lab.kube.cache), lambda: SIGNING_KEY, lab.clock)  # type: ignore[arg-type]
    keys = []
    for number in range(10):
        asking = pod()
        response = await injector.inject(Review({"username": "alice"}, asking))
        stored = patched(asking, response.patch)
        lab.kube.put(
            CLIENT_POD,
            "team-a",
            f"job-{number}",
            metadata=stored["metadata"] | {"name": f"job-{number}"},
            spec=stored["spec"],
            status={"phase": "Pending"},
        )
        volumes = {each["name"]: each for each in stored["spec"]["volumes"]}
        keys.append(("team-a", volumes["nested-docker"]["secret"]["secretName"].removesuffix("-docker")))
    for key in keys * 12:
        await lab.reconciler.reconcile(key)
        await pods_run(lab.kube)
        schedule(lab.kube)
        lab.clock.seconds += 0.1
    assert all(("Secret", namespace, f"{name}-docker") in lab.kube.objects for namespace, name in keys)
    for number in range(10):
        lab.change(f"job-{number}", status={"phase": "Succeeded"})
    for key in keys * 3:
        await lab.reconciler.reconcile(key)
    assert [kind for kind in lab.left() if kind == "NestedDocker"] == []
    assert [kind for kind in lab.left() if kind == "Pod"] == []
