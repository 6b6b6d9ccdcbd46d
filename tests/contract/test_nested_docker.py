"""What the API server takes for a NestedDocker, and the words with which it refuses the rest."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.conftest import Offer
from tests.contract.nested_dockers import (
    ACCEPTED,
    DEFAULT,
    NAME_RULE,
    NAMES_ACCEPTED,
    NAMES_REFUSED,
    REFUSED,
)
from tests.support.manifests import nested_docker


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
async def test_is_taken(offer: Offer, spec: dict[str, Any]) -> None:
    assert await offer(nested_docker(DEFAULT, **spec)) == ""


@pytest.mark.parametrize(("spec", "words"), REFUSED.values(), ids=REFUSED)
async def test_is_refused_and_the_author_reads_why(offer: Offer, spec: dict[str, Any], words: str) -> None:
    assert words in await offer(nested_docker(DEFAULT, **spec))


@pytest.mark.parametrize("name", NAMES_ACCEPTED)
async def test_name_is_taken(offer: Offer, name: str) -> None:
    assert await offer(nested_docker(DEFAULT, name)) == ""


@pytest.mark.parametrize("name", NAMES_REFUSED)
async def test_name_is_refused_and_the_author_reads_why(offer: Offer, name: str) -> None:
    assert NAME_RULE in await offer(nested_docker(DEFAULT, name))


async def test_a_spec_is_required(offer: Offer) -> None:
    manifest = nested_docker(DEFAULT)
    del manifest["spec"]
    assert "spec: Required value" in await offer(manifest)
