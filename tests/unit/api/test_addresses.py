"""Name servers and registries: what dockerd does not take is refused, by the schema or by the models."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError
from tests.support.daemon_values import NAME_SERVERS, NOT_NAME_SERVERS, NOT_REGISTRIES, REGISTRIES

from nested_docker.api.addresses import IP_ADDRESS, NOT_A_REGISTRY, NOT_AN_ADDRESS, REGISTRY
from nested_docker.api.v1alpha1.engine import EngineSpec

GIVEN = {"dns": (NAME_SERVERS, NOT_NAME_SERVERS), "insecureRegistries": (REGISTRIES, NOT_REGISTRIES)}


@pytest.mark.parametrize(("field", "value"), [(field, each) for field, (good, _) in GIVEN.items() for each in good])
def test_what_dockerd_takes_is_accepted_by_schema_and_models(field: str, value: str) -> None:
    assert EngineSpec.model_validate({field: [value]}).dump() == {field: [value]}
    assert re.search(IP_ADDRESS if field == "dns" else REGISTRY, value)


@pytest.mark.parametrize(("field", "value"), [(field, each) for field, (_, bad) in GIVEN.items() for each in bad])
def test_what_dockerd_refuses_is_refused_with_an_example(field: str, value: str) -> None:
    with pytest.raises(ValidationError) as error:
        EngineSpec.model_validate({field: [value]})
    (found,) = error.value.errors()
    assert found["loc"] == (field, 0)
    assert found["input"] == value
    assert (NOT_AN_ADDRESS if field == "dns" else NOT_A_REGISTRY) in found["msg"]


def test_the_schema_alone_refuses_most() -> None:
    """Only a parser finds the others: Kubernetes has one for CEL from 1.31 on."""
    assert [each for each in NOT_NAME_SERVERS if re.search(IP_ADDRESS, each)] == [
        "1::2::3",
        "1:2:3",
        "10.0.0.53:53",
    ]
    passed = [each for each in NOT_REGISTRIES if re.search(REGISTRY, each)]
    assert passed == ["10.0.0.0/33", "a:99999", "a:b", ":5000", "a:", ".", "a..b"], (
        "hexadecimal digits may be an address"
    )
