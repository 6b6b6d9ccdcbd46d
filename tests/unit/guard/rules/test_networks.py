"""Names of networks, which Docker does not restrict as it restricts those of containers."""

from __future__ import annotations

import pytest
from tests.unit.guard.decisions import denial, forwarded

GOOD = ["n", "my network", "a b c", "team-a_default", "_x", "a.b@c+d", "9"]


@pytest.mark.parametrize("name", GOOD)
def test_a_network_may_have_a_name_that_docker_allows(name: str) -> None:
    body = forwarded("POST", "/networks/create", {"Name": name}).body
    assert body is not None
    assert body["Name"] == name


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_network_is_found_by_its_name(method: str, name: str) -> None:
    (reference,) = forwarded(method, f"/networks/{name.replace(' ', '%20')}").references
    assert reference.name == name


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a ", "a/b", "../x", "a:b", "a%b", "a\nb", "a\x00", "é", "container:x"]
)
def test_other_names_are_denied_with_what_is_forwarded(name: str) -> None:
    refused = denial("POST", "/networks/create", {"Name": name})
    assert (refused.rule, refused.status) == ("fields", 400)
    assert (
        refused.message
        == f"Name may not be {name!r}: a network's name has letters, digits, _ . @ + - and, inside, spaces"
    )


@pytest.mark.parametrize("name", ["bridge", "default", "host", "none"])
def test_names_of_dockers_networks_are_taken(name: str) -> None:
    refused = denial("POST", "/networks/create", {"Name": name})
    assert (refused.status, refused.message) == (409, f"Name may not be {name!r}: Docker has such a network")
