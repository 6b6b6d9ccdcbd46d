"""What the API server takes for a NestedDockerClass and a NestedDockerPolicy, and how it refuses the rest."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.conftest import Offer
from tests.contract.governing_kinds import (
    CLASSES_ACCEPTED,
    CLASSES_REFUSED,
    GRANT,
    POLICIES_ACCEPTED,
    POLICIES_REFUSED,
)
from tests.support.manifests import nested_docker_class, policy


@pytest.mark.parametrize("spec", CLASSES_ACCEPTED.values(), ids=CLASSES_ACCEPTED)
async def test_class_is_taken(offer: Offer, spec: dict[str, Any]) -> None:
    assert await offer(nested_docker_class("contract", **spec)) == ""


@pytest.mark.parametrize(("spec", "words"), CLASSES_REFUSED.values(), ids=CLASSES_REFUSED)
async def test_class_is_refused(offer: Offer, spec: dict[str, Any], words: str) -> None:
    assert words in await offer(nested_docker_class("contract", **spec))


@pytest.mark.parametrize("spec", POLICIES_ACCEPTED.values(), ids=POLICIES_ACCEPTED)
async def test_policy_is_taken(offer: Offer, spec: dict[str, Any]) -> None:
    assert await offer(policy("contract", **GRANT | spec)) == ""


@pytest.mark.parametrize(("spec", "words"), POLICIES_REFUSED.values(), ids=POLICIES_REFUSED)
async def test_policy_is_refused(offer: Offer, spec: dict[str, Any], words: str) -> None:
    assert words in await offer(policy("contract", **GRANT | spec))


@pytest.mark.parametrize("field", sorted(GRANT))
async def test_policy_leaves_nothing_open(offer: Offer, field: str) -> None:
    spec = {key: value for key, value in GRANT.items() if key != field}
    assert f"spec.{field}: Required value" in await offer(policy("contract", **spec))
