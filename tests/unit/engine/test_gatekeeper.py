"""The first door: what is let in, for whom, and what is said to those who are not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.engine.fakes import FakeKube
from tests.unit.factory import DEFAULTS

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.controller.admission_reviewer import Gatekeeper, Review, Verdict
from nested_docker.controller.audit import Audit
from nested_docker.controller.cache import Cache
from nested_docker.controller.routing import Router
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason

ALICE = {"username": "alice", "groups": ["dev"], "uid": "1", "extra": {"scopes": ["a"]}}
GRANT = {"namespaceSelector": {}, "allowedClasses": ["standard", "later"], "allowedModes": ["Dind", "Sysbox"]}
GENEROUS = GRANT | {
    "workload": {"allowed": True},
    "allowedImages": {"patterns": ["**"]},
    "scheduling": {"podAnnotations": ["**"]},
}


class RightsKube(FakeKube):
    """An API server that grants the rights in `rights`, as verb, resource and name."""

    def __init__(self) -> None:
        super().__init__()
        self.rights = {("use", "nesteddockerclasses", "standard")}
        self.asked: list[dict[str, Any]] = []

    async def create(self, manifest: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        assert manifest["kind"] == "SubjectAccessReview"
        await self._turn()
        self.asked.append(manifest["spec"])
        wanted = manifest["spec"]["resourceAttributes"]
        return {"status": {"allowed": (wanted["verb"], wanted["resource"], wanted["name"]) in self.rights}}


class Records:
    """What is recorded."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, ...]] = []
        self.events: list[str] = []

    def record(self, _regarding: Any, _type: str, reason: str, _message: str) -> None:
        self.events.append(reason)

    def count(self, *labels: str) -> None:
        self.counted.append(labels)


class Door:
    """A gatekeeper, and what is around it."""

    def __init__(self) -> None:
        self.kube, self.cache, self.records = RightsKube(), Cache(), Records()
        router = Router(self.cache, WorkQueue())
        self.audit = Audit(self.records, self.cache, self.records.count)
        self.keeper = Gatekeeper(self.cache, router, self.kube, DEFAULTS, self.audit.admitted)
        self.put("Namespace", "team-a", {})
        self.put("NestedDockerClass", "standard", {"modes": ["Dind", "Sysbox"]})
        self.put("NestedDockerPolicy", "all", GENEROUS)

    def put(self, kind: str, name: str, spec: dict[str, Any], *, seen: bool = True, **metadata: Any) -> None:
        """Put an object on the server, and into the cache if the watch has brought it."""
        version = str(len(self.kube.objects) + 1)
        head = {"name": name, "uid": f"uid-{kind}-{name}", "resourceVersion": version, "generation": 3}
        obj = {"apiVersion": API_VERSION, "kind": kind, "metadata": head | metadata, "spec": spec}
        self.kube.objects[kind, "", name] = obj
        if seen:
            self.cache.put(obj, kind)

    async def judge(self, old: dict[str, Any] | None = None, **spec: Any) -> Verdict:
        return await self.keeper.judge(review(spec, old))


def review(spec: dict[str, Any], old: dict[str, Any] | None = None) -> Review:
    metadata = {"name": "build", "namespace": "team-a", "uid": "u"}
    before = None if old is None else {"metadata": metadata, "spec": old}
    return Review(ALICE, {"metadata": metadata, "spec": {"className": "standard"} | spec}, before)


@pytest.fixture
def door() -> Door:
    return Door()


async def test_who_may_use_the_class_and_has_a_policy_gets_in(door: Door) -> None:
    verdict = await door.judge(mode="Dind")
    assert (verdict.allowed, verdict.reason, verdict.warnings) == (True, Reason.GRANTED, ())
    assert door.records.counted == [("admission", "granted", "Granted", "Dind")]
    (asked,) = door.kube.asked
    assert asked == {
        "user": "alice",
        "groups": ["dev"],
        "uid": "1",
        "extra": {"scopes": ["a"]},
        "resourceAttributes": {
            "verb": "use",
            "group": "nesteddocker.dev",
            "resource": "nesteddockerclasses",
            "namespace": "team-a",
            "name": "standard",
        },
    }


