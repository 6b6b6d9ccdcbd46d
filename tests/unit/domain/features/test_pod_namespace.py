"""Classes with a pod namespace: what is where, that it heals, moves and ends there, and that nobody else gets in."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.certificates import key_set_annotations, key_set_of
from tests.support.factory import AWAY, DEFAULTS, HOME, NOW, OWNER, class_spec, observed
from tests.unit.snapshot import matches_snapshot
from tests.unit.world import EVERYTHING, World, change, crash, message, ready, shape

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.api.v1alpha1.nested_docker import ClientPeer, SecretTemplate
from nested_docker.domain import names, pki
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.effective import resolve
from nested_docker.domain.manifests import secrets
from nested_docker.domain.manifests.network_policy import network_policy
from nested_docker.domain.manifests.pod import pod
from nested_docker.domain.manifests.service import service
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity, Owner
from nested_docker.domain.observed import NamespaceFacts, Observed, Ownership
from nested_docker.domain.planning.child_diff import AddFinalizer, Create, RemoveFinalizer
from nested_docker.domain.planning.plan import plan
from nested_docker.domain.status.reasons import Reason, Type

PSA = "pod-security.kubernetes.io/enforce"
DIND = {"mode": "Dind"}
THERE = PodContext(
    AWAY,
    resolve(NestedDockerSpec.model_validate(DIND), class_spec(podNamespace=AWAY.namespace), MODES[Mode.DIND], DEFAULTS),
    DEFAULTS,
)
NAMESPACES = {"daemons": NamespaceFacts({PSA: "privileged"}), "others": NamespaceFacts()}


def offering(pod_namespace: str | None, **fields: Any) -> dict[str, Any]:
    """What makes the class have its pods there."""
    return {"classes": {"standard": class_spec(podNamespace=pod_namespace, **fields)}}


def world(spec: dict[str, Any] | None = None, pod_namespace: str | None = "daemons", **fields: Any) -> World:
    given_fields = {"pod_namespaces": NAMESPACES, "namespace_labels": {PSA: "restricted"}} | offering(pod_namespace)
    return World(DIND if spec is None else spec, **(given_fields | fields))


def settled(*args: Any, **fields: Any) -> World:
    made = world(*args, **fields)
    made.settle()
    return made


def pod_objects(location: ObjectNames) -> list[Identity]:
    """The pod, and what is in its namespace with it."""
    key_set = "0123456789"
    return [location.service, location.network_policy, location.tls_secret(key_set), location.pod(key_set)]


class TestPlacement:
    def test_whole_manifests(self) -> None:
        template = SecretTemplate()
        matches_snapshot(
            "children-in-pod-namespace",
            {key: value for key, value in pod(THERE, MODES[Mode.DIND], "0123456789").items() if key != "spec"},
            service(AWAY, "0123456789"),
            network_policy(AWAY, [], "operator-system", published_ports=True),
            secrets.tls(AWAY, key_set_of(dict.fromkeys(pki.KEYS, b"x"))).filled(dict.fromkeys(pki.KEYS, b"x")),
            secrets.env(AWAY, template).filled({}),
            secrets.files(AWAY, template, "uid/0").filled(dict.fromkeys(pki.KEYS, b"x")),
        )

    def test_the_pod_mounts_the_key_set_that_is_there(self) -> None:
        made = pod(THERE, MODES[Mode.DIND], "0123456789")
        (mounted,) = [volume["secret"]["secretName"] for volume in made["spec"]["volumes"] if "secret" in volume]
        assert mounted == AWAY.tls_secret("0123456789").name

    def test_the_certificate_is_for_the_service(self) -> None:
        request = pki.certificate_request(AWAY, cluster_domain="cluster.local", now=NOW, deadline=None)
        host = f"{AWAY.service.name}.daemons.svc"
        assert {host, f"{host}.cluster.local", f"{AWAY.service.name}.daemons", "localhost"} <= {*request.dns_names}
        assert not [name for name in request.dns_names if "team-a" in name]
        assert request.common_name == "team-a/build"

    def test_one_name_in_two_namespaces_is_two_names_over_there(self) -> None:
        other = ObjectNames(Owner("build", "team-b", "99999999-2222-3333-4444-555555555555"), "daemons")
        assert not {*pod_objects(AWAY)} & {*pod_objects(other)}

    def test_names_fit_and_are_known_as_ours(self) -> None:
        for identity in pod_objects(AWAY):
            assert len(identity.name) <= 63
            assert names.has_name_prefix(identity.name)
        assert not any(
            names.has_name_prefix(name) for name in ("nd-build", "build-tls", "nd-0123456789x", "x-nd-0123456789")
        )

    @pytest.mark.parametrize(
        ("client", "selector"),
        [
            (ClientPeer(), {"matchLabels": {"kubernetes.io/metadata.name": "team-a"}}),
            (
                ClientPeer.model_validate({"podSelector": {"matchLabels": {"app": "ci"}}}),
                {"matchLabels": {"kubernetes.io/metadata.name": "team-a"}},
            ),
            (
                ClientPeer.model_validate({"namespaceSelector": {"matchLabels": {"a": "b"}}}),
                {"matchExpressions": [], "matchLabels": {"a": "b"}},
            ),
        ],
    )
    def test_a_client_without_a_namespace_is_the_tenants(self, client: ClientPeer, selector: dict[str, Any]) -> None:
        clients, operator = network_policy(AWAY, [client], "system", published_ports=True)["spec"]["ingress"]
        assert [peer["namespaceSelector"] for peer in (*clients["from"], *operator["from"])] == [
            selector,
            {"matchLabels": {"kubernetes.io/metadata.name": "system"}},
        ]
        at_home = network_policy(HOME, [client], "system", published_ports=True)["spec"]["ingress"][0]["from"]
        assert ("namespaceSelector" in at_home[0]) == (client.namespace_selector is not None)


class TestCreation:
    def test_the_finalizer_comes_before_all_else(self) -> None:
        stages = world().plan().stages
        assert stages[0] == (AddFinalizer((names.FINALIZER,)),)
        first = stages[1][0]
        assert isinstance(first, Create)
        assert isinstance(first.desired, secrets.SecretManifest)

    def test_it_takes_one_write_more_than_at_home(self) -> None:
        made = settled()
        assert made.writes == 1 + 6 + 2
        assert ready(made) == ("True", "Ready")
        assert made.finalizers == (names.FINALIZER,)

    def test_pod_and_what_it_needs_are_there_and_the_rest_is_at_home(self) -> None:
        made = settled()
        assert [each.kind for each in made.elsewhere()] == ["NetworkPolicy", "Pod", "Secret", "Service"]
        assert {each.namespace for each in made.elsewhere()} == {"daemons"}
        assert sorted(each.name for each in {*made.children} - {*made.elsewhere()}) == [
            "build-docker",
            "build-docker-env",
        ]
        for identity, child in made.children.items():
            labels = child["metadata"]["labels"]
            owners = [reference["kind"] for reference in child["metadata"].get("ownerReferences", [])]
            expected = ["Secret"] if identity.kind == "Pod" else []
            assert owners == (["NestedDocker"] if identity.namespace == "team-a" else expected)
            assert labels.get(names.LABEL_NAMESPACE) == (None if identity.namespace == "team-a" else "team-a")

    def test_the_secret_with_its_key_set_is_the_controller_of_the_pod(self) -> None:
        made = settled()
        (reference,) = made.pod()["metadata"]["ownerReferences"]
        secret = made.children[made.key_secret()]
        uid = secret["metadata"]["uid"]
        assert reference == {"apiVersion": "v1", "kind": "Secret", "uid": uid, "controller": True} | {
            "name": made.key_secret().name
        }

    def test_a_pod_without_a_controller_gets_one_and_is_not_replaced(self) -> None:
        """The operator's versions of before made such pods."""
        made = settled()
        before, references = made.pod(), made.pod()["metadata"].pop("ownerReferences")
        made.settle()
        assert made.pod()["metadata"]["uid"] == before["metadata"]["uid"]
        assert made.pod()["metadata"]["ownerReferences"] == references
        assert ready(made) == ("True", "Ready")

    def test_without_its_key_set_the_pod_is_collected_and_another_one_serves(self) -> None:
        made = settled()
        before = made.pod()["metadata"]["name"]
        made.server._drop(("Secret", "daemons", made.key_secret().name))
        made.settle()
        assert made.pod()["metadata"]["name"] != before
        assert ready(made) == ("True", "Ready")

    def test_status_tells_where(self) -> None:
        status = settled().status
        assert status.pod_namespace == "daemons"
        assert status.endpoint == f"tcp://{names.name_prefix(OWNER.uid)}.daemons.svc:2376"
        assert status.pod_name.startswith(f"{names.name_prefix(OWNER.uid)}-")

    def test_it_dials_the_name_that_the_certificate_has(self) -> None:
        made = world()
        made.step()
        made.run_pods()
        probe = made.plan().probe
        assert probe is not None
        assert probe.server_name == AWAY.host

    def test_a_settled_one_is_left_alone(self) -> None:
        made = settled()
        planned = made.plan()
        assert (planned.stages, planned.status) == ((), None)

    @pytest.mark.parametrize("writes", range(9))
    def test_killed_after_any_write_it_ends_the_same(self, writes: int) -> None:
        made = world()
        crash(made, writes, World.settle)
        made.settle()
        assert shape(made) == shape(settled())

    def test_ordinary_classes_know_nothing_of_it(self) -> None:
        made = settled(pod_namespace=None, namespace_labels={})
        assert (made.finalizers, made.elsewhere(), made.writes) == ((), [], 8)


