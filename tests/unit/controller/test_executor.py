"""The executor: it writes without reading, and settles what its cache does not know."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import HOME, NOW, OWNER, observed
from tests.unit.fakes import KEY, FakeClock, WatchedKube

from nested_docker.api.v1alpha1.nested_docker import SecretTemplate
from nested_docker.controller.executor import Executor
from nested_docker.controller.outcome import Gone, Rejected, Stale, Written
from nested_docker.controller.reconciler import Reconciler
from nested_docker.controller.session import Sessions
from nested_docker.domain import names, pki
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.manifests import secrets
from nested_docker.domain.manifests.service import service
from nested_docker.domain.objects import Identity, Manifest, child, secret_reference
from nested_docker.domain.observed import Observed
from nested_docker.domain.planning.child_diff import Apply, ChildDiff, Create, Delete
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason

STEM = names.name_prefix("uid-NestedDocker-build")
SERVICE = service(HOME, "0123456789")
FOREIGN = [{"kind": "Deployment", "name": "x", "uid": "x", "controller": True}]
KEYS = {key: key.encode() for key in pki.KEYS}
KEY_SET = KeySet({key: secrets.value_digest(value) for key, value in KEYS.items()}, NOW, 1, server_not_after=NOW)
KEY_SECRET = HOME.tls_secret(KEY_SET.id).name


class Failing(WatchedKube):
    """An API server that fails writes of some names."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[str, KubeError] = {}

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        self._fail(manifest)
        return await super().create(manifest, dry_run=dry_run)

    async def apply(self, manifest: Manifest) -> Manifest:
        self._fail(manifest)
        return await super().apply(manifest)

    def _fail(self, manifest: Manifest) -> None:
        if manifest["metadata"]["name"] in self.failures:
            raise self.failures[manifest["metadata"]["name"]]