async def test_who_may_not_use_the_class_stays_out(door: Door) -> None:
    door.kube.rights.clear()
    verdict = await door.judge()
    assert (verdict.allowed, verdict.reason) == (False, Reason.NOT_PERMITTED)
    assert verdict.message == (
        "spec.className: alice may not use nesteddockerclasses.nesteddocker.dev standard in namespace team-a. Choose "
        "another class, or have an admin grant the verb use on this one"
    )
    assert door.records.counted == [("admission", "denied", "NotPermitted", "")]


BORROWED: list[tuple[dict[str, Any], tuple[str, str, str]]] = [
    ({"workload": {"containers": [{"name": "a", "image": "a"}]}}, ("create", "pods", "")),
    ({"engine": {"caBundleRef": {"name": "ca"}}}, ("get", "configmaps", "ca")),
    ({"engine": {"imagePullSecrets": [{"name": "pull"}]}}, ("get", "secrets", "pull")),
    ({"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}, ("create", "persistentvolumeclaims", "")),
    ({"connection": {"secretTemplate": {"labels": {"a": "b"}}}}, ("create", "secrets", "")),
    ({"connection": {"secretTemplate": {"annotations": {"a": "b"}}}}, ("create", "secrets", "")),
]


@pytest.mark.parametrize(("spec", "right"), BORROWED)
async def test_nobody_borrows_a_right_that_he_lacks(
    door: Door, spec: dict[str, Any], right: tuple[str, str, str]
) -> None:
    refused = await door.judge(**spec)
    assert (refused.allowed, refused.reason) == (False, Reason.NOT_PERMITTED)
    assert f"alice may not {right[0]} {right[1]}" in refused.message
    door.kube.rights.add(right)
    assert (await door.judge(**spec)).allowed


@pytest.mark.parametrize(("spec", "right"), BORROWED)
async def test_what_was_there_before_is_not_asked_again(
    door: Door, spec: dict[str, Any], right: tuple[str, str, str]
) -> None:
    before = {"className": "standard"} | spec
    assert (await door.judge(before, **spec, idleTimeoutSeconds=60)).allowed
    assert right not in {
        (a["resourceAttributes"]["verb"], a["resourceAttributes"]["resource"], "") for a in door.kube.asked
    }


async def test_a_changed_workload_is_asked_for_again(door: Door) -> None:
    before = {"className": "standard", "workload": {"containers": [{"name": "a", "image": "a"}]}}
    verdict = await door.judge(before, workload={"containers": [{"name": "a", "image": "b"}]})
    assert verdict.reason == Reason.NOT_PERMITTED


async def test_an_update_that_leaves_the_spec_alone_is_nobodys_business(door: Door) -> None:
    door.kube.rights.clear()
    assert (await door.judge({"className": "standard"})).allowed
    assert door.kube.asked == []


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"className": "none"}, Reason.CLASS_NOT_FOUND, "NestedDockerClass none does not exist"),
        ({"mode": "HostSocket"}, Reason.MODE_NOT_OFFERED, "offers Dind, Sysbox"),
        ({"engine": {"config": {"hosts": []}}}, Reason.INVALID_SPEC, "spec.engine.config: hosts"),
        ({"scheduling": {"tolerations": [{"key": "x"}]}}, Reason.NO_POLICY, "spec.scheduling.tolerations has x"),
    ],
)
async def test_what_the_reconciler_would_reject_is_refused_here(
    door: Door, spec: dict[str, Any], reason: Reason, words: str
) -> None:
    verdict = await door.judge(**spec)
    assert (verdict.allowed, verdict.reason) == (False, reason)
    assert words in verdict.message


