"""GitOps tools see the states of a NestedDocker as they are, by what `examples/gitops` has them read."""

from __future__ import annotations

import pytest
from tests.unit.gitops import argo_cd, flux
from tests.unit.gitops.flux import CURRENT, FAILED, IN_PROGRESS
from tests.unit.gitops.statuses import STATES, created, state, with_ready

from nested_docker.api.crd import KINDS
from nested_docker.domain.status.reasons import Reason, Trait

HEALTH = {
    "created": ("Progressing", IN_PROGRESS),
    "starting": ("Progressing", IN_PROGRESS),
    "ready": ("Healthy", CURRENT),
    "restarting": ("Progressing", IN_PROGRESS),
    "image cannot be pulled": ("Degraded", FAILED),
    "not granted": ("Degraded", FAILED),
    "suspended": ("Suspended", CURRENT),
    "stopped when idle": ("Suspended", CURRENT),
    "stopped at its deadline": ("Suspended", CURRENT),
    "build completed": ("Healthy", CURRENT),
    "build failed": ("Degraded", FAILED),
    "build stopped at its deadline": ("Degraded", FAILED),
    "edited a moment ago": ("Progressing", IN_PROGRESS),
}
"""What Argo CD and Flux say of each state."""

KSTATUS_ALONE = {"suspended": IN_PROGRESS, "stopped when idle": FAILED, "stopped at its deadline": FAILED}
"""Where kstatus alone says something else: the reason for Flux's expressions."""


def test_every_state_is_judged() -> None:
    assert HEALTH.keys() == {"created", *STATES}


@pytest.mark.parametrize("name", HEALTH)
def test_argo_cd(name: str) -> None:
    status, message = argo_cd.health(state(name))
    assert status == HEALTH[name][0], message
    assert message


@pytest.mark.parametrize("name", HEALTH)
def test_flux(name: str) -> None:
    assert flux.health(state(name)) == HEALTH[name][1]


@pytest.mark.parametrize("name", HEALTH)
def test_kstatus(name: str) -> None:
    assert flux.kstatus(state(name)) == KSTATUS_ALONE.get(name, HEALTH[name][1])


def test_argo_cd_shows_reason_and_message() -> None:
    assert argo_cd.health(state("ready"))[1] == "Ready: clients can connect"
    assert argo_cd.health(state("suspended"))[1] == "Suspended: spec.suspend is true"
    assert argo_cd.health(created())[1] == "the operator has not seen this generation yet"


@pytest.mark.parametrize("missing", ["status", "conditions", "observedGeneration"])
def test_argo_cd_waits_for_what_is_not_there_yet(missing: str) -> None:
    manifest = state("ready")
    holder = manifest if missing == "status" else manifest["status"]
    del holder[missing]
    assert argo_cd.health(manifest)[0] == "Progressing"


@pytest.mark.parametrize("reason", [each for each in Reason if each is not Reason.READY])
def test_every_reason_of_ready_is_judged_alike(reason: Reason) -> None:
    manifest = with_ready(reason)
    if reason is Reason.COMPLETED:
        expected = ("Healthy", CURRENT)
    elif reason in {Reason.IDLE_TIMEOUT, Reason.DEADLINE_EXCEEDED}:
        expected = ("Suspended", CURRENT)
    elif reason.has(Trait.STALLED):
        expected = ("Degraded", FAILED)
    elif reason.has(Trait.SETTLED):
        expected = ("Suspended", CURRENT)
    else:
        expected = ("Progressing", IN_PROGRESS)
    assert (argo_cd.health(manifest)[0], flux.health(manifest)) == expected


def test_other_kinds_have_no_status_to_judge() -> None:
    """NestedDockerNodes come from the operator, and are in no repository."""
    assert [kind.name for kind in KINDS if kind.has_status] == ["NestedDocker", "NestedDockerNode"]
