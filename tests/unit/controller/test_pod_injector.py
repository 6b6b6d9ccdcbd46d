"""The webhook for pods: whose permission counts, what is denied, and that a second call changes nothing."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.factory import DEFAULTS
from tests.unit.domain.injection.pods import Pod, patched, pod
from tests.unit.fakes import FakeClock, FakeKube

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.controller.admission_reviewer import AdmissionResponse, AdmissionReviewer, Review
from nested_docker.controller.cache import Cache
from nested_docker.controller.pod_injector import PodInjector
from nested_docker.controller.routing import Router
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.modes import dockerd
from nested_docker.domain.names import (
    ANNOTATION_GRANTED_BY,
    ANNOTATION_INJECT_CONTAINERS,
    ANNOTATION_INJECT_FORM,
    ANNOTATION_INJECTION_SIGNATURE,
    ANNOTATION_SIDECAR_SIGNATURE,
    LABEL_INJECT,
    LABEL_INJECT_FROM,
    LABEL_INJECTION_ID,
)
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason

KEY = b"k" * 32
ALICE = {"username": "alice", "groups": ["dev"]}
JOB_CONTROLLER = {"username": "system:serviceaccount:kube-system:job-controller", "groups": ["system:serviceaccounts"]}
ACCOUNT = "system:serviceaccount:team-a:ci"
OWNED = [{"kind": "Job", "name": "tests", "uid": "j", "controller": True}]
MARKS_OF_OTHERS = (
    "label nesteddocker.dev/injection-id and annotation nesteddocker.dev/injection-signature belong to another"
)


class RightsKube(FakeKube):
    """An API server at which the users in `users` may use every class."""

    def __init__(self, users: set[str]) -> None:
        super().__init__()
        self.users = users
        self.asked: list[dict[str, Any]] = []

    async def create(self, manifest: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        assert manifest["kind"] == "SubjectAccessReview", "the webhook writes nothing"
        await self._turn()
        self.asked.append(manifest["spec"])
        return {"status": {"allowed": manifest["spec"]["user"] in self.users}}


class Lab:
    """The webhook, a class, a policy and a namespace."""

    def __init__(self, *users: str) -> None:
        self.kube, self.cache, self.clock = RightsKube(set(users)), Cache(), FakeClock()
        self.recorded: list[tuple[str, bool]] = []
        self.put("Namespace", "team-a", {})
        self.put("NestedDockerClass", "standard", {"modes": ["Dind"]})
        self.put("NestedDockerPolicy", "all", {"allowedClasses": ["standard", "away"], "allowedModes": ["Dind"]})
        self.injector = self.replica()

    def replica(self, key: bytes = KEY, defaults: OperatorDefaults = DEFAULTS) -> PodInjector:
        reviewer = AdmissionReviewer(self.cache, Router(self.cache, WorkQueue()), self.kube, defaults, self._record)
        return PodInjector(reviewer, lambda: key, self.clock)

    def put(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        version = str(int(self.version_of(kind, name)) + 1)
        head = {"name": name, "uid": f"uid-{kind}-{name}", "resourceVersion": version, "generation": 1}
        spec = {"namespaceSelector": {}} | spec if kind == "NestedDockerPolicy" else spec
        obj = {"apiVersion": API_VERSION, "kind": kind, "metadata": head, "spec": spec}
        self.kube.objects[kind, "", name] = obj
        self.cache.put(obj, kind)

    def remove(self, kind: str, name: str) -> None:
        self.cache.remove(self.kube.objects.pop((kind, "", name)), kind)

    def version_of(self, kind: str, name: str) -> str:
        known = self.kube.objects.get((kind, "", name), {"metadata": {"resourceVersion": "0"}})
        return str(known["metadata"]["resourceVersion"])

    def label_namespace(self, labels: dict[str, str]) -> None:
        known = self.kube.objects["Namespace", "", "team-a"]
        newer = str(int(known["metadata"]["resourceVersion"]) + 1)
        labelled = known | {"metadata": known["metadata"] | {"labels": labels, "resourceVersion": newer}}
        self.kube.objects["Namespace", "", "team-a"] = labelled
        self.cache.put(labelled, "Namespace")

    def _record(self, review: Review, response: AdmissionResponse) -> None:
        self.recorded.append((review.obj["metadata"]["name"], response.allowed))

    async def inject(self, asking: Pod, user: dict[str, Any] | None = None) -> AdmissionResponse:
        return await self.injector.inject(Review(user or ALICE, asking))

    async def judge(self, asking: Pod, user: dict[str, Any] | None = None) -> AdmissionResponse:
        return await self.injector.judge(Review(user or ALICE, asking))

    async def injected(self, asking: Pod, user: dict[str, Any] | None = None) -> Pod:
        response = await self.inject(asking, user)
        assert response.allowed, response.message
        return patched(asking, response.patch)


def id_of(injected: Pod) -> str:
    return str(injected["metadata"]["labels"][LABEL_INJECTION_ID])


async def test_a_pod_gets_the_connection_and_nothing_is_created() -> None:
    lab = Lab("alice")
    injected = await lab.injected(pod())
    name = f"injected-{id_of(injected)}"
    build = injected["spec"]["containers"][0]
    secret = {"name": f"{name}-docker-env", "key": "DOCKER_HOST"}
    assert build["env"][0] == {"name": "DOCKER_HOST", "valueFrom": {"secretKeyRef": secret}}
    assert injected["spec"]["volumes"][0]["secret"] == {"secretName": f"{name}-docker"}
    assert lab.recorded == [(name, True)]
    assert lab.kube.writes == []


async def test_each_pod_has_another_id() -> None:
    lab = Lab("alice")
    injected = await asyncio.gather(*(lab.injected(pod()) for _ in range(50)))
    assert len({id_of(each) for each in injected}) == 50


MOUNTS = [{"name": "a", "mountPath": f"/{number:x}"} for number in range(28_000)]
DEEP = {"name": "a", "mountPath": "/a", "subPath": "a/" * 400_000}
DEEP_MOUNTS = [{"name": "a", "mountPath": f"/{number}", "subPath": "a/" * 2_000} for number in range(250)]
COPIES = ",".join(["build"] * 100_000)


@pytest.mark.parametrize(
    ("annotations", "spec"),
    [
        ({}, {"containers": [{"name": "build"}] * 70_000}),
        ({ANNOTATION_INJECT_CONTAINERS: COPIES}, {"containers": [{"name": "build"}, *([{"name": "b"}] * 30_000)]}),
        ({}, {"containers": [{"name": "build", "volumeMounts": MOUNTS}]}),
        ({}, {"containers": [{"name": "build", "volumeMounts": [DEEP]}]}),
        ({}, {"containers": [{"name": "build", "volumeMounts": DEEP_MOUNTS}]}),
        ({ANNOTATION_SIDECAR_SIGNATURE: f"v1.1.{'0' * 64}.{'[' * 500_000}{']' * 500_000}"}, {}),
    ],
    ids=["containers", "names", "mounts", "a deep path", "deep paths", "a signature"],
)
@pytest.mark.parametrize("form", ["Remote", "Sidecar"])
async def test_a_pod_of_a_megabyte_does_not_hold_up_others(
    annotations: dict[str, str], spec: dict[str, Any], form: str
) -> None:
    lab = SidecarLab("alice")
    asking = pod(annotations={ANNOTATION_INJECT_FORM: form} | annotations, **spec)
    begun = time.process_time()
    await lab.inject(asking)
    # The API server waits for five seconds, and others wait for the same process.
    assert time.process_time() - begun < 5


async def test_more_containers_than_a_node_runs_are_denied() -> None:
    lab = Lab("alice")
    response = await lab.inject(pod(containers=[{"name": f"c{number}"} for number in range(256)]))
    assert (response.allowed, response.reason) == (False, Reason.INVALID_SPEC)
    assert "257 containers would get the connection, and at most 256 can: name those" in response.message
    named = pod(
        annotations={ANNOTATION_INJECT_CONTAINERS: "c1"}, containers=[{"name": f"c{number}"} for number in range(256)]
    )
    assert (await lab.inject(named)).allowed


# --- whose permission counts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("users", "user", "owners", "allowed"),
    [
        (["alice"], ALICE, [], True),
        ([ACCOUNT], ALICE, [], True),
        ([], ALICE, [], False),
        (["system:serviceaccount:team-a:default"], ALICE, [], False),
        (["system:serviceaccount:team-b:ci"], ALICE, [], False),
        ([ACCOUNT], JOB_CONTROLLER, OWNED, True),
        ([JOB_CONTROLLER["username"]], JOB_CONTROLLER, OWNED, False),
        (["alice"], ALICE, OWNED, False),
    ],
    ids=[
        "the requester's",
        "the account's",
        "nobody's",
        "not another account's",
        "not an account's of another namespace",
        "of a Job's pod, the account's",
        "of a Job's pod, not the controller's",
        "of a pod that claims a controller, not the requester's",
    ],
)
async def test_the_permission_of_the_requester_or_of_the_account_counts(
    users: list[str], user: dict[str, Any], owners: list[dict[str, Any]], *, allowed: bool
) -> None:
    asking = pod(serviceAccountName="ci")
    asking["metadata"]["ownerReferences"] = owners
    response = await Lab(*users).inject(asking, user)
    assert (response.allowed, response.patch == ()) == (allowed, not allowed)


async def test_the_account_s_groups_count_and_a_denial_names_both() -> None:
    lab = Lab()
    response = await lab.inject(pod())
    assert (response.reason, response.message) == (
        Reason.NOT_PERMITTED,
        "spec.className: alice or system:serviceaccount:team-a:default may not use "
        "nesteddockerclasses.nesteddocker.dev standard in namespace team-a. Choose another class, or ask an admin for "
        "the permission to use it",
    )
    assert lab.kube.asked[1]["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:team-a",
        "system:authenticated",
    ]


async def test_policy_judges_as_for_any_request() -> None:
    lab = Lab("alice")
    lab.put("NestedDockerClass", "other", {"modes": ["Dind"]})
    response = await lab.inject(pod(labels={LABEL_INJECT: "other"}))
    assert (response.allowed, response.reason) == (False, Reason.NOT_GRANTED)
    assert response.message.startswith("no NestedDockerPolicy grants")
    assert "allowedClasses" in response.message


async def test_an_unknown_class_is_denied_with_the_known_ones() -> None:
    response = await Lab("alice").inject(pod(labels={LABEL_INJECT: "standrad"}))
    assert response.message == ("spec.className: NestedDockerClass standrad does not exist; existing classes: standard")


async def test_a_request_that_cannot_be_understood_is_denied() -> None:
    lab = Lab("alice")
    response = await lab.inject(pod(annotations={ANNOTATION_INJECT_CONTAINERS: "x"}))
    assert (response.allowed, response.reason) == (False, Reason.INVALID_SPEC)
    assert response.message.startswith("metadata.annotations: nesteddocker.dev/inject-containers names x")
    assert lab.kube.asked == []


async def test_without_an_answer_of_the_api_server_nothing_is_allowed() -> None:
    lab = Lab("alice")
    lab.kube.failure = KubeError(0, "NoAnswer", "down")
    with pytest.raises(KubeError):
        await lab.inject(pod())


# --- a second time ---------------------------------------------------------------------------------


async def test_a_second_call_in_the_same_request_changes_nothing() -> None:
    lab = Lab("alice")
    injected = await lab.injected(pod())
    lab.clock.seconds = 3
    response = await lab.replica().inject(Review(ALICE, injected))
    assert (response.allowed, response.patch) == (True, ())


async def test_a_second_call_gives_the_connection_to_a_new_container() -> None:
    lab = Lab("alice")
    injected = await lab.injected(pod())
    injected["spec"]["containers"].append({"name": "late"})
    again = await lab.injected(injected)
    assert id_of(again) == id_of(injected)
    assert again["spec"]["containers"][2]["env"] == again["spec"]["containers"][0]["env"]


# --- copies and forgeries ----------------------------------------------------------------------------


def copied(injected: Pod, *, without: str = "", **metadata: Any) -> Pod:
    """A new pod with the labels and annotations of another one."""
    labels = {key: value for key, value in injected["metadata"]["labels"].items() if key != without}
    annotations = {key: value for key, value in injected["metadata"]["annotations"].items() if key != without}
    made = pod(labels=labels, annotations=annotations)
    return made | {"metadata": made["metadata"] | metadata}


@pytest.mark.parametrize(
    "change",
    [
        "a minute later",
        "another user",
        "another namespace",
        "another class",
        "another id",
        "without the signature",
        "without the id",
        "another root key",
    ],
)
async def test_the_marks_of_another_pod_are_denied(change: str) -> None:
    lab = Lab("alice", "bob")
    lab.put("NestedDockerClass", "away", {"modes": ["Dind"]})
    lab.put("Namespace", "team-b", {})
    injected = await lab.injected(pod())
    copy, user = copied(injected), ALICE
    match change:
        case "a minute later":
            lab.clock.seconds = 61
        case "another user":
            user = {"username": "bob"}
        case "another namespace":
            copy = copied(injected, namespace="team-b")
        case "another class":
            copy["metadata"]["labels"][LABEL_INJECT] = "away"
        case "another id":
            copy["metadata"]["labels"][LABEL_INJECTION_ID] = "f" * 20
        case "without the signature":
            copy = copied(injected, without=ANNOTATION_INJECTION_SIGNATURE)
        case "without the id":
            copy = copied(injected, without=LABEL_INJECTION_ID)
        case "another root key":
            lab.injector = lab.replica(b"x" * 32)
    response = await lab.inject(copy, user)
    assert (response.allowed, response.reason) == (False, Reason.INVALID_SPEC)
    assert response.message == (
        f"metadata: {MARKS_OF_OTHERS} pod: remove both, the volume, the mounts and the variables that came with them "
        "from your pod or pod template; each pod gets its own"
    )


async def test_a_deployment_s_template_with_a_fixed_id_is_denied() -> None:
    lab = Lab(ACCOUNT)
    template = copied(await lab.injected(pod(serviceAccountName="ci")), ownerReferences=OWNED)
    response = await lab.inject(template, {"username": "system:serviceaccount:kube-system:replicaset-controller"})
    assert not response.allowed
    assert MARKS_OF_OTHERS in response.message


# --- what would be stored, after all mutating webhooks ---------------------------------------------------


async def test_a_pod_as_the_webhook_has_made_it_is_allowed_and_gets_no_second_warning() -> None:
    lab = Lab("alice")
    response = await lab.judge(await lab.injected(pod()))
    assert (response.allowed, response.patch, response.warnings) == (True, (), ())


async def test_a_label_that_another_webhook_adds_later_is_denied_whoever_may_use_the_class() -> None:
    for users in ((), ("alice",)):
        response = await Lab(*users).judge(pod())
        assert (response.allowed, response.reason) == (False, Reason.INVALID_SPEC)
        assert response.message.startswith(f"metadata.labels: {LABEL_INJECT} was not there yet when the webhook of")


@pytest.mark.parametrize("form", ["Remote", "Sidecar"])
async def test_a_class_that_is_deleted_between_the_two_webhooks_is_named(form: str) -> None:
    lab = SidecarLab("alice")
    injected = await lab.injected(pod(annotations={ANNOTATION_INJECT_FORM: form}))
    lab.remove("NestedDockerClass", "standard")
    response = await lab.judge(injected)
    assert (response.allowed, response.reason) == (False, Reason.CLASS_NOT_FOUND)
    assert response.message.startswith("spec.className: NestedDockerClass standard does not exist")


@pytest.mark.parametrize("form", ["Remote", "Sidecar"])
async def test_a_container_that_another_webhook_renames_is_missed_by_name(form: str) -> None:
    lab = SidecarLab("alice")
    asking = pod(annotations={ANNOTATION_INJECT_FORM: form, ANNOTATION_INJECT_CONTAINERS: "build"})
    injected = await lab.injected(asking)
    injected["spec"]["containers"][0]["name"] = "renamed"
    for response in (await lab.inject(injected), await lab.judge(injected)):
        assert (response.allowed, response.reason) == (False, Reason.INVALID_SPEC)
        assert "names build, and the pod has only the containers" in response.message


async def test_the_permission_counts_of_the_account_and_the_user_that_are_stored() -> None:
    lab = Lab(ACCOUNT)
    injected = await lab.injected(pod(serviceAccountName="ci"))
    injected["spec"]["serviceAccountName"] = "other"
    response = await lab.judge(injected)
    assert (response.allowed, response.reason) == (False, Reason.NOT_PERMITTED)


async def test_a_signature_that_was_made_for_false_groups_is_not_enough() -> None:
    """Anyone can send a review to the webhook's port, with groups of his choice."""
    lab = Lab("alice")
    injected = await lab.injected(pod())
    lab.kube.users = set()
    assert (await lab.judge(injected)).reason == Reason.NOT_PERMITTED


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("volume", "spec.volumes: "),
        ("mount", "spec.containers.0.volumeMounts: "),
        ("variables", "spec.containers.0.env: "),
        ("gate", "spec.schedulingGates: "),
        ("container", "spec.containers.2.env, spec.containers.2.volumeMounts: "),
    ],
)
async def test_what_another_webhook_takes_out_is_named(what: str, message: str) -> None:
    lab = Lab("alice")
    injected = await lab.injected(pod())
    spec = injected["spec"]
    match what:
        case "volume":
            spec["volumes"] = []
        case "mount":
            spec["containers"][0]["volumeMounts"] = []
        case "variables":
            del spec["containers"][0]["env"]
        case "gate":
            spec["schedulingGates"] = []
        case "container":
            spec["containers"].append({"name": "late"})
    response = await lab.judge(injected)
    assert (response.allowed, response.reason) == (False, Reason.INVALID_SPEC)
    assert response.message.startswith(f"{message}another mutating webhook has taken out")
    assert "exempt pods with the label nesteddocker.dev/inject from that webhook" in response.message


