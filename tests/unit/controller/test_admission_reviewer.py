"""The first door: what is let in, for whom, and what is said to those who are not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import DEFAULTS
from tests.unit.fakes import FakeKube

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.controller.admission_reviewer import AdmissionResponse, AdmissionReviewer, Review
from nested_docker.controller.audit import Audit
from nested_docker.controller.cache import Cache
from nested_docker.controller.routing import Router
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason

ALICE = {"username": "alice", "groups": ["dev"], "uid": "1", "extra": {"scopes": ["a"]}}
GRANT = {"namespaceSelector": {}, "allowedClasses": ["standard", "later"], "allowedModes": ["Dind", "Sysbox"]}
GENEROUS = GRANT | {
    "workload": {"allowed": True, "references": ["Secrets", "ConfigMaps"], "sharedPaths": ["**"]},
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


class Reviewer:
    """A gatekeeper, and what is around it."""

    def __init__(self) -> None:
        self.kube, self.cache, self.records = RightsKube(), Cache(), Records()
        router = Router(self.cache, WorkQueue())
        self.audit = Audit(self.records, self.cache, self.records.count, lambda *_: None)
        self.keeper = AdmissionReviewer(self.cache, router, self.kube, DEFAULTS, self.audit.admitted)
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

    async def review(self, old: dict[str, Any] | None = None, **spec: Any) -> AdmissionResponse:
        return await self.keeper.review(review(spec, old))


def review(spec: dict[str, Any], old: dict[str, Any] | None = None) -> Review:
    metadata = {"name": "build", "namespace": "team-a", "uid": "u"}
    before = None if old is None else {"metadata": metadata, "spec": old}
    return Review(ALICE, {"metadata": metadata, "spec": {"className": "standard"} | spec}, before)


@pytest.fixture
def reviewer() -> Reviewer:
    return Reviewer()


async def test_who_may_use_the_class_and_has_a_policy_gets_in(reviewer: Reviewer) -> None:
    response = await reviewer.review(mode="Dind")
    assert (response.allowed, response.reason, response.warnings) == (True, Reason.GRANTED, ())
    assert reviewer.records.counted == [("admission", "granted", "Granted", "Dind")]
    (asked,) = reviewer.kube.asked
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


def unnamed(old: dict[str, Any] | None = None) -> Review:
    metadata = {"name": "build", "namespace": "team-a"}
    before = None if old is None else {"metadata": metadata, "spec": old}
    return Review(ALICE, {"metadata": metadata, "spec": {}}, before)


def naming(name: str) -> tuple[dict[str, str], ...]:
    return ({"op": "add", "path": "/spec/className", "value": name},)


DEFAULT = {"annotations": {"nesteddocker.dev/is-default-class": "true"}}


async def test_a_request_without_a_class_gets_the_default_class_s_name(reviewer: Reviewer) -> None:
    reviewer.put("NestedDockerClass", "usual", {"modes": ["Dind"]}, **DEFAULT)
    response = await reviewer.keeper.name_class(unnamed())
    assert (response.allowed, response.patch) == (True, naming("usual"))


async def test_a_default_class_that_the_watch_has_not_brought_is_read(reviewer: Reviewer) -> None:
    reviewer.put("NestedDockerClass", "usual", {"modes": ["Dind"]}, seen=False, **DEFAULT)
    assert (await reviewer.keeper.name_class(unnamed())).patch == naming("usual")


@pytest.mark.parametrize("defaults", [(), ("a", "b")])
async def test_without_one_default_class_no_class_is_named(reviewer: Reviewer, defaults: tuple[str, ...]) -> None:
    for name in defaults:
        reviewer.put("NestedDockerClass", name, {"modes": ["Dind"]}, **DEFAULT)
    assert (await reviewer.keeper.name_class(unnamed())).patch == ()


async def test_a_named_class_stays(reviewer: Reviewer) -> None:
    reviewer.put("NestedDockerClass", "usual", {"modes": ["Dind"]}, **DEFAULT)
    assert (await reviewer.keeper.name_class(review({"className": "later"}))).patch == ()


@pytest.mark.parametrize(("before", "patch"), [({"className": "first"}, naming("first")), ({}, ())])
async def test_a_replaced_object_keeps_its_class(
    reviewer: Reviewer, before: dict[str, Any], patch: tuple[dict[str, str], ...]
) -> None:
    reviewer.put("NestedDockerClass", "usual", {"modes": ["Dind"]}, **DEFAULT)
    assert (await reviewer.keeper.name_class(unnamed(before))).patch == patch


@pytest.mark.parametrize("spec", [None, [], "x", {"className": None}])
async def test_a_malformed_spec_is_left_to_the_schema(reviewer: Reviewer, spec: Any) -> None:
    reviewer.put("NestedDockerClass", "usual", {"modes": ["Dind"]}, **DEFAULT)
    obj = {"metadata": {"name": "build", "namespace": "team-a"}, "spec": spec}
    assert (await reviewer.keeper.name_class(Review(ALICE, obj))).patch == ()


async def test_a_class_cannot_be_named_while_the_api_server_is_down(reviewer: Reviewer) -> None:
    async def down(*_: Any, **__: Any) -> Any:
        raise KubeError(500, "", "down")

    reviewer.kube.list = down  # type: ignore[method-assign]
    with pytest.raises(KubeError):
        await reviewer.keeper.name_class(unnamed())


async def test_who_may_not_use_the_class_stays_out(reviewer: Reviewer) -> None:
    reviewer.kube.rights.clear()
    response = await reviewer.review()
    assert (response.allowed, response.reason) == (False, Reason.NOT_PERMITTED)
    assert response.message == (
        "spec.className: alice may not use nesteddockerclasses.nesteddocker.dev standard in namespace team-a. Choose "
        "another class, or ask an admin for the permission to use it"
    )
    assert reviewer.records.counted == [("admission", "denied", "NotPermitted", "")]


BORROWED: list[tuple[dict[str, Any], tuple[str, str, str]]] = [
    ({"workload": {"containers": [{"name": "a", "image": "a"}]}}, ("create", "pods", "")),
    ({"engine": {"caBundleRef": {"name": "ca"}}}, ("get", "configmaps", "ca")),
    ({"engine": {"imagePullSecrets": [{"name": "pull"}]}}, ("get", "secrets", "pull")),
    ({"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}, ("create", "persistentvolumeclaims", "")),
    ({"connection": {"secretTemplate": {"labels": {"a": "b"}}}}, ("create", "secrets", "")),
    ({"connection": {"secretTemplate": {"annotations": {"a": "b"}}}}, ("create", "secrets", "")),
    ({"connection": {"registryCredentials": {"name": "regcred"}}}, ("get", "secrets", "regcred")),
]


@pytest.mark.parametrize(("spec", "right"), BORROWED)
async def test_nobody_borrows_a_right_that_he_lacks(
    reviewer: Reviewer, spec: dict[str, Any], right: tuple[str, str, str]
) -> None:
    response = await reviewer.review(**spec)
    assert (response.allowed, response.reason) == (False, Reason.NOT_PERMITTED)
    assert f"alice may not {right[0]} {right[1]}" in response.message
    reviewer.kube.rights.add(right)
    assert (await reviewer.review(**spec)).allowed


@pytest.mark.parametrize(("spec", "right"), BORROWED)
async def test_what_was_there_before_is_not_asked_again(
    reviewer: Reviewer, spec: dict[str, Any], right: tuple[str, str, str]
) -> None:
    before = {"className": "standard"} | spec
    assert (await reviewer.review(before, **spec, idleTimeoutSeconds=60)).allowed
    assert right not in {
        (a["resourceAttributes"]["verb"], a["resourceAttributes"]["resource"], "") for a in reviewer.kube.asked
    }


async def test_a_changed_workload_is_asked_for_again(reviewer: Reviewer) -> None:
    before = {"className": "standard", "workload": {"containers": [{"name": "a", "image": "a"}]}}
    response = await reviewer.review(before, workload={"containers": [{"name": "a", "image": "b"}]})
    assert response.reason == Reason.NOT_PERMITTED


PULL = {"imagePullSecrets": [{"name": "pull"}]}
CHANGED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "labels of the Secrets, which somebody else has set": (
        {"connection": {"secretTemplate": {"labels": {"argocd.argoproj.io/secret-type": "cluster"}}}},
        {"connection": {"secretTemplate": {"labels": {"argocd.argoproj.io/secret-type": "repository"}}}},
        "spec.connection.secretTemplate: alice may not create secrets",
    ),
    "one label more": (
        {"connection": {"secretTemplate": {"labels": {"a": "b"}}}},
        {"connection": {"secretTemplate": {"labels": {"a": "b", "c": "d"}}}},
        "create secrets",
    ),
    "labels taken away": ({"connection": {"secretTemplate": {"labels": {"a": "b"}}}}, {}, "create secrets"),
    "annotations that a replicator obeys": (
        {"connection": {"secretTemplate": {"annotations": {"replicate-to": "team-a"}}}},
        {"connection": {"secretTemplate": {"annotations": {"replicate-to": ".*"}}}},
        "create secrets",
    ),
    "an image with somebody's credentials": (
        {"engine": PULL | {"image": "example.com/a:1"}},
        {"engine": PULL | {"image": "example.com/secret:1"}},
        "spec.engine.imagePullSecrets: alice may not get secrets pull",
    ),
    "another Secret beside one": (
        {"engine": PULL},
        {"engine": {"imagePullSecrets": [{"name": "pull"}, {"name": "other"}]}},
        "get secrets other",
    ),
    "other registry credentials": (
        {"connection": {"registryCredentials": {"name": "mine"}}},
        {"connection": {"registryCredentials": {"name": "theirs"}}},
        "spec.connection.registryCredentials: alice may not get secrets theirs",
    ),
    "another key of a ConfigMap": (
        {"engine": {"caBundleRef": {"name": "ca", "key": "ca.crt"}}},
        {"engine": {"caBundleRef": {"name": "ca", "key": "other"}}},
        "spec.engine.caBundleRef: alice may not get configmaps ca",
    ),
}


def job(*, volumes: list[dict[str, Any]] | None = None, first: bool = False, **fields: Any) -> dict[str, Any]:
    """A workload, one container of which has these fields: the main one, or an init container."""
    main = {"name": "a", "image": "a"}
    init = {"initContainers": [{"name": "first", "image": "a"} | fields]} if first else {}
    return {"workload": {"containers": [main if first else main | fields], "volumes": volumes or []} | init}


def variable(name: str, reference: str, object_: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {reference: {"name": object_, "key": "k"}}}


TWICE: dict[str, tuple[dict[str, Any], str, str]] = {
    "variables from Secrets": (
        job(env=[variable("A", "secretKeyRef", "mine"), variable("B", "secretKeyRef", "theirs")]),
        "spec.workload.containers.env.valueFrom.secretKeyRef",
        "secrets",
    ),
    "variables from ConfigMaps": (
        job(env=[variable("A", "configMapKeyRef", "mine"), variable("B", "configMapKeyRef", "theirs")]),
        "spec.workload.containers.env.valueFrom.configMapKeyRef",
        "configmaps",
    ),
    "variables of an init container": (
        job(env=[variable("A", "secretKeyRef", "mine"), variable("B", "secretKeyRef", "theirs")], first=True),
        "spec.workload.initContainers.env.valueFrom.secretKeyRef",
        "secrets",
    ),
    "all keys of Secrets": (
        job(envFrom=[{"secretRef": {"name": "mine"}}, {"secretRef": {"name": "theirs"}}]),
        "spec.workload.containers.envFrom.secretRef",
        "secrets",
    ),
    "all keys of Secrets in an init container": (
        job(envFrom=[{"secretRef": {"name": "mine"}}, {"secretRef": {"name": "theirs"}}], first=True),
        "spec.workload.initContainers.envFrom.secretRef",
        "secrets",
    ),
    "all keys of ConfigMaps": (
        job(envFrom=[{"configMapRef": {"name": "mine"}}, {"configMapRef": {"name": "theirs"}}]),
        "spec.workload.containers.envFrom.configMapRef",
        "configmaps",
    ),
    "volumes of Secrets": (
        job(volumes=[{"name": each, "secret": {"secretName": each}} for each in ("mine", "theirs")]),
        "spec.workload.volumes.secret",
        "secrets",
    ),
    "volumes of ConfigMaps": (
        job(volumes=[{"name": each, "configMap": {"name": each}} for each in ("mine", "theirs")]),
        "spec.workload.volumes.configMap",
        "configmaps",
    ),
    "Secrets in one projected volume": (
        job(volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": n}} for n in ("mine", "theirs")]}}]),
        "spec.workload.volumes.projected.sources.secret",
        "secrets",
    ),
    "ConfigMaps in two projected volumes": (
        job(volumes=[{"name": n, "projected": {"sources": [{"configMap": {"name": n}}]}} for n in ("mine", "theirs")]),
        "spec.workload.volumes.projected.sources.configMap",
        "configmaps",
    ),
    "pull secrets": (
        {"engine": {"imagePullSecrets": [{"name": "mine"}, {"name": "theirs"}]}},
        "spec.engine.imagePullSecrets",
        "secrets",
    ),
}
"""Specs that refer to two objects from one list, with the path of the field and the resource."""


@pytest.mark.parametrize("kind", TWICE)
@pytest.mark.parametrize(("has", "lacks"), [("mine", "theirs"), ("theirs", "mine")])
async def test_each_of_several_references_is_asked_about(reviewer: Reviewer, kind: str, has: str, lacks: str) -> None:
    spec, field, resource = TWICE[kind]
    reviewer.kube.rights |= {("create", "pods", ""), ("get", resource, has)}
    response = await reviewer.review(**spec)
    assert (response.allowed, response.reason) == (False, Reason.NOT_PERMITTED)
    assert response.message == (
        f"{field}: alice may not get {resource} {lacks} in namespace team-a, and a NestedDocker cannot use permissions "
        "you do not have: remove the field, or ask an admin for this permission"
    )
    reviewer.kube.rights.add(("get", resource, lacks))
    assert (await reviewer.review(**spec)).allowed


@pytest.mark.parametrize(
    "change",
    [
        {"image": "evil"},
        {"command": ["sh", "-c", "env"]},
        {"env": [{"name": "A", "value": "1"}]},
        {"name": "other"},
        {"workingDir": "/tmp"},
    ],
)
async def test_a_change_beside_a_reference_needs_the_permission_to_it(
    reviewer: Reviewer, change: dict[str, Any]
) -> None:
    """Another image or command leads the content of the Secret elsewhere."""
    reviewer.kube.rights.add(("create", "pods", ""))
    fields = {"envFrom": [{"secretRef": {"name": "theirs"}}]}
    response = await reviewer.review({"className": "standard"} | job(**fields), **job(**(fields | change)))
    assert "spec.workload.containers.envFrom.secretRef: alice may not get secrets theirs" in response.message


async def test_so_does_another_daemon(reviewer: Reviewer) -> None:
    reviewer.kube.rights.add(("create", "pods", ""))
    spec = job(envFrom=[{"secretRef": {"name": "theirs"}}])
    response = await reviewer.review({"className": "standard"} | spec, **spec, engine={"image": "evil:28-dind"})
    assert "spec.workload.containers.envFrom.secretRef: alice may not get secrets theirs" in response.message


async def test_a_change_elsewhere_does_not(reviewer: Reviewer) -> None:
    spec = job(envFrom=[{"secretRef": {"name": "theirs"}}])
    assert (await reviewer.review({"className": "standard"} | spec, **spec, idleTimeoutSeconds=60)).allowed


async def test_one_object_is_asked_about_once(reviewer: Reviewer) -> None:
    fields = {
        "env": [variable(f"V{number}", "secretKeyRef", "mine") for number in range(50)],
        "envFrom": [{"secretRef": {"name": "mine"}}],
    }
    reviewer.kube.rights |= {("create", "pods", ""), ("get", "secrets", "mine")}
    assert (await reviewer.review(**job(**fields))).allowed
    assert [each["resourceAttributes"]["name"] for each in reviewer.kube.asked] == ["standard", "", "mine"]


@pytest.mark.parametrize("change", CHANGED)
async def test_changed_content_is_a_new_right(reviewer: Reviewer, change: str) -> None:
    earlier, now, words = CHANGED[change]
    response = await reviewer.review({"className": "standard"} | earlier, **now)
    assert (response.allowed, response.reason) == (False, Reason.NOT_PERMITTED), response.message
    assert words in response.message


async def test_a_workload_beside_credentials_asks_for_both(reviewer: Reviewer) -> None:
    spec = {"engine": PULL, "workload": {"containers": [{"name": "a", "image": "example.com/a:1"}]}}
    changed = spec | {"workload": {"containers": [{"name": "a", "image": "example.com/b:1"}]}}
    reviewer.kube.rights.add(("create", "pods", ""))
    response = await reviewer.review({"className": "standard"} | spec, **changed)
    assert "spec.engine.imagePullSecrets: alice may not get secrets pull" in response.message


async def test_who_leads_the_copy_of_credentials_elsewhere_needs_the_right_to_them(reviewer: Reviewer) -> None:
    """A replicator obeys annotations of the env Secret, which has the credentials."""
    credentials = {"registryCredentials": {"name": "regcred"}}
    annotated = credentials | {"secretTemplate": {"annotations": {"replicate-to": ".*"}}}
    reviewer.kube.rights.add(("create", "secrets", ""))
    response = await reviewer.review({"className": "standard", "connection": credentials}, connection=annotated)
    assert "spec.connection.registryCredentials: alice may not get secrets regcred" in response.message


async def test_a_workload_that_gets_credentials_asks_for_both(reviewer: Reviewer) -> None:
    before = {"className": "standard", "connection": {"registryCredentials": {"name": "regcred"}}}
    reviewer.kube.rights.add(("create", "pods", ""))
    response = await reviewer.review(before | {}, **before, workload={"containers": [{"name": "a", "image": "a"}]})
    assert "spec.connection.registryCredentials: alice may not get secrets regcred" in response.message


async def test_a_reference_that_is_removed_asks_for_nothing(reviewer: Reviewer) -> None:
    before = {"className": "standard", "engine": PULL | {"caBundleRef": {"name": "ca"}}}
    assert (await reviewer.review(before, idleTimeoutSeconds=60)).allowed


async def test_an_update_that_leaves_the_spec_alone_is_nobodys_business(reviewer: Reviewer) -> None:
    reviewer.kube.rights.clear()
    assert (await reviewer.review({"className": "standard"})).allowed
    assert reviewer.kube.asked == []


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"className": "none"}, Reason.CLASS_NOT_FOUND, "NestedDockerClass none does not exist"),
        ({"mode": "HostSocket"}, Reason.MODE_NOT_OFFERED, "offers Dind, Sysbox"),
        ({"engine": {"config": {"hosts": []}}}, Reason.INVALID_SPEC, "spec.engine.config: hosts"),
        ({"scheduling": {"tolerations": [{"key": "x"}]}}, Reason.NOT_GRANTED, "spec.scheduling.tolerations has x"),
    ],
)
async def test_what_the_reconciler_would_reject_is_refused_here(
    reviewer: Reviewer, spec: dict[str, Any], reason: Reason, words: str
) -> None:
    response = await reviewer.review(**spec)
    assert (response.allowed, response.reason) == (False, reason)
    assert words in response.message


async def test_what_oversteps_the_class_is_refused(reviewer: Reviewer) -> None:
    template = {"metadata": {"annotations": {"a": "class"}}}
    reviewer.put("NestedDockerClass", "standard", {"modes": ["Dind"], "podTemplate": template})
    response = await reviewer.review(scheduling={"podAnnotations": {"a": "mine"}})
    assert response.reason == Reason.CLASS_OVERRIDE_DENIED


async def test_what_the_watch_has_not_brought_yet_is_looked_up_before_a_denial(reviewer: Reviewer) -> None:
    reviewer.put("NestedDockerClass", "later", {"modes": ["Dind"]}, seen=False)
    reviewer.kube.rights.add(("use", "nesteddockerclasses", "later"))
    assert (await reviewer.review(className="later")).allowed


async def test_what_the_cluster_cannot_do_yet_is_a_warning(reviewer: Reviewer) -> None:
    response = await reviewer.review(mode="Sysbox")
    assert (response.allowed, response.reason) == (True, Reason.RUNTIME_MISSING)
    assert "RuntimeClass sysbox-runc" in response.warnings[0]


async def test_but_not_for_those_who_may_not_use_the_class(reviewer: Reviewer) -> None:
    reviewer.kube.rights.clear()
    assert not (await reviewer.review(mode="Sysbox")).allowed


@pytest.mark.parametrize(("level", "warnings"), [("Warn", 2), ("Audit", 0)])
async def test_without_enforcement_policy_and_class_are_only_told(
    reviewer: Reviewer, level: str, warnings: int
) -> None:
    reviewer.put("Namespace", "team-a", {}, labels={"nesteddocker.dev/enforcement": level})
    reviewer.put("NestedDockerPolicy", "all", GRANT | {"allowedModes": ["Sysbox"]})
    reviewer.kube.rights.clear()
    response = await reviewer.review(mode="Dind")
    assert (response.allowed, response.reason, len(response.warnings)) == (True, Reason.NOT_ENFORCED, warnings)


async def test_borrowed_rights_are_enforced_all_the_same(reviewer: Reviewer) -> None:
    reviewer.put("Namespace", "team-a", {}, labels={"nesteddocker.dev/enforcement": "Audit"})
    assert not (await reviewer.review(engine={"caBundleRef": {"name": "ca"}})).allowed


async def test_who_cannot_be_asked_about_does_not_get_in(reviewer: Reviewer) -> None:
    reviewer.kube.failure = KubeError(500, "InternalError", "no")
    with pytest.raises(KubeError):
        await reviewer.review()


async def test_the_log_line_says_who_what_where_until_when_and_by_which_word(
    reviewer: Reviewer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="nested_docker.audit")
    await reviewer.review(mode="Dind", activeDeadlineSeconds=60)
    (line,) = caplog.records
    said = {key: line.__dict__[key] for key in ("stage", "outcome", "user", "namespace", "nested_docker", "mode")}
    assert said == {
        "stage": "admission",
        "outcome": "granted",
        "user": "alice",
        "namespace": "team-a",
        "nested_docker": "build",
        "mode": "Dind",
    }
    by = {key: line.__dict__[key] for key in ("class", "class_generation", "policy", "policy_generation")}
    assert by == {"class": "standard", "class_generation": 3, "policy": "all", "policy_generation": 3}
    assert line.__dict__["lifetime_seconds"] == 60


async def test_the_reconcilers_decisions_are_noted_and_told_on(
    reviewer: Reviewer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="nested_docker.audit")
    regarding = {"namespace": "team-a", "name": "build", "uid": "u"}
    status = {"mode": "Dind", "className": "standard", "policyName": "all", "expirationTime": "2026-03-01T00:00:00Z"}
    metadata = {"name": "build", "namespace": "team-a", "uid": "u", "resourceVersion": "9"}
    reviewer.cache.put({"metadata": metadata, "status": status}, "NestedDocker")
    for reason in ("Granted", "DaemonStarting", "NotGranted"):
        reviewer.audit.record(regarding, "Normal", reason, "words")
    assert reviewer.records.events == ["Granted", "DaemonStarting", "NotGranted"]
    assert reviewer.records.counted == [
        ("reconcile", "granted", "Granted", "Dind"),
        ("reconcile", "denied", "NotGranted", "Dind"),
    ]
    assert caplog.records[0].__dict__["until"] == "2026-03-01T00:00:00Z"
