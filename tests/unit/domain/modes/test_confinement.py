"""AppArmor, SELinux and seccomp of the daemon's container, as its class says for each mode."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.factory import DEFAULTS, HOME, OWNER, class_spec, observed
from tests.unit.world import World

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1.nested_docker import Hazard
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept, class_override_violation
from nested_docker.domain.manifests.pod import pod
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.confinement import missing_profile
from nested_docker.domain.status.reasons import Reason

LOCALHOST = {"type": "Localhost", "localhostProfile": "dockerd"}
DEFAULT = {"type": "RuntimeDefault"}
ENGINE = {"type": "container_engine_t", "level": "s0:c1,c2"}
EACH = [
    {"mode": "Dind", "appArmorProfile": LOCALHOST},
    {"mode": "Sysbox", "seLinuxOptions": ENGINE},
    {"mode": "HostSocket", "appArmorProfile": DEFAULT, "seLinuxOptions": {"type": "spc_t"}},
    {"mode": "UserNamespace", "appArmorProfile": LOCALHOST, "seccompProfile": {"type": "Unconfined"}},
    {"mode": "Rootless", "appArmorProfile": {"type": "Unconfined"}, "seccompProfile": {"type": "Unconfined"}},
]


def accepted(mode: str, **class_fields: Any) -> Accepted:
    verdict = accept(observed({"mode": mode}, classes={"standard": class_spec(**class_fields)}), DEFAULTS)
    assert isinstance(verdict, Accepted)
    return verdict


def security_context(mode: str, **class_fields: Any) -> dict[str, Any]:
    """Of the daemon's container."""
    made = pod(PodContext(HOME, accepted(mode, **class_fields).effective, DEFAULTS), MODES[Mode(mode)], "0123456789")
    return dict(made["spec"]["containers"][0]["securityContext"])


@pytest.mark.parametrize("modules", EACH, ids=lambda modules: modules["mode"])
def test_each_mode_has_what_its_class_says_of_it(modules: dict[str, Any]) -> None:
    mode = modules["mode"]
    said = {key: value for key, value in modules.items() if key != "mode"}
    assert security_context(mode, securityModules=EACH) == security_context(mode) | said


@pytest.mark.parametrize("mode", sorted({*Mode} - {Mode.USER_NAMESPACE}))
def test_by_default_the_container_runtime_decides(mode: Mode) -> None:
    others = [modules for modules in EACH if modules["mode"] != mode]
    for context in (security_context(mode), security_context(mode, securityModules=others)):
        assert context.keys().isdisjoint({"appArmorProfile", "seLinuxOptions"})


def test_a_change_of_the_class_waits_for_the_next_pod() -> None:
    world = World({"mode": "Dind"}, classes={"standard": class_spec()})
    world.settle()
    before = world.pod()["metadata"]["uid"]
    object.__setattr__(world.base, "classes", {"standard": class_spec(securityModules=EACH)})
    world.settle()
    pending = world.status.condition("UpdatePending")
    assert pending is not None
    assert pending.message.startswith("the class changed securityModules; the running pod has the previous value")
    assert world.pod()["metadata"]["uid"] == before


def test_a_pod_template_that_says_something_else_is_refused() -> None:
    daemon = {"name": "daemon", "securityContext": {"appArmorProfile": {"type": "Unconfined"}}}
    template = {"spec": {"containers": [daemon]}}
    classes = {"standard": class_spec(podTemplate=template, securityModules=EACH)}
    seen = observed({"mode": "Dind"}, classes=classes)
    verdict = accept(seen, DEFAULTS)
    assert isinstance(verdict, Accepted)
    problem = class_override_violation(seen, verdict, DEFAULTS)
    assert isinstance(problem, NotAccepted)
    assert problem.reason == Reason.CLASS_INVALID
    assert "spec.containers[daemon].securityContext.appArmorProfile.type" in problem.message
    assert OWNER.name not in problem.message


def hazards(mode: str, **class_fields: Any) -> list[Hazard]:
    """Those about confinement."""
    found = MODES[Mode(mode)].hazards(accepted(mode, **class_fields).effective, None)
    return [hazard for hazard in found if hazard.type in {"AppArmorIgnored", "ConfinedDaemon"}]