@pytest.mark.parametrize("change", ["id", "signature", "class", "user", "time"])
async def test_marks_that_do_not_hold_for_what_is_stored_are_denied(change: str) -> None:
    lab = Lab("alice", "bob")
    lab.put("NestedDockerClass", "away", {"modes": ["Dind"]})
    injected = await lab.injected(pod())
    labels, user = injected["metadata"]["labels"], ALICE
    match change:
        case "id":
            labels[LABEL_INJECTION_ID] = "f" * 20
        case "signature":
            del injected["metadata"]["annotations"][ANNOTATION_INJECTION_SIGNATURE]
        case "class":
            labels[LABEL_INJECT] = "away"
        case "user":
            user = {"username": "bob"}
        case "time":
            lab.clock.seconds = 61
    response = await lab.judge(injected, user)
    assert not response.allowed
    assert MARKS_OF_OTHERS in response.message


# --- the connection of another daemon -----------------------------------------------------------------


async def test_a_pod_gets_the_connection_of_another_daemon_and_no_marks() -> None:
    lab = Lab()
    lab.cache.put({"metadata": {"name": "build", "namespace": "team-a", "resourceVersion": "1"}}, "NestedDocker")
    asking = pod(labels={LABEL_INJECT_FROM: "build"})
    response = await lab.inject(asking)
    assert (response.allowed, response.warnings, lab.kube.asked, lab.recorded) == (True, (), [], [])
    injected = patched(asking, response.patch)
    assert injected["metadata"] == asking["metadata"]
    assert injected["spec"]["volumes"] == [{"name": "nested-docker", "secret": {"secretName": "build-docker"}}]
    host, *_, override = injected["spec"]["containers"][0]["env"]
    assert host["valueFrom"] == {"secretKeyRef": {"name": "build-docker-env", "key": "DOCKER_HOST"}}
    assert (override["name"], override["valueFrom"]["secretKeyRef"]["optional"]) == (
        "TESTCONTAINERS_HOST_OVERRIDE",
        True,
    )
    again = await lab.inject(injected)
    assert again.patch == ()