async def test_what_oversteps_the_class_is_refused(door: Door) -> None:
    template = {"metadata": {"annotations": {"a": "class"}}}
    door.put("NestedDockerClass", "standard", {"modes": ["Dind"], "podTemplate": template})
    verdict = await door.judge(scheduling={"podAnnotations": {"a": "mine"}})
    assert verdict.reason == Reason.OVERSTEPS_CLASS


async def test_what_the_watch_has_not_brought_yet_is_looked_up_before_a_denial(door: Door) -> None:
    door.put("NestedDockerClass", "later", {"modes": ["Dind"]}, seen=False)
    door.kube.rights.add(("use", "nesteddockerclasses", "later"))
    assert (await door.judge(className="later")).allowed


async def test_what_the_cluster_cannot_do_yet_is_a_warning(door: Door) -> None:
    verdict = await door.judge(mode="Sysbox")
    assert (verdict.allowed, verdict.reason) == (True, Reason.RUNTIME_MISSING)
    assert "RuntimeClass sysbox-runc" in verdict.warnings[0]


async def test_but_not_for_those_who_may_not_use_the_class(door: Door) -> None:
    door.kube.rights.clear()
    assert not (await door.judge(mode="Sysbox")).allowed


@pytest.mark.parametrize(("level", "warnings"), [("Warn", 2), ("Audit", 0)])
async def test_without_enforcement_policy_and_class_are_only_told(door: Door, level: str, warnings: int) -> None:
    door.put("Namespace", "team-a", {}, labels={"nesteddocker.dev/enforcement": level})
    door.put("NestedDockerPolicy", "all", GRANT | {"allowedModes": ["Sysbox"]})
    door.kube.rights.clear()
    verdict = await door.judge(mode="Dind")
    assert (verdict.allowed, verdict.reason, len(verdict.warnings)) == (True, Reason.NOT_ENFORCED, warnings)


async def test_borrowed_rights_are_enforced_all_the_same(door: Door) -> None:
    door.put("Namespace", "team-a", {}, labels={"nesteddocker.dev/enforcement": "Audit"})
    assert not (await door.judge(engine={"caBundleRef": {"name": "ca"}})).allowed


async def test_who_cannot_be_asked_about_does_not_get_in(door: Door) -> None:
    door.kube.failure = KubeError(500, "InternalError", "no")
    with pytest.raises(KubeError):
        await door.judge()


async def test_the_log_line_says_who_what_where_until_when_and_by_which_word(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="nested_docker.audit")
    await door.judge(mode="Dind", activeDeadlineSeconds=60)
    (line,) = caplog.records
    said = {key: line.__dict__[key] for key in ("door", "outcome", "user", "namespace", "nested_docker", "mode")}
    assert said == {
        "door": "admission",
        "outcome": "granted",
        "user": "alice",
        "namespace": "team-a",
        "nested_docker": "build",
        "mode": "Dind",
    }
    by = {key: line.__dict__[key] for key in ("class", "class_generation", "policy", "policy_generation")}
    assert by == {"class": "standard", "class_generation": 3, "policy": "all", "policy_generation": 3}
    assert line.__dict__["lifetime_seconds"] == 60


async def test_the_reconcilers_decisions_are_noted_and_told_on(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="nested_docker.audit")
    regarding = {"namespace": "team-a", "name": "build", "uid": "u"}
    status = {"mode": "Dind", "className": "standard", "policyName": "all", "expirationTime": "2026-03-01T00:00:00Z"}
    metadata = {"name": "build", "namespace": "team-a", "uid": "u", "resourceVersion": "9"}
    door.cache.put({"metadata": metadata, "status": status}, "NestedDocker")
    for reason in ("Granted", "DaemonStarting", "NoPolicy"):
        door.audit.record(regarding, "Normal", reason, "words")
    assert door.records.events == ["Granted", "DaemonStarting", "NoPolicy"]
    assert door.records.counted == [
        ("reconcile", "granted", "Granted", "Dind"),
        ("reconcile", "denied", "NoPolicy", "Dind"),
    ]
    assert caplog.records[0].__dict__["until"] == "2026-03-01T00:00:00Z"
