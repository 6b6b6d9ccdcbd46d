"""What each check of the Pod Security Standards forbids; tests/contract has the API server's own judgement."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.domain.admission.pod_security_standards import NEWEST, PodSecurityLevel, violations

HARDENED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(container: dict[str, Any] | None = None, annotations: dict[str, str] | None = None, **spec: Any) -> Any:
    """A pod that `restricted` admits, with these fields of its container, annotations, and fields of its spec."""
    given = dict(container or {})
    context = {**HARDENED, **given.pop("securityContext", {})}
    one = {"name": "one", "securityContext": context, **given}
    return {"metadata": {"annotations": annotations or {}}, "spec": {"containers": [one], **spec}}


def on_container(**context: Any) -> Any:
    return pod({"securityContext": context})


def on_pod(**context: Any) -> Any:
    return pod(securityContext=context)


PROBE = {"httpGet": {"port": 1, "host": "10.0.0.1"}}
USERS = {"hostUsers": False}
BASELINE: dict[str, tuple[Any, str]] = {
    "privileged": (on_container(privileged=True), "securityContext.privileged: true on container one"),
    "capability": (
        on_container(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN", "CHOWN"]}),
        "capabilities.add: [SYS_ADMIN] on container one",
    ),
    "hostPath": (pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "the hostPath volume v"),
    "network": (pod(hostNetwork=True), "hostNetwork: true"),
    "pid": (pod(hostPID=True), "hostPID: true"),
    "ipc": (pod(hostIPC=True), "hostIPC: true"),
    "port": (pod({"ports": [{"containerPort": 1, "hostPort": 80}]}), "hostPort: 80 on container one"),
    "proc": (on_container(procMount="Unmasked"), 'procMount: "Unmasked" on container one'),
    "AppArmor": (
        on_container(appArmorProfile={"type": "Unconfined"}),
        'AppArmor profile of type "Unconfined" on container one',
    ),
    "AppArmor of the pod": (
        on_pod(appArmorProfile={"type": "Unconfined"}),
        'AppArmor profile of type "Unconfined" on the pod',
    ),
    "AppArmor by annotation": (
        pod(annotations={"container.apparmor.security.beta.kubernetes.io/one": "unconfined"}),
        'annotation container.apparmor.security.beta.kubernetes.io/one: "unconfined"',
    ),
    "seccomp": (
        on_container(seccompProfile={"type": "Unconfined"}),
        'seccomp profile of type "Unconfined" on container one',
    ),
    "SELinux type": (on_container(seLinuxOptions={"type": "spc_t"}), 'seLinuxOptions.type: "spc_t" on container one'),
    "SELinux user": (on_pod(seLinuxOptions={"user": "u"}), "seLinuxOptions.user on the pod"),
    "SELinux role": (on_pod(seLinuxOptions={"role": "r"}), "seLinuxOptions.role on the pod"),
    "sysctl": (on_pod(sysctls=[{"name": "kernel.msgmax", "value": "1"}]), 'sysctl "kernel.msgmax"'),
    "probe": (pod({"startupProbe": PROBE}), 'httpGet.host: "10.0.0.1" of a probe or hook on container one'),
    "hook": (
        pod({"lifecycle": {"preStop": PROBE}}),
        'httpGet.host: "10.0.0.1" of a probe or hook on container one',
    ),
    "host process": (
        on_container(windowsOptions={"hostProcess": True}),
        "windowsOptions.hostProcess: true on container one",
    ),
}
RESTRICTED: dict[str, tuple[Any, str]] = {
    "volume": (pod(volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}]), "volume v of type nfs"),
    "escalation": (
        on_container(allowPrivilegeEscalation=None),
        "no allowPrivilegeEscalation: false on container one",
    ),
    "root": (on_container(runAsNonRoot=None), "no runAsNonRoot: true on container one"),
    "root on purpose": (on_container(runAsNonRoot=False), "runAsNonRoot: false on container one"),
    "user 0": (on_container(runAsUser=0), "runAsUser: 0 on container one"),
    "no seccomp": (on_container(seccompProfile=None), "no seccompProfile on container one"),
    "capabilities": (on_container(capabilities={}), "no capabilities.drop: [ALL] on container one"),
    "CHOWN": (
        on_container(capabilities={"drop": ["ALL"], "add": ["CHOWN"]}),
        "capabilities.add: [CHOWN] on container one",
    ),
    "proc in a user namespace": (
        pod({"securityContext": {"procMount": "Unmasked"}}, **USERS),
        'procMount: "Unmasked" on container one',
    ),
}


@pytest.mark.parametrize("what", BASELINE)
def test_both_levels_forbid_what_baseline_forbids(what: str) -> None:
    manifest, told = BASELINE[what]
    assert violations(manifest, PodSecurityLevel.BASELINE, NEWEST) == [told]
    assert told in violations(manifest, PodSecurityLevel.RESTRICTED, NEWEST)
    assert violations(manifest, PodSecurityLevel.PRIVILEGED, NEWEST) == []


@pytest.mark.parametrize("what", RESTRICTED)
def test_restricted_forbids_more(what: str) -> None:
    manifest, told = RESTRICTED[what]
    assert violations(manifest, PodSecurityLevel.BASELINE, NEWEST) == []
    assert violations(manifest, PodSecurityLevel.RESTRICTED, NEWEST) == [told]


@pytest.mark.parametrize(
    "manifest",
    [
        pod(),
        pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "w"}, {"name": "i", "image": {"reference": "r"}}]),
        pod({"securityContext": {"seccompProfile": None}}, securityContext={"seccompProfile": {"type": "Localhost"}}),
        pod({"securityContext": {"runAsNonRoot": None}}, securityContext={"runAsNonRoot": True}),
        pod({"securityContext": {"runAsNonRoot": None, "runAsUser": 0}}, **USERS),
        on_container(appArmorProfile={"type": "Localhost"}, seLinuxOptions={"type": "container_t"}),
        pod({"securityContext": {"allowPrivilegeEscalation": None, "capabilities": {}}}, os={"name": "windows"}),
        {"spec": {"containers": "none"}},
        {},
    ],
)
def test_restricted_admits(manifest: dict[str, Any]) -> None:
    assert violations(manifest, PodSecurityLevel.RESTRICTED, NEWEST) == []


@pytest.mark.parametrize(
    ("manifest", "level", "since"),
    [
        (pod({"securityContext": {"procMount": "Unmasked"}}, **USERS), "baseline", 35),
        (pod({"securityContext": {"runAsNonRoot": None}}, **USERS), "restricted", 35),
        (pod({"securityContext": {"runAsUser": 0}}, **USERS), "restricted", 35),
        (on_container(seLinuxOptions={"type": "container_engine_t"}), "baseline", 31),
        (on_pod(sysctls=[{"name": "net.ipv4.tcp_rmem", "value": "1"}]), "baseline", 32),
        (on_pod(sysctls=[{"name": "net.ipv4.tcp_notsent_lowat", "value": "1"}]), "baseline", 37),
    ],
)
def test_a_later_version_of_the_standards_admits_more(manifest: dict[str, Any], level: str, since: int) -> None:
    assert violations(manifest, PodSecurityLevel(level), since - 1)
    assert violations(manifest, PodSecurityLevel(level), since) == []
    assert violations(manifest, PodSecurityLevel(level), float("inf")) == []


@pytest.mark.parametrize(
    ("manifest", "level", "since"),
    [
        (pod({"startupProbe": PROBE}), "baseline", 34),
        (on_container(seccompProfile={"type": "Unconfined"}), "baseline", 19),
        (on_container(capabilities={}), "restricted", 22),
        (on_container(runAsUser=0), "restricted", 23),
    ],
)
def test_a_later_version_of_the_standards_forbids_more(manifest: dict[str, Any], level: str, since: int) -> None:
    assert violations(manifest, PodSecurityLevel(level), since - 1) == []
    assert violations(manifest, PodSecurityLevel(level), since)


def test_old_standards_judge_seccomp_by_annotations() -> None:
    key = "container.seccomp.security.alpha.kubernetes.io/one"
    manifest = pod(annotations={key: "unconfined"})
    assert violations(manifest, PodSecurityLevel.BASELINE, 18) == [f'annotation {key}: "unconfined"']
    assert violations(manifest, PodSecurityLevel.BASELINE, 19) == []


def test_init_containers_count() -> None:
    init = {"name": "first", "securityContext": {"privileged": True}}
    told = violations(pod(initContainers=[init]), PodSecurityLevel.BASELINE, NEWEST)
    assert told == ["securityContext.privileged: true on container first"]
