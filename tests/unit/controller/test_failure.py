"""A request that fails: the status says which one, what the API server said, and what to do; Ready is not believed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.unit.fakes import KEY, WatchedKube
from tests.unit.lab import Lab

from nested_docker.controller.failure import RequestFailed, requesting
from nested_docker.domain.names import FINALIZER
from nested_docker.domain.objects import Identity
from nested_docker.domain.ports import KubeError

Manifest = dict[str, Any]

WEBHOOK = KubeError(500, "InternalError", 'failed calling webhook "mutate.kyverno.svc": Post "https://kyverno": EOF')
ERRORS: dict[str, tuple[KubeError, str]] = {
    "webhook that does not answer": (WEBHOOK, 'said: failed calling webhook "mutate.kyverno.svc": Post'),
    "server error": (KubeError(503, "ServiceUnavailable", "etcd has no leader."), "said: etcd has no leader)"),
    "conflict": (KubeError(409, "Conflict", "the object has been modified"), "said: the object has been modified)"),
    "overload": (KubeError(429, "TooManyRequests", "too many requests"), "said: too many requests)"),
    "timeout": (KubeError(0, "NoAnswer", "POST /api: TimeoutError"), "(no answer: POST /api: TimeoutError)"),
    "reset": (KubeError(0, "NoAnswer", "POST /api: Connection reset by peer"), "Connection reset by peer)"),
}
FORBIDDEN = KubeError(403, "Forbidden", "pods is forbidden: User operator cannot delete resource pods")


class FailingKube(WatchedKube):
    """An API server that fails some requests.

    Attributes:
        failures: what each request fails with, by verb and kind.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, KubeError] = {}

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        self._fail("create", manifest["kind"])
        return await super().create(manifest, dry_run=dry_run)

    async def apply(self, manifest: Manifest) -> Manifest:
        self._fail("update", manifest["kind"])
        return await super().apply(manifest)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        self._fail("status", manifest["kind"])
        return await super().apply_status(manifest)

    async def set_finalizers(self, manifest: Manifest) -> Manifest:
        self._fail("update", manifest["kind"])
        return await super().set_finalizers(manifest)

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        self._fail("read", kind)
        return await super().get(kind, namespace, name)

    async def list(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Manifest]:
        self._fail("list", kind)
        return await super().list(kind, namespace, labels=labels, fields=fields)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        self._fail("delete", kind)
        await super().delete(kind, namespace, name, uid)

    def _fail(self, verb: str, kind: str) -> None:
        if f"{verb} {kind}" in self.failures:
            raise self.failures[f"{verb} {kind}"]


@pytest.fixture
def kube() -> FailingKube:
    return FailingKube()


@pytest.fixture
async def lab(kube: FailingKube) -> Lab:
    return Lab(kube)


def told(lab: Lab) -> str:
    """The message of Ready, after a check that it is False, is retried, and equals that of Provisioned."""
    found = lab.kube.conditions()
    assert lab.ready() == ("False", "RequestFailed"), found
    assert found["Reconciling"]["status"] == "True"
    assert "Stalled" not in found
    assert (found["Provisioned"]["status"], found["Provisioned"]["message"]) == ("False", found["Ready"]["message"])
    return str(found["Ready"]["message"])


async def heals(lab: Lab, kube: FailingKube) -> None:
    """Without the failure it becomes ready, and then nothing is written any more."""
    kube.failures.clear()
    await lab.passes(4, seconds=30)
    assert lab.ready() == ("True", "Ready")
    before = [*kube.writes]
    await lab.passes(1)
    assert kube.writes == before


CREATED = {
    "Pod": "Pod build-",
    "Service": "Service build in",
    "Secret": "the Secret with the daemon's keys in",
    "NetworkPolicy": "NetworkPolicy build in",
    "PersistentVolumeClaim": "PersistentVolumeClaim build-data in",
}


@pytest.mark.parametrize("kind", CREATED)
@pytest.mark.parametrize(("error", "words"), ERRORS.values(), ids=ERRORS)
async def test_a_new_one_says_what_cannot_be_created(
    lab: Lab, kube: FailingKube, kind: str, error: KubeError, words: str
) -> None:
    kube.failures = {f"create {kind}": error}
    await lab.passes(2)
    message = told(lab)
    assert message.startswith(f"the operator cannot create {CREATED[kind]}")
    assert words in message
    assert lab.kube.conditions()["Accepted"]["status"] == "True"
    await heals(lab, kube)


