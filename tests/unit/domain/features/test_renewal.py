"""New certificates for clients and the operator while the pod runs: in time, once, and whatever the clock does."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from tests.support.certificates import certificate_maker
from tests.support.factory import class_spec, policy_spec
from tests.unit.fakes import KEY, START, WatchedKube
from tests.unit.lab import Lab
from tests.unit.world import World, change, crash, ready

from nested_docker.api.meta import Status
from nested_docker.domain import names, pki
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.observed import NamespaceFacts
from nested_docker.domain.planning.replacement import Cause
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.conditions import parse_timestamp
from nested_docker.domain.status.reasons import Type

DUE = pki.LIFETIME + pki.MARGIN - pki.RENEW_BEFORE
"""How long after their issue pairs are renewed."""

OTHER_ROOT_KEY = b"another root key of 32 bytes...."


def settled(**fields: Any) -> World:
    made = World({"mode": "Dind"}, **fields)
    made.settle()
    return made


def pass_time(made: World, time: timedelta) -> None:
    made.advance(seconds=time.total_seconds())
    made.settle()


def expiry(made: World) -> timedelta:
    """How long the pairs are still valid, by the status."""
    assert made.status.certificate_expiration_time is not None
    return parse_timestamp(made.status.certificate_expiration_time) - made.now


def stored(made: World) -> dict[str, str]:
    """The data of the Secret with the key set."""
    data: dict[str, str] = made.children[made.key_secret()]["data"]
    return data


def given_to_clients(made: World) -> dict[str, str]:
    files = ObjectNames(made.base.owner).files_secret
    data: dict[str, str] = made.children[files]["data"]
    return {"client-cert.pem": data["cert.pem"], "client-key.pem": data["key.pem"], "ca.pem": data["ca.pem"]}


def check(made: World) -> None:
    """Clients have the pair that the operator has, and can connect."""
    assert ready(made) == ("True", "Ready")
    assert given_to_clients(made).items() <= stored(made).items()


@pytest.mark.parametrize("mode", ["Dind", "HostSocket", "Sysbox"])
@pytest.mark.parametrize("pod_namespace", [None, "daemons"])
def test_pairs_are_renewed_in_time_and_the_pod_runs_on(mode: str, pod_namespace: str | None) -> None:
    facts = {"daemons": NamespaceFacts()}
    made = World({"mode": mode}, pod_namespaces=facts, classes={"standard": class_spec(podNamespace=pod_namespace)})
    made.settle()
    pod, before, secret = made.pod()["metadata"]["uid"], stored(made), made.key_secret()
    pass_time(made, DUE - timedelta(seconds=2))
    assert stored(made) == before
    pass_time(made, timedelta(seconds=4))
    changed = {key for key, value in stored(made).items() if before[key] != value}
    assert changed == {*pki.RENEWED}
    assert (made.pod()["metadata"]["uid"], made.key_secret()) == (pod, secret)
    assert expiry(made) > timedelta(days=360)
    condition = made.status.condition(Type.UPDATE_PENDING)
    assert condition is None or condition.status == Status.FALSE
    assert made.status.replacement is None
    check(made)
    writes = made.writes
    pass_time(made, timedelta(days=1))
    assert made.writes == writes, "it is renewed once"


def test_it_looks_again_when_they_are_due() -> None:
    made = settled()
    at = made.plan().requeue_at
    assert at is not None
    assert abs(at - made.now - DUE) < timedelta(minutes=1)


def test_for_ten_years_the_pod_stays_and_then_it_is_replaced_once() -> None:
    made = settled()
    names_of_pods = []
    for _ in range(140):
        pass_time(made, timedelta(days=30))
        check(made)
        assert expiry(made) > timedelta(0)
        names_of_pods.append(made.pod()["metadata"]["name"])
    assert len({*names_of_pods[:121]}) == 1
    assert len({*names_of_pods}) == 2
    assert made.status.replacement is not None
    assert made.status.replacement.cause == Cause.CERTIFICATE_EXPIRING


@pytest.mark.parametrize("days", [360, 370, 400, 800, 3000])
def test_an_operator_that_was_away_renews_at_its_next_look(days: int) -> None:
    """Also pairs that have expired: the daemon's own certificate has not."""
    made = settled()
    pod = made.pod()["metadata"]["uid"]
    made.restart_operator()
    pass_time(made, timedelta(days=days))
    assert made.pod()["metadata"]["uid"] == pod
    assert expiry(made) > timedelta(days=360)
    check(made)


