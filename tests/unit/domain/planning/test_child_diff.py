"""The child diff: which writes lead from the observed to the desired objects."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import AWAY, HOME, OWNER, observed

from nested_docker.api.v1alpha1.nested_docker import SecretTemplate
from nested_docker.domain import names
from nested_docker.domain.manifests import secrets
from nested_docker.domain.manifests.service import service
from nested_docker.domain.objects import Identity, Manifest, child
from nested_docker.domain.observed import DATA_DIGESTS, NamespaceFacts, Ownership
from nested_docker.domain.planning.child_diff import (
    AddFinalizer,
    Apply,
    ChildDiff,
    Conflict,
    Create,
    Delete,
    RemoveFinalizer,
    nonempty,
    ownership_metadata,
)

FOREIGN = [{"kind": "Deployment", "name": "x", "uid": "x", "controller": True}]
PREVIOUS = [{"kind": "NestedDocker", "name": "build", "uid": "old", "controller": True}]
KEY_SECRET = HOME.tls_secret("0123456789")
THERE = [AWAY.service, AWAY.network_policy, AWAY.tls_secret("0123456789")]
GOING = "2026-03-01T12:00:00Z"


def stored(identity: Identity, **metadata: Any) -> Manifest:
    """An object of the NestedDocker as the cache has it."""
    manifest = child("v1", identity, OWNER)
    manifest["metadata"] |= {"uid": f"uid-{identity.kind}-{identity.name}"} | metadata
    return manifest


def diff(*children: Manifest, **fields: Any) -> ChildDiff:
    return ChildDiff(observed(children={Identity.of(each): each for each in children}, **fields))


def deletion(identity: Identity) -> Delete:
    return Delete(identity, f"uid-{identity.kind}-{identity.name}")


class TestEnsure:
    def test_what_is_missing_is_created(self) -> None:
        wanted = service(HOME, "key-set")
        assert diff().ensure(None, wanted) == (Create(wanted),)

    def test_what_is_there_is_left_alone_whatever_others_add(self) -> None:
        wanted = service(HOME, "key-set")
        labels = wanted["metadata"]["labels"] | {"theirs": "x"}
        found = wanted | {"metadata": wanted["metadata"] | {"uid": "u", "labels": labels}}
        assert diff(found).ensure(wanted) == ()

    def test_what_differs_is_applied_with_the_path(self) -> None:
        wanted = service(HOME, "key-set")
        found = wanted | {"spec": wanted["spec"] | {"selector": {"app": "other"}}}
        (action,) = diff(found).ensure(wanted)
        assert isinstance(action, Apply)
        assert (action.desired, action.difference) == (wanted, "spec.selector.app")

    def test_secrets_are_compared_by_their_digests(self) -> None:
        wanted = secrets.env(HOME, SecretTemplate())
        digests = wanted.digests({})
        found = wanted.manifest | {DATA_DIGESTS: digests}
        assert diff(found).ensure(wanted) == ()
        edited = wanted.manifest | {DATA_DIGESTS: digests | {"DOCKER_HOST": "edited"}}
        assert diff(edited).ensure(wanted) == (Apply(wanted, "data.DOCKER_HOST"),)

    def test_a_claim_is_never_changed(self) -> None:
        wanted = stored(HOME.data_claim) | {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        assert diff(stored(HOME.data_claim) | {"spec": {}}).ensure(wanted) == ()

    def test_of_a_pod_only_the_ownership_is_corrected(self) -> None:
        wanted = stored(HOME.pod("12345"), finalizers=[names.FINALIZER]) | {"spec": {"containers": []}}
        changed = wanted | {"spec": {"containers": [{"name": "theirs"}]}}
        assert diff(changed).ensure(wanted) == ()
        bare = wanted | {"metadata": {key: value for key, value in wanted["metadata"].items() if key != "finalizers"}}
        (action,) = diff(bare).ensure(wanted)
        assert action == Apply(ownership_metadata(wanted), "metadata.finalizers")
        assert "spec" not in ownership_metadata(wanted)


def test_of_a_pods_labels_only_the_operators_are_owned() -> None:
    pod = stored(HOME.pod("12345"), annotations={"a": "b"})
    pod["metadata"]["labels"] |= {"app": "ci"}
    metadata = ownership_metadata(pod)["metadata"]
    assert metadata["labels"] == names.common_labels(OWNER.name, OWNER.uid)
    assert "annotations" not in metadata
    assert metadata["ownerReferences"] == [OWNER.reference()]


class TestConflict:
    @pytest.mark.parametrize(
        ("references", "ownership"), [(FOREIGN, Ownership.FOREIGN), (PREVIOUS, Ownership.PREVIOUS)]
    )
    def test_a_taken_name(self, references: list[Manifest], ownership: Ownership) -> None:
        taken = stored(HOME.service, ownerReferences=references)
        assert diff(taken).conflicts([KEY_SECRET, HOME.service]) == [Conflict(HOME.service, ownership)]

    def test_our_own_object_and_a_free_name(self) -> None:
        assert diff(stored(HOME.service)).conflicts([HOME.service, KEY_SECRET]) == []


class TestRemove:
    def test_only_ours_that_do_not_terminate(self) -> None:
        theirs = stored(HOME.service, ownerReferences=FOREIGN)
        going = stored(HOME.network_policy, deletionTimestamp=GOING)
        changes = diff(theirs, going, stored(KEY_SECRET))
        assert changes.remove(HOME.service, HOME.network_policy, KEY_SECRET, HOME.env_secret) == (deletion(KEY_SECRET),)

    def test_pods_of_every_namespace_but_one(self) -> None:
        at_home, away = HOME.pod("11111"), AWAY.pod("22222")
        changes = diff(stored(at_home), stored(away))
        assert changes.remove_pods(but=HOME.pod("33333")) == (deletion(at_home), deletion(away))
        assert changes.remove_pods(but=away) == (deletion(at_home),)

    def test_the_files_secret_goes_first_and_the_key_set_last(self) -> None:
        pod = HOME.pod("12345")
        here = [HOME.service, HOME.network_policy, KEY_SECRET, HOME.env_secret, HOME.files_secret, HOME.data_claim]
        whole = [stored(each) for each in (*here, pod)]
        assert diff(*whole).withdraw() == (deletion(HOME.files_secret),)
        stages = diff(*whole).teardown()
        assert [[action.identity for action in stage] for stage in stages] == [
            [HOME.files_secret],
            [HOME.env_secret, HOME.service, HOME.network_policy, pod],
            [KEY_SECRET],
        ]

    def test_a_move_removes_what_is_in_the_other_place(self) -> None:
        here = [HOME.service, HOME.network_policy]
        both = [stored(each) for each in (*here, KEY_SECRET, *THERE, HOME.files_secret)]
        assert {action.identity for action in diff(*both).remove_others(HOME)} == {AWAY.service, AWAY.network_policy}
        assert {action.identity for action in diff(*both).remove_others(AWAY)} == {*here}

    def test_every_key_set_but_one_is_removed_and_no_connection_secret(self) -> None:
        secrets_ = [HOME.tls_secret("1111111111"), KEY_SECRET, THERE[2], HOME.env_secret, HOME.files_secret]
        changes = diff(*(stored(each) for each in secrets_), stored(Identity("Secret", "team-a", "build-tls")))
        removed = {action.identity.name for action in changes.remove_key_sets(but=KEY_SECRET)}
        assert removed == {"build-11111-tls", THERE[2].name, "build-tls"}


class TestFinalizer:
    def test_it_is_added_once_and_keeps_the_others(self) -> None:
        assert diff(finalizers=("theirs",)).add_finalizer() == (AddFinalizer(("theirs", names.FINALIZER)),)
        assert diff(finalizers=(names.FINALIZER,)).add_finalizer() == ()

    def test_it_is_removed_where_no_node_needs_cleanup(self) -> None:
        facts = {"daemons": NamespaceFacts()}
        assert diff(finalizers=("theirs",)).remove_finalizer() == ()
        held = diff(finalizers=("theirs", names.FINALIZER), pod_namespaces=facts)
        assert held.remove_finalizer() == (RemoveFinalizer(("theirs",), ()),)
        unclean = stored(HOME.pod("12345"), finalizers=[names.FINALIZER], deletionTimestamp=GOING)
        changes = diff(unclean, finalizers=(names.FINALIZER,))
        assert [each for each, _ in changes.pods_needing_cleanup] == [HOME.pod("12345")]
        assert changes.remove_finalizer() == ()

    def test_the_garbage_collector_does_the_rest(self) -> None:
        away = [stored(each) for each in (*THERE, AWAY.pod("12345"))]
        changes = diff(*away, stored(HOME.files_secret), finalizers=(names.FINALIZER,))
        first, last = changes.finalize()
        assert {action.identity for action in first} == {Identity.of(each) for each in away}
        assert last == (RemoveFinalizer((), ()),)
        unclean = stored(HOME.pod("12345"), finalizers=[names.FINALIZER])
        assert diff(unclean, finalizers=(names.FINALIZER,)).finalize() == ((deletion(HOME.pod("12345")),),)


def test_empty_stages_are_left_out() -> None:
    assert nonempty((), (AddFinalizer(()),), ()) == ((AddFinalizer(()),),)