@pytest.mark.parametrize(
    ("mode", "profile", "expected", "message"),
    [
        ("Dind", DEFAULT, "AppArmorIgnored", "apply their default profile to no privileged container"),
        ("Dind", LOCALHOST, "ConfinedDaemon", "The class confines dockerd by AppArmor profile dockerd."),
        ("Sysbox", DEFAULT, "AppArmorIgnored", "Sysbox starts its containers without an AppArmor profile"),
        ("Sysbox", LOCALHOST, "AppArmorIgnored", "of type Localhost has no effect in mode Sysbox"),
        ("UserNamespace", DEFAULT, "ConfinedDaemon", "The class confines dockerd by AppArmor profile RuntimeDefault."),
        ("UserNamespace", LOCALHOST, "ConfinedDaemon", "The class confines dockerd by AppArmor profile dockerd."),
        ("Rootless", LOCALHOST, "ConfinedDaemon", "The class confines dockerd by AppArmor profile dockerd."),
    ],
)
@pytest.mark.parametrize("by_template", [False, True])
def test_a_profile_without_effect_or_too_strict_is_a_hazard(
    mode: str, profile: dict[str, str], expected: str, message: str, by_template: bool
) -> None:
    daemon = {"name": "daemon", "securityContext": {"appArmorProfile": profile}}
    fields: dict[str, Any] = (
        {"podTemplate": {"spec": {"containers": [daemon]}}}
        if by_template
        else {"securityModules": [{"mode": mode, "appArmorProfile": profile}]}
    )
    (found,) = hazards(mode, **fields)
    assert found.type == expected
    assert message in found.message
    assert found.remedy


@pytest.mark.parametrize("mode", ["Dind", "Sysbox", "UserNamespace", "Rootless"])
def test_an_selinux_type_is_a_hazard_and_a_level_is_not(mode: str) -> None:
    (found,) = hazards(mode, securityModules=[{"mode": mode, "seLinuxOptions": ENGINE}])
    assert found.type == "ConfinedDaemon"
    assert "by SELinux type container_engine_t" in found.message
    assert "the change to the profile or type of inner containers" in found.remedy
    assert hazards(mode, securityModules=[{"mode": mode, "seLinuxOptions": {"level": "s0:c1,c2"}}]) == []


@pytest.mark.parametrize("mode", list(Mode))
def test_neither_the_default_nor_unconfined_is_a_hazard(mode: Mode) -> None:
    unconfined = {"mode": mode, "appArmorProfile": {"type": "Unconfined"}}
    assert hazards(mode) == hazards(mode, securityModules=[unconfined]) == []
    assert hazards(mode, podTemplate={"spec": {"containers": [{"name": "other", "image": "i"}]}}) == []


def test_a_relay_is_no_daemon_that_profiles_hit() -> None:
    assert hazards("HostSocket", securityModules=EACH) == []


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([{"mode": "Dind"}] * 6, "at most 5 items"),
        ([{"mode": "Podman"}], "'Dind', 'HostSocket', 'Sysbox', 'UserNamespace' or 'Rootless'"),
        ([{"mode": "Dind", "appArmorProfile": {"type": "Enforce"}}], "'RuntimeDefault', 'Localhost' or 'Unconfined'"),
        ([{"mode": "Dind", "seLinuxOptions": {"type": ""}}], "at least 1 character"),
        ([{"mode": "UserNamespace", "seccompProfile": {"type": "RuntimeDefault"}}], "'Localhost' or 'Unconfined'"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_in_the_class(modules: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        class_spec(securityModules=modules)


@pytest.mark.parametrize(
    ("said", "profile"),
    [
        (
            "failed to get container spec opts: failed to generate apparmor spec opts: apparmor profile not found ci",
            "AppArmor profile ci",
        ),
        ('Cannot enforce AppArmor: profile "ci/dockerd" is not loaded', "AppArmor profile ci/dockerd"),
        ("AppArmor profile ci not loaded", "AppArmor profile ci"),
        (
            'failed to generate seccomp spec opts: cannot load seccomp profile "/var/lib/kubelet/seccomp/ci.json": '
            "open /var/lib/kubelet/seccomp/ci.json: no such file or directory",
            "seccomp profile /var/lib/kubelet/seccomp/ci.json",
        ),
        (
            "setup seccomp: unable to load local profile: open /var/lib/kubelet/seccomp/ci.json: no such file or "
            "directory",
            "seccomp profile /var/lib/kubelet/seccomp/ci.json",
        ),
    ],
)
def test_a_profile_that_the_node_lacks_is_named_with_the_remedy(said: str, profile: str) -> None:
    assert missing_profile(said) == (
        f"its node does not have the {profile}: load it on each node where such pods run, or name another one in the "
        "class"
    )


@pytest.mark.parametrize("said", ["", 'configmap "gone" not found', "open /etc/x: no such file or directory"])
def test_what_is_not_about_a_profile_gets_no_such_remedy(said: str) -> None:
    assert missing_profile(said) == ""