@pytest.mark.parametrize("days", [400, 1500, 3600])
def test_a_clock_that_jumps_ahead_and_back_harms_nothing(days: int) -> None:
    made = settled()
    pod = made.pod()["metadata"]["uid"]
    pass_time(made, timedelta(days=days))
    made.now -= timedelta(days=days)
    made.settle()
    after = stored(made)
    pass_time(made, timedelta(days=3))
    assert stored(made) == after
    assert made.pod()["metadata"]["uid"] == pod
    check(made)


def test_with_a_deadline_there_is_nothing_to_renew() -> None:
    made = World({"mode": "Dind", "activeDeadlineSeconds": 86400})
    made.settle()
    before = stored(made)
    pass_time(made, timedelta(hours=20))
    assert stored(made) == before
    assert ready(made) == ("True", "Ready")


def test_a_later_deadline_renews() -> None:
    made = World({"mode": "Dind", "activeDeadlineSeconds": 86400})
    made.settle()
    pod = made.pod()["metadata"]["uid"]
    change(made, spec={"mode": "Dind", "activeDeadlineSeconds": 10 * 86400})
    made.settle()
    assert made.pod()["metadata"]["uid"] == pod
    assert expiry(made) > timedelta(days=9)
    check(made)


@pytest.mark.parametrize("writes", range(4))
def test_an_operator_that_is_killed_in_the_middle(writes: int) -> None:
    made = settled()
    pod = made.pod()["metadata"]["uid"]
    made.advance(seconds=DUE.total_seconds() + 1)
    crash(made, writes, World.step)
    made.restart_operator()
    made.settle()
    assert made.pod()["metadata"]["uid"] == pod
    assert expiry(made) > timedelta(days=360)
    check(made)


@pytest.mark.parametrize("key", pki.RENEWED)
def test_pairs_that_somebody_has_edited_are_not_given_to_clients(key: str) -> None:
    made = settled()
    secret = made.children[made.key_secret()]
    secret["data"] = secret["data"] | {key: base64.b64encode(b"edited").decode()}
    made.settle()
    assert made.status.replacement is not None
    assert made.status.replacement.cause == Cause.KEY_SET_LOST
    assert base64.b64encode(b"edited").decode() not in given_to_clients(made).values()
    check(made)


def test_an_earlier_versions_key_set_is_replaced_once() -> None:
    """Its name was made from every key."""
    made = settled()
    annotations = made.children[made.key_secret()]["metadata"]["annotations"]
    del annotations[names.ANNOTATION_SERVER_NOT_AFTER], annotations[names.ANNOTATION_PAIRS_DIGEST]
    before = made.pod()["metadata"]["name"]
    made.settle()
    after = made.pod()["metadata"]["name"]
    assert after != before
    pass_time(made, timedelta(hours=1))
    assert made.pod()["metadata"]["name"] == after
    check(made)


def test_what_no_policy_grants_any_longer_is_not_renewed() -> None:
    """A policy that only reports lets the pod run on, and not for ever."""
    grants = {"onViolation": "Report", "allowedModes": ["Dind"]}
    made = settled(policies={"p": policy_spec(**grants)})
    before = stored(made)
    change(made, policies={"p": policy_spec(**grants | {"allowedModes": ["Sysbox"]})})
    made.settle()
    accepted = made.status.condition(Type.ACCEPTED)
    assert accepted is not None
    assert accepted.reason == "GrantRevoked"
    pass_time(made, DUE + timedelta(days=1))
    assert stored(made) == before
    pass_time(made, pki.RENEW_BEFORE)
    assert [each for each in made.children if each.kind == "Pod"] == []