async def test_a_pod_may_come_before_the_other_daemon() -> None:
    response = await Lab().inject(pod(labels={LABEL_INJECT_FROM: "build"}))
    assert response.warnings == ("NestedDocker build does not exist in namespace team-a yet: the pod waits for it",)


@pytest.mark.parametrize("labels", [{LABEL_INJECT: "standard"}, {LABEL_INJECT_FROM: "build"}], ids=["own", "shared"])
async def test_a_pod_that_asks_public_name_servers_is_warned(labels: dict[str, str]) -> None:
    """As the pods of agent-sandbox's SandboxTemplates do by default."""
    asking = pod(labels=labels, dnsPolicy="None", dnsConfig={"nameservers": ["8.8.8.8"]})
    response = await Lab("alice").inject(asking)
    assert response.allowed
    assert response.warnings[-1].startswith("spec.dnsPolicy is None: ")


async def test_a_daemon_in_the_pod_needs_no_name() -> None:
    lab = Lab("alice")
    lab.put("NestedDockerClass", "standard", {"modes": ["Dind"], "injection": {"forms": ["Sidecar"]}})
    response = await lab.inject(pod(dnsPolicy="None", dnsConfig={"nameservers": ["8.8.8.8"]}))
    assert response.allowed, response.message
    assert not [warning for warning in response.warnings if "dnsPolicy" in warning]