@pytest.mark.parametrize("kind", ["Service", "NetworkPolicy"])
async def test_a_correction_that_fails(lab: Lab, kube: FailingKube, kind: str) -> None:
    await lab.passes(3)
    kube.failures = {f"update {kind}": WEBHOOK}
    obj = kube.objects[kind, "team-a", "build"]
    kube.again(obj | {"metadata": obj["metadata"] | {"labels": {"nesteddocker.dev/name": "build"}}})
    await lab.passes(1)
    assert told(lab).startswith(f"the operator cannot update {kind} build in namespace team-a (the API server said:")
    await heals(lab, kube)


@pytest.mark.parametrize("kind", ["Secret", "Pod"])
@pytest.mark.parametrize(("error", "words"), ERRORS.values(), ids=ERRORS)
async def test_ready_is_not_true_without_a_pod(
    lab: Lab, kube: FailingKube, kind: str, error: KubeError, words: str
) -> None:
    """Case by case what was reported: the daemon's pod is deleted while a webhook on pods or Secrets is dead."""
    await lab.passes(3)
    assert lab.ready() == ("True", "Ready")
    kube.failures = {f"create {kind}": error}
    (pod,) = lab.pods()
    kube._drop(("Pod", "team-a", pod["metadata"]["name"]))
    await lab.passes(3)
    assert lab.pods() == []
    assert words in told(lab)
    await heals(lab, kube)


async def test_ready_is_not_true_for_the_pod_of_an_old_spec(lab: Lab, kube: FailingKube) -> None:
    await lab.passes(3)
    kube.failures = {"create Pod": WEBHOOK}
    lab.change(engine={"mtu": 1300})
    await lab.passes(2, seconds=30)
    assert "the operator cannot create Pod build-" in told(lab)
    status = kube.objects["NestedDocker", *KEY]["status"]
    assert status["observedGeneration"] == 2
    await heals(lab, kube)


DELETED = ["Secret", "Service", "NetworkPolicy", "Pod"]


@pytest.mark.parametrize("kind", DELETED)
@pytest.mark.parametrize("error", [FORBIDDEN, WEBHOOK, ERRORS["timeout"][0]], ids=["403", "500", "timeout"])
async def test_what_cannot_be_stopped_is_not_called_suspended(
    lab: Lab, kube: FailingKube, kind: str, error: KubeError
) -> None:
    await lab.passes(3)
    kube.failures = {f"delete {kind}": error}
    lab.change(suspend=True)
    await lab.passes(2)
    assert told(lab).startswith(f"the operator cannot delete {kind} build")
    kube.failures.clear()
    await lab.passes(1)
    assert lab.ready() == ("False", "Suspended")


async def test_what_is_denied_and_cannot_be_removed_says_both(lab: Lab, kube: FailingKube) -> None:
    await lab.passes(3)
    kube.failures = {"delete Pod": FORBIDDEN}
    lab.change(className="another")
    await lab.passes(2)
    found = kube.conditions()
    assert (found["Accepted"]["status"], found["Provisioned"]["reason"]) == ("False", "RequestFailed")
    assert "A cluster admin gives the operator the permission to delete this Pod" in found["Provisioned"]["message"]
    kube.failures.clear()
    await lab.passes(1)
    assert "Provisioned" not in kube.conditions()


async def test_a_deadline_that_cannot_be_enforced_is_no_end(lab: Lab, kube: FailingKube) -> None:
    lab.change(activeDeadlineSeconds=60)
    await lab.passes(3)
    kube.failures = {"delete Pod": FORBIDDEN}
    await lab.passes(2, seconds=60)
    assert "the operator cannot delete Pod build-" in told(lab)
    assert "completionTime" not in kube.objects["NestedDocker", *KEY]["status"]
    kube.failures.clear()
    await lab.passes(1)
    assert lab.ready() == ("False", "DeadlineExceeded")


