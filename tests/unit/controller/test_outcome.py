"""What an error of the API server means for a write."""

from __future__ import annotations

import pytest

from nested_docker.controller.outcome import Gone, Rejected, outcome_of
from nested_docker.domain.objects import Identity
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason

POD = Identity("Pod", "team-a", "build-abcde")


@pytest.mark.parametrize("status", [400, 403, 422])
def test_what_would_be_rejected_again(status: int) -> None:
    found = outcome_of(KubeError(status, "Forbidden", "exceeded quota: none."), POD)
    assert isinstance(found, Rejected)
    assert (found.identity, found.api_rejection.reason) == (POD, Reason.API_REJECTED)
    assert "Pod build-abcde: exceeded quota: none. The" in found.api_rejection.message


@pytest.mark.parametrize(
    "error",
    [
        KubeError(403, "Forbidden", "unable to create new content in namespace team-a because it is being terminated"),
        KubeError(404, "NotFound", 'namespaces "team-a" not found'),
    ],
)
def test_an_ending_namespace_leaves_nothing_to_do(error: KubeError) -> None:
    assert outcome_of(error, POD) == Gone(error.message)


@pytest.mark.parametrize("status", [0, 404, 409, 429, 500, 503])
def test_what_may_succeed_later_is_raised(status: int) -> None:
    error = KubeError(status, "Reason", "message")
    with pytest.raises(KubeError) as raised:
        outcome_of(error, POD)
    assert raised.value is error