async def test_the_marks_of_another_pod_are_denied_beside_the_connection_of_another_daemon() -> None:
    lab = Lab("alice")
    injected = await lab.injected(pod())
    copy = copied(injected, without=LABEL_INJECT)
    copy["metadata"]["labels"][LABEL_INJECT_FROM] = "build"
    response = await lab.inject(copy)
    assert not response.allowed
    assert MARKS_OF_OTHERS in response.message


# --- a daemon as a sidecar --------------------------------------------------------------------------

SIDECAR = {ANNOTATION_INJECT_FORM: "Sidecar"}


class SidecarLab(Lab):
    """The webhook, with a class that offers both forms."""

    def __init__(self, *users: str, **fields: Any) -> None:
        super().__init__(*users)
        offered: dict[str, Any] = {"modes": ["Dind"], "injection": {"forms": ["Remote", "Sidecar"]}}
        self.put("NestedDockerClass", "standard", offered | fields)


def marks_of(injected: Pod) -> dict[str, str]:
    """The annotations of a pod with a sidecar, which policy `all` grants."""
    signature = injected["metadata"]["annotations"][ANNOTATION_SIDECAR_SIGNATURE]
    return SIDECAR | {ANNOTATION_GRANTED_BY: "all", ANNOTATION_SIDECAR_SIGNATURE: signature}