async def test_what_completed_is_complete_though_its_rest_cannot_be_removed(lab: Lab, kube: FailingKube) -> None:
    grant = kube.objects["NestedDockerPolicy", "", "all"]
    kube.again(grant | {"spec": grant["spec"] | {"workload": {"allowed": True, "images": {"patterns": ["**"]}}}})
    lab.change(workload={"restartPolicy": "Never", "containers": [{"name": "builder", "image": "docker:29-cli"}]})
    await lab.passes(3)
    (pod,) = lab.pods()
    ended = {"name": "builder", "state": {"terminated": {"exitCode": 0}}}
    kube.again(pod | {"status": pod["status"] | {"phase": "Succeeded", "containerStatuses": [ended]}})
    kube.failures = {"delete Service": WEBHOOK}
    await lab.passes(2)
    found = kube.conditions()
    assert (lab.ready(), found["Complete"]["status"]) == (("True", "Completed"), "True")
    assert "cannot delete Service build" in found["Provisioned"]["message"]
    kube.again(grant | {"spec": grant["spec"] | {"allowedClasses": ["other"]}})
    await lab.passes(2)
    assert "cannot delete Service build" in kube.conditions()["Provisioned"]["message"], "without a grant as well"
    kube.failures.clear()
    await lab.passes(2)
    found = kube.conditions()
    assert (lab.ready(), found["Complete"]["status"]) == (("True", "Completed"), "True")
    assert "Provisioned" not in found


async def test_a_finished_one_that_cannot_be_deleted(lab: Lab, kube: FailingKube) -> None:
    lab.change(activeDeadlineSeconds=10, ttlSecondsAfterFinished=30)
    await lab.passes(4, seconds=6)
    assert lab.ready() == ("False", "DeadlineExceeded")
    kube.failures = {"delete NestedDocker": WEBHOOK}
    await lab.passes(2, seconds=60)
    message = kube.conditions()["Provisioned"]["message"]
    assert message.startswith("the operator cannot delete NestedDocker build in namespace team-a")


@pytest.mark.parametrize("error", [FORBIDDEN, WEBHOOK], ids=["403", "500"])
async def test_a_deletion_says_what_it_waits_for(lab: Lab, kube: FailingKube, error: KubeError) -> None:
    obj = kube.objects["NestedDocker", *KEY]
    kube.again(obj | {"metadata": obj["metadata"] | {"finalizers": [FINALIZER, "theirs.example.com/x"]}})
    await lab.passes(3)
    kube.failures = {"delete Pod": error}
    kube.mark_deleted()
    await lab.passes(2)
    assert told(lab).startswith("deletion waits: the operator cannot delete Pod build-")


async def test_the_namespace_that_cannot_be_read(lab: Lab, kube: FailingKube) -> None:
    kube.cache.remove(kube.objects["Namespace", "", "team-a"], "Namespace")
    kube.failures = {"read Namespace": FORBIDDEN}
    await lab.passes(1)
    found = kube.conditions()
    assert found["Ready"]["status"] == "False"
    assert "the operator cannot read Namespace team-a (" in found["Provisioned"]["message"]


async def test_a_key_set_that_cannot_be_read_for_the_probe(lab: Lab, kube: FailingKube) -> None:
    await lab.reconcile()
    lab.restart()
    kube.failures = {"read Secret": FORBIDDEN}
    await lab.passes(1)
    await lab.passes(1)
    before = [*kube.writes]
    assert re.search(r"the operator cannot read Secret build-[0-9a-f]{5}-tls in namespace team-a", told(lab))
    await lab.passes(3)
    assert kube.writes == before, "the status changes with every pass"
    await heals(lab, kube)


@pytest.mark.parametrize("name", ["conflict", "overload"])
async def test_one_conflict_is_no_news(lab: Lab, kube: FailingKube, name: str) -> None:
    await lab.passes(3)
    kube.failures = {"update Service": ERRORS[name][0]}
    obj = kube.objects["Service", "team-a", "build"]
    kube.again(obj | {"metadata": obj["metadata"] | {"labels": {"nesteddocker.dev/name": "build"}}})
    await lab.passes(1)
    assert lab.ready() == ("True", "Ready")
    await lab.passes(1)
    assert "If it lasts" in told(lab)


async def test_the_same_failure_is_written_and_reported_once(lab: Lab, kube: FailingKube) -> None:
    kube.failures = {"create Pod": WEBHOOK}
    await lab.passes(2)
    before = [*kube.writes]
    for _ in range(4):
        failed = await lab.reconcile()
        assert isinstance(failed, RequestFailed), "the workers must back off"
    assert [write for write in kube.writes[len(before) :] if write.startswith("status")] == []
    assert [(type_, reason) for type_, reason, _ in lab.events if reason == "RequestFailed"] == [
        ("Warning", "RequestFailed")
    ]


async def test_the_first_failure_is_raised_if_the_status_cannot_be_written_either(lab: Lab, kube: FailingKube) -> None:
    kube.failures = {"create Pod": WEBHOOK, "status NestedDocker": ERRORS["timeout"][0]}
    failed = await lab.reconcile()
    assert isinstance(failed, RequestFailed)
    assert (failed.status, failed.identity.kind) == (500, "Pod")


