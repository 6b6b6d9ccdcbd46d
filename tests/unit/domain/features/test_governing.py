"""What becomes of NestedDockers when admins change their minds, and how strictly that is taken."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, class_spec, observed, policy_spec
from tests.unit.world import EVERYTHING, World

from nested_docker.api.meta import Enforcement, Mode, Status
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.admission.pod_security import SHOWN_VIOLATIONS
from nested_docker.domain.status.reasons import Reason, Type

PSA = "pod-security.kubernetes.io/enforce"
DENYING = {"everything": policy_spec(allowedModes=["Sysbox"])}


def running(**policy: Any) -> World:
    world = World(policies={"everything": policy_spec(**policy)})
    world.settle()
    assert len(world.kinds()) == len(EVERYTHING)
    return world


def ready(world: World) -> tuple[str, str]:
    condition = world.status.condition(Type.READY)
    assert condition is not None
    return condition.status, condition.reason


def accepted(world: World) -> tuple[str, str]:
    condition = world.status.condition(Type.ACCEPTED)
    assert condition is not None
    return condition.status, condition.reason


def test_a_lost_grant_stops_what_runs_and_its_return_heals() -> None:
    world = running()
    assert world.status.policy_name == "everything"
    world.base = replace(world.base, policies=DENYING)
    world.settle()
    assert world.kinds() == []
    assert ready(world) == ("False", "NotGranted")
    world.base = replace(world.base, policies={"other": policy_spec()})
    world.settle()
    assert ready(world) == ("True", "Ready")
    assert world.status.policy_name == "other"


def reported() -> World:
    world = running(onViolation="Report")
    world.base = replace(
        world.base, policies={"everything": policy_spec(allowedModes=["Sysbox"], onViolation="Report")}
    )
    world.settle()
    return world


def test_report_lets_the_present_pod_go_on_and_says_so() -> None:
    world = reported()
    assert len(world.kinds()) == len(EVERYTHING)
    assert accepted(world) == ("True", "GrantRevoked")
    assert ready(world) == ("True", "Ready")
    assert world.status.policy_name == "everything"


def test_report_ends_with_the_pod() -> None:
    world = reported()
    world.pod()["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    world.settle()
    assert world.kinds() == []
    assert ready(world) == ("False", "NotGranted")


def test_report_ends_with_the_first_change_of_the_spec() -> None:
    world = reported()
    spec = dict(world.base.spec) | {"engine": {"image": "evil:1"}}
    world.base = replace(world.base, generation=world.base.generation + 1, spec=spec)
    world.settle()
    assert world.kinds() == []


def test_report_ends_with_its_policy() -> None:
    world = reported()
    world.base = replace(world.base, policies={"stricter": policy_spec(allowedModes=["Sysbox"])})
    world.settle()
    assert world.kinds() == []


def test_report_gives_nothing_to_whom_nothing_was_granted() -> None:
    world = World(policies={"everything": policy_spec(allowedModes=["Sysbox"], onViolation="Report")})
    world.settle()
    assert world.kinds() == []
    assert ready(world) == ("False", "NotGranted")


def test_what_has_finished_keeps_its_results() -> None:
    world = World({"mode": "Dind", "activeDeadlineSeconds": 1})
    world.settle()
    assert ready(world) == ("False", "DeadlineExceeded")
    before = world.status
    world.base = replace(world.base, policies=DENYING)
    world.settle()
    assert world.status == before


@pytest.mark.parametrize("level", [Enforcement.WARN, Enforcement.AUDIT])
def test_without_enforcement_it_is_made_and_told(level: Enforcement) -> None:
    world = World(policies=DENYING)
    world.defaults = replace(DEFAULTS, enforcement=level)
    world.settle()
    assert accepted(world) == ("True", "NotEnforced")
    assert ready(world) == ("True", "Ready")
    assert world.status.policy_name == ""
    message = world.status.condition(Type.ACCEPTED)
    assert message is not None
    assert "allowedModes has only Sysbox" in message.message


@pytest.mark.parametrize(
    ("label", "reason"), [("Warn", "NotEnforced"), ("Audit", "NotEnforced"), ("Enforce", None), ("off", None)]
)
def test_a_namespaces_label_has_the_last_word(label: str, reason: str | None) -> None:
    labels = {"nesteddocker.dev/enforcement": label}
    verdict = accept(observed(policies=DENYING, namespace_labels=labels), DEFAULTS)
    assert (verdict.reason if isinstance(verdict, Accepted) else None) == reason
    lenient = replace(DEFAULTS, enforcement=Enforcement.AUDIT)
    verdict = accept(observed(policies=DENYING, namespace_labels=labels | {"x": "y"}), lenient)
    assert isinstance(verdict, Accepted) == (label != "Enforce")


def test_a_granted_mode_goes_before_one_that_is_only_not_enforced() -> None:
    lenient = replace(DEFAULTS, enforcement=Enforcement.WARN)
    verdict = accept(observed({}, policies=DENYING), lenient)
    assert isinstance(verdict, Accepted)
    assert (verdict.effective.mode, verdict.reason) == (Mode.SYSBOX, Reason.GRANTED)


@pytest.mark.parametrize(
    ("mode", "level", "passing"),
    [
        ("Dind", "privileged", True),
        ("Dind", "baseline", False),
        ("Dind", "restricted", False),
        ("HostSocket", "baseline", False),
        ("HostSocket", "restricted", False),
        ("Sysbox", "baseline", True),
        ("Sysbox", "restricted", False),
        ("Dind", "no-such-level", True),
        ("UserNamespace", "baseline", False),
        ("Rootless", "privileged", True),
        ("Rootless", "baseline", True),
        ("Rootless", "restricted", False),
    ],
)
def test_pod_security_is_foreseen(mode: str, level: str, passing: bool) -> None:
    verdict = accept(observed({"mode": mode}, namespace_labels={PSA: level}), DEFAULTS)
    assert isinstance(verdict, Accepted) == passing
    if isinstance(verdict, NotAccepted):
        assert verdict.reason == Reason.POD_SECURITY_DENIED
        assert f"enforces the Pod Security level {level}" in verdict.message


NO_ESCALATION = {"name": "daemon", "securityContext": {"allowPrivilegeEscalation": False}}
ESCALATION = {"name": "daemon", "securityContext": {"allowPrivilegeEscalation": True}}
OTHER = {
    "name": "other",
    "image": "i",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}
WORKLOAD = {"containers": [{"name": "job", "image": "i"}]}


@pytest.mark.parametrize(
    ("version", "spec", "containers", "passing"),
    [
        ("v1.34", {}, [NO_ESCALATION], False),
        ("v1.25", {}, [NO_ESCALATION], False),
        ("v1.35", {}, [NO_ESCALATION], True),
        ("v1.40", {}, [NO_ESCALATION], True),
        ("latest", {}, [OTHER, NO_ESCALATION], True),
        ("no-version", {}, [NO_ESCALATION], True),
        ("v1.35", {}, [], False),
        ("latest", {}, [ESCALATION], False),
        ("latest", {}, [OTHER], False),
        ("latest", {}, [{"name": "daemon"}], False),
        ("v1.35", {"workload": WORKLOAD}, [NO_ESCALATION], False),
        ("latest", {"workload": WORKLOAD}, [NO_ESCALATION], False),
    ],
)
def test_restricted_admits_root_in_a_user_namespace_since_kubernetes_1_35(
    version: str, spec: dict[str, Any], containers: list[dict[str, Any]], passing: bool
) -> None:
    labels = {PSA: "restricted", f"{PSA}-version": version}
    classes = {"standard": class_spec(podTemplate={"spec": {"containers": containers}})}
    verdict = accept(observed({"mode": "Sysbox"} | spec, namespace_labels=labels, classes=classes), DEFAULTS)
    assert isinstance(verdict, Accepted) == passing
    if isinstance(verdict, NotAccepted):
        assert verdict.reason == Reason.POD_SECURITY_DENIED
        later = "The standards of Kubernetes 1.35 and newer admit it (pod-security.kubernetes.io/enforce-version)"
        assert (later in verdict.message) == (version in {"v1.25", "v1.34"})


@pytest.mark.parametrize(
    ("version", "modules", "passing"),
    [
        ("v1.34", [], False),
        ("v1.35", [], True),
        ("latest", [{"mode": "UserNamespace", "seccompProfile": {"type": "Unconfined"}}], True),
        ("latest", [{"mode": "Rootless", "appArmorProfile": {"type": "RuntimeDefault"}}], True),
        ("latest", [{"mode": "Rootless", "appArmorProfile": {"type": "Unconfined"}}], False),
        ("latest", [{"mode": "Rootless", "seccompProfile": {"type": "Unconfined"}}], False),
        ("latest", [{"mode": "Rootless", "seLinuxOptions": {"type": "container_engine_t"}}], True),
        ("latest", [{"mode": "Rootless", "seLinuxOptions": {"type": "spc_t"}}], False),
        ("latest", [{"mode": "Rootless", "seLinuxOptions": {"role": "system_r"}}], False),
    ],
)
def test_baseline_admits_a_rootless_daemon_that_is_confined_since_kubernetes_1_35(
    version: str, modules: list[dict[str, Any]], passing: bool
) -> None:
    labels = {PSA: "baseline", f"{PSA}-version": version}
    classes = {"standard": class_spec(securityModules=modules)}
    verdict = accept(observed({"mode": "Rootless"}, namespace_labels=labels, classes=classes), DEFAULTS)
    assert isinstance(verdict, Accepted) == passing
    if isinstance(verdict, NotAccepted):
        assert verdict.reason == Reason.POD_SECURITY_DENIED
        later = "The standards of Kubernetes 1.35 and newer admit it (pod-security.kubernetes.io/enforce-version)"
        assert (later in verdict.message) == (version == "v1.34")


def test_a_pod_security_denial_names_field_and_modes_that_would_pass() -> None:
    verdict = accept(observed({"mode": "Dind"}, namespace_labels={PSA: "baseline"}), DEFAULTS)
    assert isinstance(verdict, NotAccepted)
    assert verdict.message == (
        "namespace team-a enforces the Pod Security level baseline (pod-security.kubernetes.io/enforce), which forbids "
        "what the pod has in mode Dind: securityContext.privileged: true on container daemon. Choose mode Sysbox, "
        "Rootless, or ask a cluster admin to change the class or the label"
    )


BEYOND_BASELINE = {
    "the node's network": {"hostNetwork": True},
    "a container of its own": {"containers": [{"name": "own", "image": "i", "securityContext": {"privileged": True}}]},
    "a folder of the node": {"volumes": [{"name": "own", "hostPath": {"path": "/etc"}}]},
}


@pytest.mark.parametrize("template", BEYOND_BASELINE.values(), ids=BEYOND_BASELINE)
@pytest.mark.parametrize("mode", ["Sysbox", "Rootless"])
def test_what_the_class_adds_to_the_pod_is_foreseen(mode: str, template: dict[str, Any]) -> None:
    classes = {"standard": class_spec(podTemplate={"spec": template})}
    verdict = accept(observed({"mode": mode}, namespace_labels={PSA: "baseline"}, classes=classes), DEFAULTS)
    assert isinstance(verdict, NotAccepted)
    assert verdict.reason == Reason.POD_SECURITY_DENIED
    assert "no mode passes it: use a class with a podNamespace".lower() in verdict.message.lower()


def test_a_pod_security_denial_names_no_more_than_five_fields() -> None:
    spec = {"mode": "Dind", "workload": WORKLOAD}
    verdict = accept(observed(spec, namespace_labels={PSA: "restricted"}), DEFAULTS)
    assert isinstance(verdict, NotAccepted)
    assert verdict.message.count(" on container ") == SHOWN_VIOLATIONS
    assert re.search(r" and \d more\. ", verdict.message)


def test_a_mode_that_passes_is_chosen_where_none_is_asked_for() -> None:
    verdict = accept(observed({}, namespace_labels={PSA: "baseline"}), DEFAULTS)
    assert isinstance(verdict, Accepted)
    assert verdict.effective.mode == Mode.ROOTLESS


def test_what_oversteps_the_class_is_never_made_and_heals() -> None:
    classes = {"standard": class_spec(podTemplate={"spec": {"nodeSelector": {"pool": "ci"}}})}
    world = World({"mode": "Dind", "scheduling": {"nodeSelector": {"pool": "control-plane"}}}, classes=classes)
    world.settle()
    assert world.kinds() == []
    assert ready(world) == ("False", "ClassOverrideDenied")
    condition = world.status.condition(Type.ACCEPTED)
    assert condition is not None
    assert condition.status == Status.FALSE
    assert "spec.nodeSelector.pool" in condition.message
    world.base = replace(world.base, spec={"mode": "Dind"})
    world.settle()
    assert ready(world) == ("True", "Ready")