async def test_a_pod_gets_a_sidecar_and_no_id() -> None:
    lab = SidecarLab("alice")
    injected = await lab.injected(pod(annotations=SIDECAR))
    assert injected["spec"]["initContainers"][0]["name"] == "nested-docker"
    assert injected["metadata"] == pod(annotations=marks_of(injected))["metadata"]
    assert lab.kube.writes == []
    assert (await lab.inject(injected)).patch == ()
    assert (await lab.judge(injected)).allowed


@pytest.mark.parametrize("form", ["Remote", "Sidecar"])
async def test_a_policy_with_names_must_name_those_of_injected_daemons(form: str) -> None:
    lab = SidecarLab("alice")
    asking = pod(annotations={ANNOTATION_INJECT_FORM: form})
    granted: dict[str, Any] = {"allowedClasses": ["standard"], "allowedModes": ["Dind"]}
    lab.put("NestedDockerPolicy", "all", granted | {"allowedNames": ["ci-*", "injected-*"]})
    injected = await lab.injected(asking)
    assert (await lab.judge(injected)).allowed
    lab.put("NestedDockerPolicy", "all", granted | {"allowedNames": ["ci-*"]})
    for response in (await lab.inject(asking), await lab.judge(injected)):
        assert (response.allowed, response.reason) == (False, Reason.NOT_GRANTED)
        assert "metadata.name is injected-" in response.message
        assert "allowedNames has ci-*" in response.message
        assert "put `allowedNames: 'injected-*'` into NestedDockerPolicy all" in response.message