class TestRefusals:
    @pytest.mark.parametrize(
        ("spec", "field"),
        [
            ({"workload": {"containers": [{"name": "w", "image": "i"}]}}, "spec.workload"),
            ({"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}, "spec.storage.claim"),
            ({"engine": {"caBundleRef": {"name": "x"}}}, "spec.engine.caBundleRef"),
            ({"engine": {"imagePullSecrets": [{"name": "x"}]}}, "spec.engine.imagePullSecrets"),
            ({"scheduling": {"podLabels": {"a": "b"}}}, "spec.scheduling.podLabels"),
            ({"scheduling": {"podAnnotations": {"a": "b"}}}, "spec.scheduling.podAnnotations"),
        ],
    )
    def test_nothing_of_a_tenants_own_comes_in(self, spec: dict[str, Any], field: str) -> None:
        made = settled(DIND | spec)
        assert (made.children, made.finalizers) == ({}, ())
        assert ready(made) == ("False", "NotAllowedByClass")
        assert message(made) == (
            "NestedDockerClass standard runs its pods in namespace daemons, where a NestedDocker cannot set "
            f"{field}: remove these fields, or use a class without podNamespace"
        )

    @pytest.mark.parametrize("storage", [{"type": "Ephemeral", "ephemeral": {"size": "1Gi"}}, {"type": "EmptyDir"}])
    def test_what_goes_with_the_pod_may_be(self, storage: dict[str, Any]) -> None:
        assert ready(settled(DIND | {"storage": storage}))[0] == "True"

    def test_what_the_class_names_is_looked_up_over_there(self) -> None:
        engine = {"caBundleRef": {"name": "corporate"}, "imagePullSecrets": [{"name": "pull"}]}
        assert ready(settled(**offering("daemons", engine=engine)))[0] == "True"

    def test_nobodys_nested_docker_is_among_the_pods(self) -> None:
        owner = replace(OWNER, namespace="daemons")
        verdict = accept(observed(DIND, owner=owner, pod_namespaces=NAMESPACES, **offering("daemons")), DEFAULTS)
        assert isinstance(verdict, NotAccepted)
        assert verdict.reason == Reason.NOT_ALLOWED_BY_CLASS
        assert "create the NestedDocker in another namespace" in verdict.message

    def test_what_comes_in_later_stops_it_and_its_end_heals(self) -> None:
        made = settled()
        change(made, spec=DIND | {"scheduling": {"podLabels": {"a": "b"}}})
        made.settle()
        assert made.children == {}
        change(made, spec=DIND)
        made.settle()
        assert ready(made)[0] == "True"

    def test_pod_security_is_that_of_the_pods_namespace(self) -> None:
        strict = {"daemons": NamespaceFacts({PSA: "baseline"})}
        verdict = accept(observed(DIND, pod_namespaces=strict, **offering("daemons")), DEFAULTS)
        assert isinstance(verdict, NotAccepted)
        assert verdict.reason == Reason.POD_SECURITY_DENIED
        assert verdict.message.startswith("namespace daemons enforces the Pod Security level baseline")
        tenant = observed(DIND, pod_namespaces=NAMESPACES, namespace_labels={PSA: "restricted"}, **offering("daemons"))
        assert isinstance(accept(tenant, DEFAULTS), Accepted)

    @pytest.mark.parametrize(
        ("facts", "state"),
        [({}, "does not exist"), ({"daemons": NamespaceFacts(terminating=True)}, "is being deleted")],
    )
    def test_a_namespace_that_is_not_there_is_told_and_its_coming_heals(
        self, facts: dict[str, NamespaceFacts], state: str
    ) -> None:
        made = settled(pod_namespaces=facts)
        assert (made.children, made.finalizers) == ({}, ())
        assert ready(made) == ("False", "PodNamespaceMissing")
        assert message(made) == (
            f"NestedDockerClass standard runs its pods in namespace daemons, which {state}: ask a cluster admin to "
            "create it, or to change podNamespace of the class"
        )
        change(made, pod_namespaces=NAMESPACES)
        made.settle()
        assert ready(made)[0] == "True"


class TestRepair:
    @pytest.mark.parametrize("kind", ["Service", "NetworkPolicy"])
    def test_what_is_gone_over_there_is_made_again(self, kind: str) -> None:
        made = settled()
        before = shape(made)
        (lost,) = [each for each in made.elsewhere() if each.kind == kind]
        del made.children[lost]
        made.settle()
        assert shape(made) == before

    def test_a_changed_service_is_put_back(self) -> None:
        made = settled()
        made.children[AWAY.service]["spec"]["selector"] = {"app": "other"}
        (stage,) = made.plan().stages
        assert [action.difference for action in stage] == ["spec.selector.app"]

    @pytest.mark.parametrize("label", [names.LABEL_NAME, names.LABEL_NAMESPACE, names.MANAGED_BY])
    def test_a_lost_mark_is_put_back_on_a_pod(self, label: str) -> None:
        made = settled()
        made.pod()["metadata"]["labels"].pop(label)
        (stage,) = made.plan().stages
        assert [action.difference for action in stage] == [f"metadata.labels.{label}"]
        made.settle()
        assert made.pod()["metadata"]["labels"][label]

    def test_a_finalizer_that_somebody_took_off_is_put_back(self) -> None:
        made = settled()
        made.strip(names.FINALIZER)
        assert made.plan().stages == ((AddFinalizer((names.FINALIZER,)),),)

    def test_other_finalizers_are_kept(self) -> None:
        made = settled(finalizers=("example.com/theirs",))
        assert made.finalizers == ("example.com/theirs", names.FINALIZER)
        made.base = replace(made.base)
        change(made, **offering(None), namespace_labels={}, annotations={names.ANNOTATION_RESTART: "1"})
        made.settle()
        assert made.finalizers == ("example.com/theirs",)

    def test_a_lost_pod_is_replaced_over_there(self) -> None:
        made = settled()
        before = shape(made)
        made.pod()["metadata"]["deletionTimestamp"] = "2026-03-01T12:05:00Z"
        made.step()
        assert made.secret("build-docker") is None
        made.settle()
        assert shape(made) == before


class TestMoves:
    """A change of podNamespace is a change of the class like any other: it waits for the next pod."""

    @pytest.mark.parametrize(
        ("before", "after"), [(None, "daemons"), ("daemons", None), ("daemons", "others"), ("others", "daemons")]
    )
    def test_it_is_told_and_waits_until_it_is_asked_for(self, before: str | None, after: str | None) -> None:
        made = settled(pod_namespace=before, namespace_labels={})
        there = shape(made)
        change(made, **offering(after))
        made.settle()
        assert shape(made) == there
        assert "podNamespace" in message(made, Type.UPDATE_PENDING)
        change(made, annotations={names.ANNOTATION_RESTART: "1"})
        made.settle()
        assert shape(made) == shape(settled(pod_namespace=after, namespace_labels={}))
        assert made.status.condition(Type.UPDATE_PENDING) is None

    @pytest.mark.parametrize("writes", range(18))
    @pytest.mark.parametrize(("before", "after"), [(None, "daemons"), ("daemons", None), ("daemons", "others")])
    def test_killed_on_the_way_it_arrives(self, before: str | None, after: str | None, writes: int) -> None:
        made = settled(pod_namespace=before, namespace_labels={})
        change(made, **offering(after), annotations={names.ANNOTATION_RESTART: "1"})
        crash(made, writes, World.settle)
        made.settle()
        assert shape(made) == shape(settled(pod_namespace=after, namespace_labels={}))

    def test_what_the_new_place_forbids_goes_on_in_the_old_one_until_its_pod_ends(self) -> None:
        made = settled(DIND | {"scheduling": {"podLabels": {"a": "b"}}}, pod_namespace=None, namespace_labels={})
        change(made, **offering("daemons"))
        made.settle()
        assert ready(made)[0] == "True"
        made.pod()["metadata"]["deletionTimestamp"] = "2026-03-01T12:05:00Z"
        made.settle()
        assert made.children == {}
        assert ready(made) == ("False", "NotAllowedByClass")

    def test_a_pod_that_was_lost_meanwhile_is_made_in_the_new_place(self) -> None:
        made = settled()
        change(made, **offering("others"))
        del made.children[next(each for each in made.elsewhere() if each.kind == "Pod")]
        made.probe_result = None
        made.settle()
        assert shape(made) == shape(settled(pod_namespace="others"))

    def test_suspended_and_resumed_it_is_where_the_class_has_it_now(self) -> None:
        made = settled()
        change(made, spec=DIND | {"suspend": True})
        made.settle()
        assert made.children == {}
        assert made.status.pod_namespace == ""
        change(made, spec=DIND, **offering("others"))
        made.settle()
        assert shape(made) == shape(settled(pod_namespace="others"))

    def test_from_a_namespace_that_goes_it_moves_by_itself(self) -> None:
        made = settled()
        change(made, **offering("others"))
        made.delete_namespace("daemons")
        made.settle()
        assert shape(made) == shape(settled(pod_namespace="others"))


class TestEnd:
    def test_deletion_leaves_nothing_and_takes_one_write_for_each(self) -> None:
        made = settled()
        before = made.writes
        made.delete()
        assert not made.gone
        made.settle()
        assert made.gone
        assert made.children == {}
        assert made.writes - before == 4 + 1

    @pytest.mark.parametrize("writes", range(5))
    def test_killed_on_the_way_it_leaves_nothing(self, writes: int) -> None:
        made = settled()
        made.delete()
        crash(made, writes, World.settle)
        made.settle()
        assert made.gone
        assert made.children == {}

    @pytest.mark.parametrize("writes", range(9))
    def test_deleted_in_the_midst_of_its_creation_it_leaves_nothing(self, writes: int) -> None:
        made = world()
        crash(made, writes, World.settle)
        made.delete()
        made.settle()
        assert made.gone
        assert made.children == {}

    def test_nothing_is_judged_any_more(self) -> None:
        made = settled()
        change(made, classes={}, policies={}, pod_namespaces={}, spec={"mode": "nonsense"})
        made.delete()
        made.settle()
        assert made.gone
        assert made.children == {}

    def test_it_looks_where_it_may_have_left_what_nobody_knows_of(self) -> None:
        made = settled()
        made.delete()

        def looks_in() -> tuple[str, ...]:
            last = made.plan().stages[-1][0]
            assert isinstance(last, RemoveFinalizer)
            return last.namespaces

        assert looks_in() == ("daemons",), "not where other classes have their pods"
        change(made, **offering("others"))
        assert looks_in() == ("daemons", "others")
        change(made, classes={})
        assert looks_in() == ("daemons",)
        made.delete_namespace("daemons")
        assert looks_in() == ()

    def test_a_pod_on_its_way_out_is_not_waited_for(self) -> None:
        made = settled()
        made.delete()
        made.step()
        assert made.gone
        assert [each.kind for each in made.children] == ["Pod"]
        assert "deletionTimestamp" in next(iter(made.children.values()))["metadata"]

    @pytest.mark.parametrize("finalizer", ["foregroundDeletion", "orphan", "tenant.example.com/keep"])
    def test_nothing_runs_on_behind_another_finalizer(self, finalizer: str) -> None:
        made = settled(pod_namespace=None, namespace_labels={})
        made.finalizers = (finalizer,)
        made.mark_deleted()
        made.settle()
        assert [*made.children] == []
        assert made.finalizers == (finalizer,)

    def test_a_finalizer_without_use_is_taken_off(self) -> None:
        made = settled(pod_namespace=None, namespace_labels={}, finalizers=(names.FINALIZER,))
        assert made.finalizers == ()


class TestIntruders:
    """Labels can be set by anyone who can write in some namespace; nothing may be gained by that."""

    def forged(self, kind: str, name: str, namespace: str = "evil", **fields: Any) -> tuple[Identity, dict[str, Any]]:
        labels = names.common_labels(OWNER.name, OWNER.uid) | {names.LABEL_NAMESPACE: OWNER.namespace}
        metadata = {"name": name, "namespace": namespace, "uid": "forged", "labels": labels}
        return Identity(kind, namespace, name), {"kind": kind, "metadata": metadata} | fields

    def key_set(self) -> tuple[Identity, dict[str, Any]]:
        keys = {key: f"{key}-evil".encode() for key in pki.KEYS}
        data = {key: base64.b64encode(value).decode() for key, value in keys.items()}
        key_set = key_set_of(keys, revision=99)
        where, secret = self.forged("Secret", ObjectNames(OWNER, "evil").tls_secret(key_set.id).name, data=data)
        secret["metadata"]["annotations"] = key_set_annotations(key_set)
        return where, secret

    @pytest.mark.parametrize("pod_namespace", [None, "daemons"])
    def test_a_key_set_from_elsewhere_is_not_served_with(self, pod_namespace: str | None) -> None:
        where, secret = self.key_set()
        made = world(pod_namespace=pod_namespace, namespace_labels={}, children={where: secret})
        assert made.observe().location is None
        assert made.plan().issue is not None or made.plan().stages
        made.settle()
        assert where not in made.children
        assert shape(made) == shape(settled(pod_namespace=pod_namespace, namespace_labels={}))

    def test_an_object_of_another_name_is_not_ours_whatever_its_labels_say(self) -> None:
        where, theirs = self.forged("Secret", "precious")
        made = world(children={where: theirs})
        assert made.observe().ownership(theirs) == Ownership.FOREIGN
        made.settle()
        made.delete()
        made.settle()
        assert made.children == {where: theirs}

    def test_a_controller_of_its_own_makes_it_someone_elses(self) -> None:
        where, theirs = self.forged("Service", AWAY.service.name, namespace="daemons", spec={})
        theirs["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "x", "uid": "x", "controller": True}]
        made = settled(children={where: theirs})
        assert ready(made) == ("False", "NameConflict")
        assert made.children == {where: theirs}

    def test_another_uid_is_a_predecessors(self) -> None:
        where, theirs = self.forged("Service", AWAY.service.name, namespace="daemons", spec={})
        theirs["metadata"]["labels"][names.LABEL_UID] = "another"
        made = world(children={where: theirs})
        made.step()
        assert ready(made) == ("False", "WaitingForPrevious")

    def test_a_forged_pod_does_not_keep_a_claims_pod_waiting(self) -> None:
        where, forged = self.forged("Pod", AWAY.pod("0123456789").name, spec={}, status={})
        forged["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
        claim = {"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}
        made = world(DIND | claim, pod_namespace=None, namespace_labels={}, children={where: forged})
        made.step()
        assert [each for each in made.children if each.kind == "Pod" and each.namespace == "team-a"]


def lose_pods(made: World) -> None:
    for identity in [each for each in made.children if each.kind == "Pod"]:
        del made.children[identity]


def edit_keys(made: World) -> None:
    for identity in made.children:
        if identity.name.endswith("-tls"):
            made.edit_secret(identity, "ca.pem")


EVENTS: dict[str, Callable[[World], None]] = {
    "class goes": lambda made: change(made, classes={}),
    "class comes": lambda made: change(made, **offering("daemons")),
    "class moves": lambda made: change(made, **offering("others")),
    "class comes home": lambda made: change(made, **offering(None)),
    "policy goes": lambda made: change(made, policies={}),
    "policy comes": lambda made: change(made, policies=observed().policies),
    "restart asked": lambda made: change(
        made, annotations={names.ANNOTATION_RESTART: str(len(made.base.annotations.get(names.ANNOTATION_RESTART, "")))}
    ),
    "suspended": lambda made: change(made, spec=DIND | {"suspend": True}),
    "resumed": lambda made: change(made, spec=DIND),
    "pod namespace goes": lambda made: made.delete_namespace("daemons"),
    "pod namespace comes": lambda made: change(made, pod_namespaces=NAMESPACES),
    "finalizer stripped": lambda made: made.strip(names.FINALIZER),
    "pod lost": lose_pods,
    "keys edited": edit_keys,
    "operator works": lambda made: made.settle(limit=30),
}


STEPS = st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.integers(min_value=0, max_value=12)), max_size=8)


@given(STEPS)
@example([("class comes home", 5), ("restart asked", 4), ("restart asked", 1)])
def test_whatever_happens_it_ends_as_if_nothing_had(steps: list[tuple[str, int]]) -> None:
    made = world(namespace_labels={})
    disturb(made, steps)
    change(made, pod_namespaces=NAMESPACES, policies=observed().policies, spec=DIND, **offering("daemons"))
    change(made, annotations={names.ANNOTATION_RESTART: "last"})
    made.settle(limit=40)
    made.advance(seconds=made.defaults.replace_seconds + 1)
    made.settle(limit=40)
    assert shape(made) == shape(settled(namespace_labels={}))


@given(STEPS, STEPS)
def test_whatever_happens_deletion_leaves_nothing(
    before: list[tuple[str, int]], meanwhile: list[tuple[str, int]]
) -> None:
    made = world(namespace_labels={})
    disturb(made, before)
    made.delete()
    disturb(made, [step for step in meanwhile if step[0] != "finalizer stripped"])
    made.settle(limit=40)
    assert made.gone
    assert [each for each in made.children if not orphan(made.observe(), each)] == []


def disturb(made: World, steps: list[tuple[str, int]]) -> None:
    for event, writes in steps:
        EVENTS[event](made)
        made.run_pods()
        made.advance(seconds=60)
        crash(made, writes, lambda each: each.settle(limit=30))


def orphan(seen: Observed, identity: Identity) -> bool:
    """Whether it is left over by a finalizer that was taken off: that is not the plan's to remove."""
    return identity.namespace != seen.owner.namespace and seen.ownership(seen.children[identity]) == Ownership.OURS


def test_everything_at_home_is_as_it_was() -> None:
    assert len(settled(pod_namespace=None, namespace_labels={}).kinds()) == len(EVERYTHING)
    planned = plan(observed(DIND), NOW, DEFAULTS)
    assert planned.issue is not None