# --- with real certificates ------------------------------------------------------------------------


def certificate(kube: WatchedKube, suffix: str, key: str) -> x509.Certificate:
    (secret,) = [obj for (kind, _, name), obj in kube.objects.items() if kind == "Secret" and name.endswith(suffix)]
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"][key]))


async def running(kube: WatchedKube | None = None) -> Lab:
    lab = Lab(kube)
    await lab.passes(4)
    assert lab.ready() == ("True", "Ready")
    return lab


async def a_year_later(lab: Lab, time: timedelta = DUE) -> None:
    lab.clock.seconds += time.total_seconds() + 1
    await lab.passes(3)


async def test_the_new_certificate_is_of_the_same_authority() -> None:
    lab = await running()
    (pod,) = lab.pods()
    before = certificate(lab.kube, "-docker", "cert.pem")
    await a_year_later(lab)
    after, authority = certificate(lab.kube, "-docker", "cert.pem"), certificate(lab.kube, "-docker", "ca.pem")
    assert after.public_key() != before.public_key()
    for each in (before, after):
        each.verify_directly_issued_by(authority)
    assert after.not_valid_after_utc - START > timedelta(days=690)
    assert before.not_valid_after_utc - lab.clock.now() > timedelta(days=29)
    assert [each["metadata"]["uid"] for each in lab.pods()] == [pod["metadata"]["uid"]]


async def test_it_costs_two_writes_and_one_read() -> None:
    lab = await running()
    lab.kube.writes.clear()
    lab.kube.reads.clear()
    await a_year_later(lab)
    (key_secret,) = [name for kind, _, name in lab.kube.objects if kind == "Secret" and name.endswith("-tls")]
    assert lab.changes() == [f"apply Secret/{key_secret}", "apply Secret/build-docker"]
    assert [each for each in lab.kube.reads if "Secret" in each] == ["get Secret"]
    assert lab.ready() == ("True", "Ready")


async def test_two_operators_at_once_agree_in_the_end() -> None:
    """The second one makes its pairs and writes them while the first one is about to write."""
    lab = await running()
    first, apply = lab.reconciler, lab.kube.apply
    lab.restart()
    second, turns = lab.reconciler, [1]

    async def after_the_other(manifest: dict[str, Any]) -> dict[str, Any]:
        if turns:
            turns.pop()
            await second.reconcile(KEY)
        return await apply(manifest)

    lab.kube.apply = after_the_other  # type: ignore[method-assign]
    lab.clock.seconds += DUE.total_seconds() + 1
    await first.reconcile(KEY)
    assert sum(write.endswith("-tls") for write in lab.changes() if write.startswith("apply")) == 2, lab.changes()
    await second.reconcile(KEY)
    await first.reconcile(KEY)
    lab.kube.writes.clear()
    await second.reconcile(KEY)
    await first.reconcile(KEY)
    assert lab.changes() == []
    assert certificate(lab.kube, "-docker", "cert.pem") == certificate(lab.kube, "-tls", pki.CLIENT_CERTIFICATE)
    assert (len(lab.pods()), lab.ready()) == (1, ("True", "Ready"))


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_operator_with_another_root_key_does_not_renew_and_replaces_at_the_end(restarted: bool) -> None:
    """Its pairs would be of another authority, which the daemon does not accept."""
    lab = await running()
    before = certificate(lab.kube, "-docker", "cert.pem")
    lab.restart()
    lab.reconciler._key_sets._certificates = certificate_maker(OTHER_ROOT_KEY)
    await a_year_later(lab)
    if restarted:
        lab.restart()
        lab.reconciler._key_sets._certificates = certificate_maker(OTHER_ROOT_KEY)
        await lab.passes(2)
    assert certificate(lab.kube, "-docker", "cert.pem") == before
    assert lab.made("Pod") == 1
    assert lab.kube.conditions()["UpdatePending"]["reason"] == "CertificateExpiring"
    lab.kube.reads.clear()
    await lab.passes(3)
    assert [each for each in lab.kube.reads if "Secret" in each] == [], "it does not try again and again"
    await a_year_later(lab, pki.RENEW_BEFORE)
    assert lab.made("Pod") == 2
    certificate(lab.kube, "-docker", "cert.pem").verify_directly_issued_by(certificate(lab.kube, "-tls", "ca.pem"))
    assert lab.ready() == ("True", "Ready")