class Around:
    """An executor, and what is around it."""

    def __init__(self) -> None:
        self.kube, self.sessions = Failing(), Sessions()
        self.executor = Executor(self.kube, self.kube.cache, self.sessions, FakeClock())

    def seen(self, *children: Manifest, **fields: Any) -> Observed:
        return observed(children={Identity.of(each): each for each in children}, **fields)

    def stored(self, manifest: Manifest, **metadata: Any) -> Manifest:
        """An object on the server that the cache does not have."""
        location = (manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        return self.kube._store("", location, manifest | {"metadata": manifest["metadata"] | metadata})


@pytest.fixture
def around() -> Around:
    return Around()


def named(name: str) -> Manifest:
    return child("v1", Identity("Secret", "team-a", name), OWNER)


async def test_stages_follow_each_other_and_answers_are_cached(around: Around) -> None:
    stages = ((Create(named("a")), Create(named("b"))), (Create(SERVICE),))
    assert await around.executor.run(around.seen(), stages) == Written()
    assert around.kube.writes == ["create Secret/a", "create Secret/b", "create Service/build"]
    assert around.kube.reads == []
    assert around.kube.cache.get("Service", "team-a", "build") is not None


REJECTION = KubeError(403, "Forbidden", "exceeded quota")
NO_ANSWER = KubeError(0, "NoAnswer", "the line was cut")
ENDING = KubeError(403, "Forbidden", "because it is being terminated")


@pytest.mark.parametrize(
    ("failures", "outcome"),
    [
        ({"b": REJECTION}, Rejected),
        ({"b": ENDING}, Gone),
        ({"a": ENDING, "b": REJECTION}, Rejected),
        ({"a": NO_ANSWER, "b": REJECTION}, Rejected),
        ({"a": NO_ANSWER, "b": ENDING}, Gone),
    ],
)
async def test_a_failure_ends_its_stage_and_the_worst_one_counts(
    around: Around, failures: dict[str, KubeError], outcome: type
) -> None:
    around.kube.failures = failures
    stages = ((Create(named("a")), Create(named("b")), Create(named("c"))), (Create(SERVICE),))
    assert isinstance(await around.executor.run(around.seen(), stages), outcome)
    assert around.kube.writes == [f"create Secret/{each}" for each in "abc" if each not in failures]


async def test_what_may_succeed_later_is_raised(around: Around) -> None:
    around.kube.failures = {"a": NO_ANSWER}
    with pytest.raises(KubeError, match="the line was cut"):
        await around.executor.run(around.seen(), ((Create(named("a")), Create(named("b"))),))
    assert around.kube.writes == ["create Secret/b"]


async def test_what_a_lost_answer_has_left_is_taken_over(around: Around) -> None:
    around.stored(SERVICE)
    assert isinstance(await around.executor.run(around.seen(), ((Create(SERVICE),),)), Stale)
    assert around.kube.cache.get("Service", "team-a", "build") is not None


async def test_somebody_elses_object_is_left_alone(around: Around) -> None:
    theirs = around.stored(SERVICE, ownerReferences=FOREIGN)
    found = await around.executor.run(around.seen(), ((Create(SERVICE),),))
    assert isinstance(found, Rejected)
    assert found.api_rejection.reason == Reason.NAME_CONFLICT
    assert (around.kube.objects["Service", "team-a", "build"], around.kube.writes) == (theirs, [])


async def test_an_object_that_is_gone_when_it_is_looked_at(around: Around) -> None:
    around.kube.failures = {"build": KubeError(409, "AlreadyExists", "it exists")}
    assert isinstance(await around.executor.run(around.seen(), ((Create(SERVICE),),)), Stale)


async def test_an_immutable_field_that_was_changed_costs_the_object(around: Around) -> None:
    known = around.stored(SERVICE)

    async def immutable(_manifest: dict[str, Any]) -> dict[str, Any]:
        raise KubeError(422, "Invalid", "field is immutable")

    around.kube.apply = immutable  # type: ignore[method-assign]
    seen = around.seen(known)
    assert isinstance(await around.executor.run(seen, ((Apply(SERVICE, "spec.x"),),)), Stale)
    assert around.kube.writes == ["delete Service/build"]


async def test_an_object_that_could_not_be_created_again_is_kept(around: Around) -> None:
    known = around.stored(SERVICE)
    around.kube.failures = {"build": KubeError(422, "Invalid", "ValidatingAdmissionPolicy 'p' denied request: no")}
    found = await around.executor.run(around.seen(known), ((Apply(SERVICE, "spec.x"),),))
    assert isinstance(found, Rejected)
    assert "denied request: no" in found.api_rejection.message
    assert around.kube.writes == []


async def test_a_secret_that_cannot_be_corrected_is_kept(around: Around) -> None:
    known = around.stored(named("a"))
    around.kube.failures = {"a": KubeError(422, "Invalid", "field is immutable")}
    found = await around.executor.run(around.seen(known), ((Apply(named("a"), "type"),),))
    assert isinstance(found, Rejected)
    assert around.kube.writes == []


async def test_a_deletion_is_of_exactly_that_object(around: Around) -> None:
    around.stored(SERVICE)
    identity = Identity.of(SERVICE)
    await around.executor.run(around.seen(), ((Delete(identity, "uid-of-another"),),))
    assert ("Service", "team-a", "build") in around.kube.objects
    await around.executor.run(around.seen(), ((Delete(identity, "uid-Service-build"),),))
    assert ("Service", "team-a", "build") not in around.kube.objects


class TestKeys:
    FILES = Create(secrets.files(HOME, SecretTemplate(), "uid/0"))

    def tls(self) -> Manifest:
        return secrets.tls(HOME, KEY_SET).filled(KEYS)

    async def test_from_memory_without_a_read(self, around: Around) -> None:
        around.sessions.of(KEY).keys = KEYS
        assert await around.executor.run(around.seen(issued=KEY_SET), ((self.FILES,),)) == Written()
        assert around.kube.reads == []
        assert "key.pem" in around.kube.objects["Secret", "team-a", "build-docker"]["data"]

    @pytest.mark.parametrize("memory", [None, {"ca.pem": b"of another key set"}])
    async def test_from_the_secret_after_a_restart(self, around: Around, memory: dict[str, bytes] | None) -> None:
        around.stored(self.tls())
        around.kube.cache.put(around.kube.objects["Secret", "team-a", KEY_SECRET], "Secret")
        seen = observed(children=around.kube.cache.children(KEY))
        around.sessions.of(KEY).keys = memory
        assert await around.executor.keys(seen) == KEYS
        assert around.sessions.of(KEY).keys == KEYS

    @pytest.mark.parametrize("edit", ["gone", "edited"])
    async def test_a_secret_that_has_changed_makes_the_plan_stale(self, around: Around, edit: str) -> None:
        around.stored(self.tls())
        secret = around.kube.objects["Secret", "team-a", KEY_SECRET]
        around.kube.cache.put(secret, "Secret")
        seen = observed(children=around.kube.cache.children(KEY))
        if edit == "gone":
            del around.kube.objects["Secret", "team-a", KEY_SECRET]
        else:
            around.stored(secret)
            around.kube.objects["Secret", "team-a", KEY_SECRET]["data"]["ca.pem"] = "ZWRpdGVk"
        assert isinstance(await around.executor.keys(seen), Stale)
        assert isinstance(await around.executor.run(seen, ((self.FILES,),)), Stale)
        assert around.kube.writes == []

    async def test_without_a_key_set(self, around: Around) -> None:
        assert isinstance(await around.executor.keys(around.seen()), Stale)


class TestStillRejected:
    """A write that was rejected is asked for by a dry run."""

    async def ask(self, around: Around, identity: Identity, *, planned: bool = True) -> object:
        stages = ((Create(SERVICE),),) if planned else ()
        return await around.executor.still_rejected(around.seen(), stages, identity)

    async def test_it_would_be_written_now(self, around: Around) -> None:
        assert await self.ask(around, Identity.of(SERVICE)) == Written()
        assert around.kube.writes == []

    async def test_it_would_be_rejected_again(self, around: Around) -> None:
        around.kube.failures = {"build": REJECTION}
        assert isinstance(await self.ask(around, Identity.of(SERVICE)), Rejected)

    async def test_its_name_is_still_taken(self, around: Around) -> None:
        around.stored(SERVICE, ownerReferences=FOREIGN)
        for planned in (True, False):
            found = await self.ask(around, Identity.of(SERVICE), planned=planned)
            assert isinstance(found, Rejected)
            assert found.api_rejection.reason == Reason.NAME_CONFLICT

    async def test_a_later_object_is_looked_up(self, around: Around) -> None:
        assert await self.ask(around, Identity.of(SERVICE), planned=False) == Written()
        around.stored(SERVICE)
        assert await self.ask(around, Identity.of(SERVICE), planned=False) == Written(), "it is ours"

    async def test_the_nested_docker_itself_is_simply_written_again(self, around: Around) -> None:
        assert await self.ask(around, Identity("NestedDocker", *KEY)) == Written()
        assert around.kube.reads == []


async def test_it_is_made_over_there_without_a_read(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    (pod,) = [name for kind, _, name in kube.objects if kind == "Pod"]
    assert kube.writes[:2] == ["finalize NestedDocker/build", f"create Secret/{pod}-tls"]
    assert kube.there() == ["NetworkPolicy", "Pod", "Secret", "Service"]
    assert kube.reads == []
    before = [*kube.writes]
    await reconciler.reconcile(KEY)
    assert kube.writes == before


async def test_a_uid_label_that_is_damaged_costs_the_child_and_heals(reconciler: Reconciler, kube: WatchedKube) -> None:
    await reconciler.reconcile(KEY)
    service = kube.objects["Service", "daemons", STEM]
    labels = service["metadata"]["labels"] | {names.LABEL_UID: "damaged"}
    kube.put(**service | {"namespace": "daemons", "name": STEM, "metadata": service["metadata"] | {"labels": labels}})
    await reconciler.reconcile(KEY)
    assert kube.objects["Service", "daemons", STEM]["metadata"]["labels"][names.LABEL_UID] == "uid-NestedDocker-build"


# --- the controller of a pod in another namespace -------------------------------------------------


def controlled(secret: str) -> Manifest:
    manifest = child("v1", Identity("Pod", "daemons", f"{STEM}-abcde"), OWNER)
    manifest["metadata"]["ownerReferences"] = [secret_reference(secret)]
    return manifest


async def test_a_reference_to_a_secret_gets_its_uid(around: Around) -> None:
    secret = child("v1", Identity("Secret", "daemons", f"{STEM}-abcde-tls"), OWNER)
    stages = ((Create(secret),), (Create(controlled(f"{STEM}-abcde-tls")),))
    assert await around.executor.run(around.seen(), stages) == Written()
    (reference,) = around.kube.objects["Pod", "daemons", f"{STEM}-abcde"]["metadata"]["ownerReferences"]
    uid = around.kube.objects["Secret", "daemons", f"{STEM}-abcde-tls"]["metadata"]["uid"]
    assert reference == secret_reference(f"{STEM}-abcde-tls") | {"uid": uid}
    assert around.kube.reads == []


async def test_a_reference_to_an_unknown_secret_is_left_out_and_added_later(around: Around) -> None:
    pod = controlled(f"{STEM}-abcde-tls")
    assert await around.executor.run(around.seen(), ((Create(pod),),)) == Written()
    stored = around.kube.objects["Pod", "daemons", f"{STEM}-abcde"]
    assert stored["metadata"]["ownerReferences"] == []
    secret = child("v1", Identity("Secret", "daemons", f"{STEM}-abcde-tls"), OWNER)
    await around.executor.run(around.seen(), ((Create(secret),),))
    (action,) = ChildDiff(around.seen(stored)).ensure(pod)
    assert isinstance(action, Apply)
    assert action.difference == "metadata.ownerReferences"
    assert await around.executor.run(around.seen(stored), ((action,),)) == Written()
    assert len(around.kube.objects["Pod", "daemons", f"{STEM}-abcde"]["metadata"]["ownerReferences"]) == 1


async def test_a_dry_run_does_without_the_secret_that_comes_first(around: Around) -> None:
    pod = controlled(f"{STEM}-abcde-tls")
    outcome = await around.executor.still_rejected(around.seen(), ((Create(pod),),), Identity.of(pod))
    assert outcome == Written()
    assert ("Pod", "daemons", f"{STEM}-abcde") not in around.kube.objects
