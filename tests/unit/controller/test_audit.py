"""The audit of what the reconciler decides: which reasons are decisions, and what is noted of them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.unit.domain.injection.sidecars import accepted
from tests.unit.fakes import KEY, WatchedKube

from nested_docker.controller.audit import Audit
from nested_docker.domain.admission.acceptance import NotAccepted
from nested_docker.domain.names import ANNOTATION_GRANTED_BY, LABEL_INJECT
from nested_docker.domain.status.reasons import Reason

REGARDING = {"kind": "NestedDocker", "namespace": KEY[0], "name": KEY[1], "uid": "uid-NestedDocker-build"}


class Recorded:
    """Events and counts."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.counts: list[tuple[str, ...]] = []
        self.counted_events: list[tuple[str, str]] = []

    def record(self, _regarding: Any, _type: str, reason: str, _message: str) -> None:
        self.events.append(reason)

    def count(self, *labels: str) -> None:
        self.counts.append(labels)

    def count_event(self, type_: str, reason: str) -> None:
        self.counted_events.append((type_, reason))


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def audit(recorded: Recorded) -> Audit:
    kube = WatchedKube()
    kube.put("NestedDockerClass", "", "standard", spec={"modes": ["Dind"]}, metadata={"generation": 7})
    status = {"mode": "Dind", "className": "standard", "policyName": "gone", "expirationTime": "2026-03-01T12:00:00Z"}
    kube.put("NestedDocker", *KEY, spec={"mode": "Sysbox"}, status=status)
    return Audit(recorded, kube.cache, recorded.count, recorded.count_event)


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (Reason.GRANTED, "granted"),
        (Reason.NOT_ENFORCED, "granted"),
        (Reason.GRANT_REVOKED, "granted"),
        (Reason.NOT_GRANTED, "denied"),
        (Reason.CLASS_NOT_FOUND, "denied"),
        (Reason.READY, None),
        (Reason.API_REJECTED, None),
        ("WrittenByAnotherVersion", None),
    ],
)
def test_a_grant_and_a_denial_are_decisions(audit: Audit, recorded: Recorded, reason: str, outcome: str | None) -> None:
    audit.record(REGARDING, "Normal", reason, "why")
    assert recorded.events == [reason], "every Event is passed on"
    assert recorded.counted_events == [("Normal", reason)], "and counted"
    assert recorded.counts == ([("reconcile", outcome, reason, "Dind")] if outcome else [])


def test_the_line_says_who_got_what_until_when(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "nested_docker.audit"):
        audit.record(REGARDING, "Normal", Reason.GRANTED, "why")
    (line,) = caplog.records
    assert line.getMessage() == "granted at reconcile: why"
    noted = {
        "namespace": "team-a",
        "nested_docker": "build",
        "uid": "uid-NestedDocker-build",
        "mode": "Dind",
        "class": "standard",
        "class_generation": 7,
        "policy": "gone",
        "policy_generation": None,
        "until": "2026-03-01T12:00:00Z",
    }
    assert noted.items() <= vars(line).items()


def test_the_line_about_a_sidecar_names_its_pod(
    audit: Audit, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = {"namespace": "team-a", "name": "job", "uid": "u", "labels": {LABEL_INJECT: "standard"}}
    pod = {"metadata": metadata | {"annotations": {ANNOTATION_GRANTED_BY: "all"}}}
    with caplog.at_level(logging.INFO, "nested_docker.audit"):
        audit.judged(pod, NotAccepted(Reason.NOT_GRANTED, "why"))
        audit.judged(pod, accepted())
    first, second = caplog.records
    assert first.getMessage() == "denied at sidecar: why"
    noted = {"namespace": "team-a", "pod": "job", "uid": "u", "class": "standard", "policy": "all"}
    assert noted.items() <= vars(first).items()
    assert noted.items() <= vars(second).items()
    assert recorded.counts == [("sidecar", "denied", "NotGranted", ""), ("sidecar", "granted", "Granted", "Dind")]