class Immutable(WatchedKube):
    """A cluster in which a webhook has made Secrets with keys immutable, or denies any change of them."""

    error = KubeError(422, "Invalid", "data: field is immutable when `immutable` is set")

    async def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["metadata"]["name"].endswith("-tls"):
            raise self.error
        return await super().apply(manifest)


class Denying(Immutable):
    error = KubeError(403, "Forbidden", 'admission webhook "policy.example.com" denied the request: no changes')


@pytest.mark.parametrize("kind", [Immutable, Denying])
async def test_where_the_secret_cannot_be_changed_the_pod_is_replaced_at_the_end(kind: type[WatchedKube]) -> None:
    lab = await running(kind())
    before = certificate(lab.kube, "-docker", "cert.pem")
    await a_year_later(lab)
    assert (lab.made("Pod"), lab.ready()) == (1, ("True", "Ready")), "a daemon that works is not removed"
    assert certificate(lab.kube, "-docker", "cert.pem") == before
    assert lab.kube.conditions()["UpdatePending"]["reason"] == "CertificateExpiring"
    await a_year_later(lab, pki.RENEW_BEFORE)
    assert (lab.made("Pod"), lab.ready()) == (2, ("True", "Ready"))


async def test_a_renewal_that_was_denied_is_tried_again() -> None:
    lab = await running()
    (pod,) = lab.pods()
    before, apply = certificate(lab.kube, "-docker", "cert.pem"), lab.kube.apply

    async def denies(manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["metadata"]["name"].endswith("-tls"):
            raise Denying.error
        return await apply(manifest)

    lab.kube.apply = denies  # type: ignore[method-assign]
    await a_year_later(lab)
    assert certificate(lab.kube, "-docker", "cert.pem") == before
    lab.kube.apply = apply  # type: ignore[method-assign]
    await a_year_later(lab, timedelta(hours=5))
    assert certificate(lab.kube, "-docker", "cert.pem") == before
    await a_year_later(lab, timedelta(hours=1))
    assert certificate(lab.kube, "-docker", "cert.pem") != before
    assert [each["metadata"]["uid"] for each in lab.pods()] == [pod["metadata"]["uid"]]
    assert lab.ready() == ("True", "Ready")
    assert "UpdatePending" not in lab.kube.conditions()


async def test_a_failed_request_is_repeated() -> None:
    lab = await running()
    lab.clock.seconds += DUE.total_seconds() + 1
    before, apply = certificate(lab.kube, "-docker", "cert.pem"), lab.kube.apply

    async def fails(manifest: dict[str, Any]) -> dict[str, Any]:
        raise KubeError(503, "ServiceUnavailable", f"{manifest['kind']}: try later")

    lab.kube.apply = fails  # type: ignore[method-assign]
    assert await lab.reconcile() is not None
    lab.kube.apply = apply  # type: ignore[method-assign]
    await lab.passes(3)
    assert certificate(lab.kube, "-docker", "cert.pem") != before
    assert (lab.made("Pod"), lab.ready()) == (1, ("True", "Ready"))
    assert KEY in lab.sessions._by_key
