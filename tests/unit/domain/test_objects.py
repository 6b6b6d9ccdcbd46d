"""The head of a child: how its owner is found."""

from __future__ import annotations

import pytest
from tests.support.factory import OWNER

from nested_docker.domain import names
from nested_docker.domain.objects import Identity, child

HERE, THERE = Identity("Service", "team-a", "build"), Identity("Service", "daemons", "nd-0123456789")


@pytest.mark.parametrize(
    ("identity", "owned", "referenced"), [(HERE, True, True), (HERE, False, False), (THERE, True, False)]
)
def test_an_owner_reference_only_in_the_owners_namespace(identity: Identity, owned: bool, referenced: bool) -> None:
    metadata = child("v1", identity, OWNER, owned=owned)["metadata"]
    assert metadata.get("ownerReferences") == ([OWNER.reference()] if referenced else None)


def test_in_another_namespace_labels_name_the_owner() -> None:
    assert names.LABEL_NAMESPACE not in child("v1", HERE, OWNER)["metadata"]["labels"]
    labels = child("v1", THERE, OWNER)["metadata"]["labels"]
    assert labels == names.common_labels(OWNER.name, OWNER.uid) | {names.LABEL_NAMESPACE: "team-a"}


def test_a_users_labels_do_not_replace_the_operators() -> None:
    made = child("v1", HERE, OWNER, labels={"app": "ci", names.LABEL_UID: "forged"}, annotations={"a": "b"})
    assert made["metadata"]["labels"] == {"app": "ci"} | names.common_labels(OWNER.name, OWNER.uid)
    assert made["metadata"]["annotations"] == {"a": "b"}
    assert "annotations" not in child("v1", HERE, OWNER)["metadata"]


def test_an_identity_is_that_of_the_manifest() -> None:
    assert Identity.of(child("v1", HERE, OWNER)) == HERE
