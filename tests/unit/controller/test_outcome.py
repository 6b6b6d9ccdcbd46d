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
    found = outcome_of(KubeError(status, "Forbidden", "violates PodSecurity: none."), POD)
    assert isinstance(found, Rejected)
    assert (found.identity, found.api_rejection.reason) == (POD, Reason.API_REJECTED)
    assert "Pod build-abcde: violates PodSecurity: none. The" in found.api_rejection.message


QUOTA = "exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1"
NO_ACCOUNT = 'error looking up service account team-a/default: serviceaccount "default" not found'
NO_PRIORITY = "no PriorityClass with name builds was found"
WEBHOOK = 'admission webhook "validate.example.com" denied the request: '


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (403, f'pods "build-abcde" is forbidden: {QUOTA}', Reason.QUOTA_EXCEEDED),
        (403, f'persistentvolumeclaims "build-data" is forbidden: {QUOTA}', Reason.QUOTA_EXCEEDED),
        (
            403,
            'services "build" is forbidden: status unknown for quota: one, resources: services',
            Reason.QUOTA_EXCEEDED,
        ),
        (403, f'pods "build-abcde" is forbidden: {NO_ACCOUNT}', Reason.SERVICE_ACCOUNT_MISSING),
        (403, f'pods "x" is forbidden: {NO_PRIORITY}', Reason.PRIORITY_CLASS_MISSING),
        (403, WEBHOOK + NO_PRIORITY, Reason.API_REJECTED),
        (403, f"{WEBHOOK}not yet ready to handle request", Reason.API_REJECTED),
        (403, 'pods "x" is forbidden: failed quota: one: must specify limits.cpu for: daemon', Reason.API_REJECTED),
        (403, 'pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged', Reason.API_REJECTED),
        (403, 'pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2', Reason.API_REJECTED),
        (403, "pods is forbidden: User operator cannot create resource pods", Reason.API_REJECTED),
        (403, WEBHOOK + QUOTA, Reason.API_REJECTED),
        (403, WEBHOOK + NO_ACCOUNT, Reason.API_REJECTED),
        (422, f'Pod "x" is invalid: spec: {QUOTA}', Reason.API_REJECTED),
        (400, f"Pod in version v1 cannot be handled: {NO_ACCOUNT}", Reason.API_REJECTED),
    ],
)
def test_what_passes_is_not_stalled(status: int, message: str, reason: Reason) -> None:
    found = outcome_of(KubeError(status, "Forbidden", message), POD)
    assert isinstance(found, Rejected)
    assert (found.api_rejection.reason, found.may_pass) == (reason, reason != Reason.API_REJECTED)
    assert message in found.api_rejection.message


@pytest.mark.parametrize(
    "error",
    [
        KubeError(403, "Forbidden", "unable to create new content in namespace team-a because it is being terminated"),
        KubeError(404, "NotFound", 'namespaces "team-a" not found'),
    ],
)
def test_an_ending_namespace_leaves_nothing_to_do(error: KubeError) -> None:
    assert outcome_of(error, POD) == Gone(error.message)


def test_an_api_server_that_has_just_started_is_asked_again() -> None:
    error = KubeError(403, "Forbidden", 'pods "x" is forbidden: not yet ready to handle request')
    with pytest.raises(KubeError) as raised:
        outcome_of(error, POD)
    assert raised.value is error


@pytest.mark.parametrize("status", [0, 404, 409, 429, 500, 503])
def test_what_may_succeed_later_is_raised(status: int) -> None:
    error = KubeError(status, "Reason", "message")
    with pytest.raises(KubeError) as raised:
        outcome_of(error, POD)
    assert raised.value is error