async def test_without_the_annotation_the_first_form_of_the_class_counts() -> None:
    assert LABEL_INJECTION_ID in (await SidecarLab("alice").injected(pod()))["metadata"]["labels"]
    lab = SidecarLab("alice", injection={"forms": ["Sidecar"]})
    injected = await lab.injected(pod())
    assert injected["spec"]["initContainers"][0]["name"] == "nested-docker"
    assert injected["metadata"]["annotations"] == marks_of(injected)


async def test_a_policy_that_comes_between_the_two_webhooks_denies_no_pod() -> None:
    lab = SidecarLab("alice")
    injected = await lab.injected(pod(annotations=SIDECAR))
    lab.put("NestedDockerPolicy", "aaa", {"allowedClasses": ["standard"], "allowedModes": ["Dind"]})
    assert (await lab.judge(injected)).allowed


async def test_nobody_names_the_policy_that_grants_a_sidecar() -> None:
    lab = SidecarLab("alice")
    injected = await lab.injected(pod(annotations=SIDECAR | {ANNOTATION_GRANTED_BY: "of-others"}))
    assert injected["metadata"]["annotations"][ANNOTATION_GRANTED_BY] == "all"
    injected["metadata"]["annotations"][ANNOTATION_GRANTED_BY] = "of-others"
    assert not (await lab.judge(injected)).allowed


async def test_a_class_that_a_watch_has_not_shown_yet_is_read() -> None:
    lab = Lab("alice")
    name = "NestedDockerClass", "", "standard"
    offered = {"modes": ["Dind"], "injection": {"forms": ["Sidecar"]}}
    known = lab.kube.objects[name]
    lab.kube.objects[name] = known | {"spec": offered, "metadata": known["metadata"] | {"resourceVersion": "2"}}
    assert (await lab.inject(pod(annotations=SIDECAR))).allowed


@pytest.mark.parametrize(("users", "reason"), [((), Reason.NOT_PERMITTED), (("alice",), Reason.NOT_GRANTED)])
async def test_a_sidecar_is_judged_as_any_daemon(users: tuple[str, ...], reason: Reason) -> None:
    lab = SidecarLab(*users)
    if users:
        terms = {"allowedClasses": ["standard"], "allowedModes": ["Dind"], "max": {"memory": "1Gi"}}
        lab.put("NestedDockerPolicy", "all", terms)
    response = await lab.inject(pod(annotations=SIDECAR))
    assert (response.allowed, response.reason, response.patch) == (False, reason, ())


@pytest.mark.parametrize("level", ["baseline", "restricted"])
async def test_the_pod_security_level_is_judged_before(level: str) -> None:
    lab = SidecarLab("alice", modes=["Dind", "Rootless"])
    lab.put("NestedDockerPolicy", "all", {"allowedClasses": ["standard"], "allowedModes": ["Dind", "Rootless"]})
    lab.label_namespace({"pod-security.kubernetes.io/enforce": level})
    response = await lab.inject(pod(annotations=SIDECAR))
    assert (response.allowed, response.reason) == (False, Reason.POD_SECURITY_DENIED)
    assert f"Pod Security level {level}" in response.message
    assert "securityContext.privileged: true on container daemon" in response.message
    assert "Other modes need form Remote" in response.message


async def test_a_daemon_that_could_only_be_waited_for_is_denied() -> None:
    lab = SidecarLab("alice", modes=["HostSocket"])
    response = await lab.inject(pod(annotations=SIDECAR))
    assert (response.allowed, response.reason) == (False, Reason.INVALID_SPEC)
    assert "choose a class with mode Dind" in response.message


async def test_a_sidecar_and_marks_of_another_form_are_denied() -> None:
    lab = SidecarLab("alice")
    injected = await lab.injected(pod())
    injected["metadata"]["annotations"] |= SIDECAR
    response = await lab.inject(injected)
    assert MARKS_OF_OTHERS in response.message


