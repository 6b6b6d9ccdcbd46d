"""The judgement of running sidecars: as that of a NestedDocker of the same class, and the clock of a denial."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, NOW, class_spec, observed, policy_spec
from tests.unit.domain.injection.pods import Pod
from tests.unit.domain.injection.sidecars import asking, inject

from nested_docker.api.v1alpha1.nested_docker import Denial
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted
from nested_docker.domain.injection.sidecar_verdict import (
    SIDECAR_STOP_SECONDS,
    SidecarVerdict,
    as_nested_docker,
    granted_by,
    has_sidecar,
    is_over,
    judge_running,
    latest_denial,
    verdict,
    written,
)
from nested_docker.domain.names import ANNOTATION_DENIAL, ANNOTATION_GRANTED_BY, ANNOTATION_INJECT_FORM, LABEL_INJECT
from nested_docker.domain.status.conditions import timestamp
from nested_docker.domain.status.reasons import Reason

PATIENT = replace(DEFAULTS, denial_grace_seconds=30)
OFFERED: dict[str, Any] = {"modes": ["Dind"], "injection": {"forms": ["Remote", "Sidecar"]}}


def running(**annotations: str) -> Pod:
    """A pod whose daemon policy `all` has granted."""
    pod = inject(asking(), class_spec(**OFFERED))
    stored = {"name": "job", "uid": "uid-job", "creationTimestamp": timestamp(NOW)}
    pod["metadata"] |= stored | {"annotations": pod["metadata"]["annotations"] | annotations}
    return pod


def judged(pod: Pod | None = None, **fields: Any) -> Accepted | NotAccepted:
    given = {"classes": {"standard": class_spec(**OFFERED)}, "policies": {"all": policy_spec()}} | fields
    pod = pod or running()
    return judge_running(pod, observed(as_nested_docker(pod)["spec"], **given), DEFAULTS)


def test_what_is_granted_runs_on() -> None:
    outcome = judged()
    assert isinstance(outcome, Accepted)
    assert (outcome.reason, outcome.policy, outcome.effective.mode) == (Reason.GRANTED, "all", "Dind")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"policies": {}}, Reason.NOT_GRANTED),
        ({"policies": {"all": policy_spec(allowedModes=["Rootless"])}}, Reason.NOT_GRANTED),
        ({"policies": {"all": policy_spec(namespaceSelector={"matchLabels": {"a": "b"}})}}, Reason.NOT_GRANTED),
        ({"policies": {"all": policy_spec(max={"lifetimeSeconds": 60})}}, Reason.NOT_GRANTED),
        ({"classes": {}}, Reason.CLASS_NOT_FOUND),
        ({"classes": {"standard": class_spec(**OFFERED | {"modes": ["Rootless"]})}}, Reason.MODE_NOT_OFFERED),
        ({"classes": {"standard": class_spec(modes=["Dind"])}}, Reason.NOT_ALLOWED_BY_CLASS),
        ({"namespace_labels": {"pod-security.kubernetes.io/enforce": "baseline"}}, Reason.POD_SECURITY_DENIED),
    ],
)
def test_what_an_admin_takes_away_is_denied(fields: dict[str, Any], reason: Reason) -> None:
    outcome = judged(**fields)
    assert isinstance(outcome, NotAccepted)
    assert outcome.reason == reason


def test_a_class_that_prefers_another_mode_does_not_end_what_runs() -> None:
    assert isinstance(judged(classes={"standard": class_spec(**OFFERED | {"modes": ["Rootless", "Dind"]})}), Accepted)


def test_another_pod_namespace_of_the_class_is_for_the_next_pod() -> None:
    assert isinstance(judged(classes={"standard": class_spec(**OFFERED, podNamespace="daemons")}), Accepted)


def test_nodes_are_no_reason_to_end_what_runs() -> None:
    assert isinstance(judged(cluster=replace(observed().cluster, nodes={})), Accepted)


def test_a_policy_that_only_reports_lets_its_own_pods_run_on() -> None:
    narrowed = policy_spec(allowedModes=["Rootless"], onViolation="Report")
    outcome = judged(policies={"all": narrowed})
    assert (outcome.reason, getattr(outcome, "policy", "")) == (Reason.GRANT_REVOKED, "all")
    assert judged(policies={"other": narrowed}).reason == Reason.NOT_GRANTED
    assert judged(running(**{ANNOTATION_GRANTED_BY: ""}), policies={"all": narrowed}).reason == Reason.NOT_GRANTED


def test_where_policy_is_not_enforced_it_runs_on() -> None:
    outcome = judged(policies={}, namespace_labels={"nesteddocker.dev/enforcement": "Warn"})
    assert outcome.reason == Reason.NOT_ENFORCED


# --- which pods -------------------------------------------------------------------------------------------


def test_only_a_pod_with_the_container_and_both_marks_has_a_sidecar() -> None:
    assert has_sidecar(running())
    assert not has_sidecar(asking() | {"metadata": {"labels": {LABEL_INJECT: "standard"}}})
    assert not has_sidecar(running(**{ANNOTATION_INJECT_FORM: "Remote"}))
    unlabelled, without = running(), running()
    unlabelled["metadata"]["labels"] = {}
    without["spec"]["initContainers"] = [
        each for each in without["spec"]["initContainers"] if each["name"] != "nested-docker"
    ]
    assert not has_sidecar(unlabelled)
    assert not has_sidecar(without)


def test_a_pod_that_has_ended_or_ends_soon_is_over_and_one_with_a_long_grace_period_is_not() -> None:
    def ending(seconds: int) -> Pod:
        pod = running()
        pod["metadata"]["deletionTimestamp"] = timestamp(NOW + timedelta(seconds=seconds))
        return pod

    assert not is_over(running(), NOW)
    assert is_over(running() | {"status": {"phase": "Failed"}}, NOW)
    assert is_over(ending(SIDECAR_STOP_SECONDS), NOW)
    assert not is_over(ending(SIDECAR_STOP_SECONDS + 1), NOW), "its owner may have asked for a year"


def test_the_webhook_names_the_policy_that_grants_it() -> None:
    assert granted_by(running()) == "all"
    assert granted_by(asking()) == ""


# --- the clock ------------------------------------------------------------------------------------------


def ruled(
    pod: Pod, outcome: Accepted | NotAccepted, seconds: float = 0, before: Denial | None = None
) -> SidecarVerdict:
    return verdict(pod, outcome, before, NOW + timedelta(seconds=seconds), PATIENT)


def test_a_denial_begins_once_and_goes_on_from_the_annotation() -> None:
    refused = judged(policies={})
    first = ruled(running(), refused)
    assert (first.is_news, first.stop_at) == (True, NOW + timedelta(seconds=30))
    noted = running(**{ANNOTATION_DENIAL: written(first.denial)})
    assert latest_denial(noted, NOW) == first.denial
    assert ruled(noted, refused, 20) == replace(first, is_news=False)
    again = ruled(noted, judged(), 20)
    assert (again.is_news, again.stop_at) == (True, None)
    restored = running(**{ANNOTATION_DENIAL: written(again.denial)})
    assert ruled(restored, judged(), 25).is_news is False
    assert ruled(restored, refused, 60).stop_at == NOW + timedelta(seconds=69), "21 of its 30 s have passed"


def test_a_clock_that_is_not_written_yet_goes_on() -> None:
    refused = judged(policies={})
    unwritten = Denial(since=timestamp(NOW - timedelta(seconds=29)))
    assert ruled(running(), refused, before=unwritten).stop_at == NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[", '{"since": 1}', '{"since": "never"}', '{"since": "2026-03-01T12:00:00"}'),
        '{"since": "2999-01-01T00:00:00Z"}',
        '{"since": "2026-03-01T12:00:00Z", "until": "2026-03-01T11:00:00Z"}',
    ],
)
def test_an_annotation_that_makes_no_sense_counts_as_none(text: str) -> None:
    pod = running(**{ANNOTATION_DENIAL: text})
    assert latest_denial(pod, NOW) is None
    assert ruled(pod, judged(policies={})).stop_at == NOW + timedelta(seconds=30)
    assert written(None) == ""