REMEDIES = {
    500: ('failed calling webhook "a.b"', "starts the server of admission webhook a.b again, or excludes namespace ns"),
    403: ('admission webhook "a.b" denied the request: no', "exempts this Pod from admission webhook a.b"),
    409: ("modified", "--show-managed-fields"),
    422: ("invalid", "looks at what the answer names"),
}


@pytest.mark.parametrize(("status", "case"), REMEDIES.items())
def test_remedies(status: int, case: tuple[str, str]) -> None:
    message, remedy = case
    failed = RequestFailed("delete", Identity("Pod", "ns", "x"), KubeError(status, "Reason", message))
    assert failed.description.startswith(
        f"the operator cannot delete Pod x in namespace ns (the API server said: {message})"
    )
    assert remedy in failed.description


def test_the_request_that_failed_first_is_named() -> None:
    pod, service = Identity("Pod", "ns", "x"), Identity("Service", "ns", "y")
    with pytest.raises(RequestFailed) as raised, requesting("create", service), requesting("delete", pod):
        raise KubeError(429, "TooManyRequests", "wait", 7)
    assert (raised.value.verb, raised.value.identity, raised.value.retry_after) == ("delete", pod, 7)


async def test_pods_that_use_the_claim_cannot_be_listed(lab: Lab, kube: FailingKube) -> None:
    kube.failures = {"list Pod": WEBHOOK}
    await lab.passes(2)
    assert told(lab).startswith(
        "the operator cannot read the pods that use PersistentVolumeClaim build-data in namespace team-a (the API"
    )
    assert lab.pods() == []
    await heals(lab, kube)


async def test_registry_credentials_cannot_be_read(lab: Lab, kube: FailingKube) -> None:
    kube.failures = {"read Secret": FORBIDDEN}
    lab.change(connection={"registryCredentials": {"name": "regcred"}})
    await lab.passes(2)
    assert told(lab).startswith("the operator cannot read Secret regcred in namespace team-a (the API server")


GOVERNING = {
    "list NestedDockerClass": "cannot list the objects of kind NestedDockerClass (",
    "list NestedDockerPolicy": "cannot list the objects of kind NestedDockerPolicy (",
    "list RuntimeClass": "cannot list the objects of kind RuntimeClass (",
    "read Namespace": "cannot read Namespace team-a (",
}


def loses_its_policy(lab: Lab, kube: FailingKube) -> None:
    """The watch says that the policy is gone."""
    kube.cache.remove(kube.objects["NestedDockerPolicy", "", "all"], "NestedDockerPolicy")


@pytest.mark.parametrize(("request_", "what"), GOVERNING.items())
async def test_a_new_one_is_not_denied_while_what_governs_it_cannot_be_read(
    lab: Lab, kube: FailingKube, request_: str, what: str
) -> None:
    loses_its_policy(lab, kube)
    kube.failures[request_] = ERRORS["server error"][0]
    await lab.passes(3)
    assert what in told(lab)
    assert "Accepted" not in kube.conditions()
    before = [*kube.writes]
    await lab.passes(2)
    assert kube.writes == before
    kube.again(kube.objects["NestedDockerPolicy", "", "all"])
    await heals(lab, kube)


@pytest.mark.parametrize(("request_", "what"), GOVERNING.items())
async def test_what_runs_serves_on_while_what_governs_it_cannot_be_read(
    lab: Lab, kube: FailingKube, request_: str, what: str
) -> None:
    await lab.passes(4)
    (pod,) = lab.pods()
    loses_its_policy(lab, kube)
    kube.failures[request_] = ERRORS["server error"][0]
    await lab.passes(5, seconds=60)
    found = kube.conditions()
    assert lab.ready() == ("True", "Ready")
    assert (found["Accepted"]["status"], found["Provisioned"]["reason"]) == ("True", "RequestFailed")
    assert what in found["Provisioned"]["message"]
    assert lab.pods() == [pod]
    kube.again(kube.objects["NestedDockerPolicy", "", "all"])
    await heals(lab, kube)


async def test_an_api_server_that_has_just_started(lab: Lab, kube: FailingKube) -> None:
    kube.failures["create Service"] = KubeError(
        403, "Forbidden", "services is forbidden: not yet ready to handle request"
    )
    await lab.passes(2)
    assert "cannot create Service build in" in told(lab)
    assert "permission" not in told(lab)
    assert len(lab.pods()) == 1
    await heals(lab, kube)