@pytest.mark.parametrize("asking", [pod(annotations=SIDECAR), pod(labels={LABEL_INJECT_FROM: "build"})])
async def test_a_gate_that_nobody_opens_is_denied(asking: Pod) -> None:
    asking["spec"]["schedulingGates"] = [{"name": "kueue.x-k8s.io/admission"}]
    lab = SidecarLab("alice")
    assert (await lab.inject(asking)).allowed
    asking["spec"]["schedulingGates"].append({"name": "nesteddocker.dev/daemon"})
    response = await lab.inject(asking)
    assert (response.allowed, response.reason) == (False, Reason.INVALID_SPEC)
    assert "spec.schedulingGates: the operator opens nesteddocker.dev/daemon only for" in response.message


async def test_a_pod_whose_sidecar_another_webhook_has_removed_is_not_stored() -> None:
    lab = SidecarLab("alice", injection={"forms": ["Sidecar"]})
    injected = await lab.injected(pod())
    del injected["spec"]["initContainers"][0]
    for kept in (SIDECAR, {}):
        injected["metadata"]["annotations"] = kept
        response = await lab.judge(injected)
        assert (response.allowed, response.reason) == (False, Reason.INVALID_SPEC)
        assert "another admission webhook has removed or changed" in response.message


async def test_a_pod_with_an_id_stays_remote_when_its_class_has_another_first_form() -> None:
    lab = SidecarLab("alice", injection={"forms": ["Sidecar", "Remote"]})
    injected = await lab.injected(pod(annotations={ANNOTATION_INJECT_FORM: "Remote"}))
    del injected["metadata"]["annotations"][ANNOTATION_INJECT_FORM]
    assert (await lab.judge(injected)).allowed


# --- replicas that differ -----------------------------------------------------------------------------

LARGE = {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "64Gi"}}}
SMALL = {"resources": {"limits": {"memory": "1Gi"}}}
OFFERED = {"modes": ["Dind"], "injection": {"forms": ["Remote", "Sidecar"]}}
GRANTED: dict[str, Any] = {"allowedClasses": ["standard", "large"], "allowedModes": ["Dind"]}


def upgraded(lab: Lab) -> None:
    """From now on a replica answers that has another image and another start script."""
    lab.injector = lab.replica(defaults=replace(DEFAULTS, engine_image="docker:30-dind", image_pull_policy="Always"))


def replaced_policy(lab: Lab) -> None:
    lab.remove("NestedDockerPolicy", "all")
    lab.put("NestedDockerPolicy", "other", GRANTED)


CHANGES: dict[str, Callable[[Lab], None]] = {
    "other settings of the operator": upgraded,
    "lower limits": lambda lab: lab.put("NestedDockerClass", "standard", OFFERED | SMALL),
    "other variables": lambda lab: lab.put("NestedDockerClass", "standard", OFFERED | {"engine": {"mtu": 1400}}),
    "another size of the data": lambda lab: lab.put(
        "NestedDockerClass", "standard", OFFERED | {"storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "1Gi"}}}
    ),
    "a certificate authority": lambda lab: lab.put(
        "NestedDockerClass", "standard", OFFERED | {"engine": {"caBundleRef": {"name": "authorities", "key": "ca.crt"}}}
    ),
    "another policy": replaced_policy,
}


@pytest.fixture(params=[*CHANGES, "another start script"])
def change(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Lab], None]:
    """What differs between the replica that adds the daemon and the one that judges the pod."""
    if request.param in CHANGES:
        return CHANGES[request.param]
    return lambda _lab: monkeypatch.setattr(dockerd, "START_SCRIPT", "the script of another release")


async def test_a_replica_that_would_add_another_daemon_denies_no_pod(change: Callable[[Lab], None]) -> None:
    lab = SidecarLab("alice", **LARGE)
    injected = await lab.injected(pod(annotations=SIDECAR))
    change(lab)
    other = await lab.injected(pod(annotations=SIDECAR))
    assert other["metadata"]["annotations"] != injected["metadata"]["annotations"]
    again = await lab.inject(injected)
    assert (again.allowed, again.patch) == (True, ()), "the daemon stays as it was added"
    response = await lab.judge(injected)
    assert response.allowed, response.message


async def test_a_replica_that_is_asked_again_adds_what_is_missing_and_keeps_the_rest(
    change: Callable[[Lab], None],
) -> None:
    lab = SidecarLab("alice", **LARGE)
    injected = await lab.injected(pod(annotations=SIDECAR))
    daemon = copy.deepcopy(injected["spec"]["initContainers"][0])
    change(lab)
    injected["spec"]["containers"].append({"name": "late"})
    injected["spec"]["initContainers"][0] |= {"image": "evil:1", "args": ["--insecure"]}
    injected["spec"]["initContainers"][0]["env"].append({"name": "OTEL", "value": "x"})
    again = await lab.injected(injected)
    assert again["spec"]["initContainers"][0] == daemon | {"env": injected["spec"]["initContainers"][0]["env"]}
    assert again["spec"]["containers"][2]["env"] == again["spec"]["containers"][0]["env"]
    assert (await lab.judge(again)).allowed


def _more_memory(daemon: dict[str, Any]) -> None:
    daemon["resources"]["limits"]["memory"] = "65Gi"


def _another_argument(daemon: dict[str, Any]) -> None:
    daemon["args"].append("--host=tcp://0.0.0.0:2375")


def _another_image(daemon: dict[str, Any]) -> None:
    daemon["image"] = "evil:1"


def _another_script(daemon: dict[str, Any]) -> None:
    daemon["command"] = ["/bin/sh", "-c", "evil"]


def _another_setting(daemon: dict[str, Any]) -> None:
    daemon["env"].append({"name": "NESTED_DOCKER_MTU", "value": "9000"})


def _a_hook(daemon: dict[str, Any]) -> None:
    daemon["lifecycle"] = {"postStart": {"exec": {"command": ["evil"]}}}


def _not_first(daemon: dict[str, Any]) -> None:
    daemon["restartPolicy"] = None


@pytest.mark.parametrize(
    "attack",
    [_more_memory, _another_argument, _another_image, _another_script, _another_setting, _a_hook, _not_first],
)
@pytest.mark.parametrize("is_upgraded", [False, True])
async def test_what_changes_after_the_signature_is_denied(
    attack: Callable[[dict[str, Any]], None], is_upgraded: bool
) -> None:
    lab = SidecarLab("alice", **LARGE)
    injected = await lab.injected(pod(annotations=SIDECAR))
    if is_upgraded:
        upgraded(lab)
    assert (await lab.judge(injected)).allowed
    attack(injected["spec"]["initContainers"][0])
    assert not (await lab.judge(injected)).allowed


def copied_sidecar(injected: Pod, class_name: str = "standard", **metadata: Any) -> Pod:
    """A new pod with the daemon and the annotations of another one."""
    copy_ = copy.deepcopy(injected)
    copy_["metadata"] |= metadata
    copy_["metadata"]["labels"][LABEL_INJECT] = class_name
    return copy_


def a_minute_later(lab: Lab, injected: Pod) -> Pod:
    lab.clock.seconds += 61
    return injected


def with_another_key(lab: Lab, injected: Pod) -> Pod:
    lab.injector = lab.replica(key=b"K" * 32)
    return injected


@pytest.mark.parametrize(
    ("change", "user"),
    [
        (lambda _lab, injected: copied_sidecar(injected, "standard"), ALICE),
        (lambda _lab, injected: copied_sidecar(injected, "large", namespace="team-b"), ALICE),
        (lambda _lab, injected: copied_sidecar(injected, "large"), {"username": "bob"}),
        (a_minute_later, ALICE),
        (with_another_key, ALICE),
    ],
    ids=["the limits of another class", "another namespace", "another user", "a minute later", "another root key"],
)
async def test_a_copied_signature_gives_nobody_more_than_the_class_does(
    change: Callable[[Lab, Pod], Pod], user: dict[str, Any]
) -> None:
    """The container of the copy has the class's limits again, or else is not stored."""
    lab = SidecarLab("alice", "bob", **SMALL)
    lab.put("Namespace", "team-b", {})
    lab.put("NestedDockerPolicy", "all", GRANTED)
    lab.put("NestedDockerClass", "large", OFFERED | LARGE)
    injected = await lab.injected(pod(labels={LABEL_INJECT: "large"}, annotations=SIDECAR))
    lab.put("NestedDockerClass", "large", OFFERED | SMALL)
    assert (await lab.judge(injected)).allowed, "a moment ago the class gave it"
    copy_ = change(lab, injected)
    assert not (await lab.judge(copy_, user)).allowed
    repaired = await lab.injected(copy_, user)
    assert repaired["spec"]["initContainers"][0]["resources"]["limits"] == {"memory": "1Gi"}
    assert (await lab.judge(repaired, user)).allowed


@pytest.mark.parametrize(
    "revoke",
    [
        lambda lab: lab.kube.users.clear(),
        lambda lab: lab.put("NestedDockerPolicy", "all", GRANTED | {"allowedClasses": ["large"]}),
        lambda lab: lab.put("NestedDockerClass", "standard", OFFERED | {"injection": {"forms": ["Remote"]}}),
        lambda lab: lab.put("NestedDockerClass", "standard", OFFERED | {"podNamespace": "elsewhere"}),
        lambda lab: lab.label_namespace({"pod-security.kubernetes.io/enforce": "baseline"}),
    ],
    ids=["the permission", "the policy", "the form", "a class for pods elsewhere", "the Pod Security level"],
)
async def test_a_signature_grants_nothing(revoke: Callable[[Lab], None]) -> None:
    lab = SidecarLab("alice")
    injected = await lab.injected(pod(annotations=SIDECAR))
    revoke(lab)
    assert not (await lab.judge(injected)).allowed
    assert not (await lab.inject(injected)).allowed
