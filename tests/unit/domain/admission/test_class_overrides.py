"""The NestedDocker's part of the pod, held against an allow-list, whatever specs and classes come along."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.factory import BUILD_FILES, DEFAULTS, FULL_ENGINE, HOME, OWNER, WORKLOAD, class_spec, observed
from tests.unit.world import World

from nested_docker.api.meta import Mode
from nested_docker.domain.admission import class_overrides as allowance
from nested_docker.domain.admission.acceptance import Accepted, accept, class_override_violation
from nested_docker.domain.manifests.pod import pod_to_judge
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.status.reasons import Reason, Type


def accepted(spec: dict[str, Any], class_fields: dict[str, Any]) -> Accepted:
    verdict = accept(observed(spec, classes={"standard": class_spec(**class_fields)}), DEFAULTS)
    assert isinstance(verdict, Accepted), verdict
    return verdict


def disallowed_overrides(spec: dict[str, Any], **class_fields: Any) -> list[str]:
    verdict = accepted(spec, class_fields)
    return allowance.disallowed_overrides(verdict.effective, verdict.class_spec, owner=OWNER, defaults=DEFAULTS)


EVERYTHING = {
    "engine": FULL_ENGINE,
    "workload": WORKLOAD,
    "resources": {"limits": {"memory": "2Gi"}},
    "storage": {"type": "Ephemeral", "ephemeral": {"size": "10Gi"}},
    "idleTimeoutSeconds": 600,
    "scheduling": {
        "nodeSelector": {"zone": "z"},
        "tolerations": [{"key": "ci", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "low",
        "podLabels": {"team": "a"},
        "podAnnotations": {"note": "x"},
    },
}


@pytest.mark.parametrize("mode", list(Mode))
def test_every_field_of_the_api_stays_within(mode: Mode) -> None:
    template = {
        "metadata": {"labels": {"from": "class"}},
        "spec": {
            "nodeSelector": {"pool": "ci"},
            "containers": [{"name": "logs", "env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]}],
        },
    }
    assert disallowed_overrides(EVERYTHING | {"mode": mode}, podTemplate=template, idleTimeoutSeconds=60) == []


@pytest.mark.parametrize(
    ("spec", "template", "field"),
    [
        ({"scheduling": {"nodeSelector": {"pool": "x"}}}, {"nodeSelector": {"pool": "ci"}}, "spec.nodeSelector.pool"),
        ({"scheduling": {"affinity": {"nodeAffinity": {}}}}, {"affinity": {"podAffinity": {}}}, "spec.affinity"),
        ({"scheduling": {"priorityClassName": "low"}}, {"priorityClassName": "ci"}, "spec.priorityClassName"),
        (
            {"workload": {"containers": [{"name": "proxy", "image": "evil"}]}},
            {"containers": [{"name": "proxy", "image": "filter"}]},
            "spec.containers[proxy].image",
        ),
    ],
)
def test_what_the_class_decides_stays_its_own(spec: dict[str, Any], template: dict[str, Any], field: str) -> None:
    assert field in disallowed_overrides({"mode": "Dind"} | spec, podTemplate={"spec": template})


def test_labels_and_annotations_of_the_class_stay() -> None:
    template = {"metadata": {"labels": {"team": "class"}, "annotations": {"note": "class"}}}
    spec = {"mode": "Dind", "scheduling": {"podLabels": {"team": "x"}, "podAnnotations": {"note": "x"}}}
    assert disallowed_overrides(spec, podTemplate=template) == ["metadata.annotations.note", "metadata.labels.team"]


TAMPERED: list[tuple[str, Any]] = [
    ("hostNetwork", True),
    ("hostPID", True),
    ("hostIPC", True),
    ("serviceAccountName", "admin"),
    ("automountServiceAccountToken", True),
    ("runtimeClassName", "other"),
    ("nodeName", "control-plane"),
    ("securityContext", {"runAsUser": 0}),
    ("shareProcessNamespace", True),
    ("aFieldOfTheFuture", 1),
]


@pytest.mark.parametrize(("field", "value"), TAMPERED)
def test_a_field_that_nobody_has_thought_of_is_refused(field: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a defect let a NestedDocker set a field of the pod: its workload's name stands for the way in."""

    def defective(context: PodContext, *rest: Any) -> dict[str, Any]:
        made = pod_to_judge(context, *rest)
        if context.effective.workload:
            made["spec"][field] = value
        return made

    monkeypatch.setattr(allowance, "pod_to_judge", defective)
    assert disallowed_overrides({"mode": "Dind", "workload": WORKLOAD}) == [f"spec.{field}"]


@pytest.mark.parametrize("mode", [mode.value for mode in Mode])
def test_a_workload_has_what_its_spec_refers_to(mode: str) -> None:
    assert disallowed_overrides({"mode": mode, "workload": BUILD_FILES}) == []


def mounted_by_class(path: str) -> dict[str, Any]:
    mount = {"name": "of-class", "mountPath": path}
    volume = {"name": "of-class", "configMap": {"name": "c"}}
    return {"spec": {"volumes": [volume], "containers": [{"name": "daemon", "volumeMounts": [mount]}]}}


@pytest.mark.parametrize("path", ["/builds/src", "/builds", "/builds/", "/builds/src/own", "/builds/src/own/deep"])
def test_a_shared_volume_covers_nothing_that_the_class_mounts(path: str) -> None:
    """Neither at its path, nor within it, nor around it; and the class is not blamed."""
    spec = {"mode": "Dind", "workload": BUILD_FILES}
    classes = {"standard": class_spec(podTemplate=mounted_by_class(path))}
    seen = observed(spec, classes=classes)
    outcome = accept(seen, DEFAULTS)
    assert isinstance(outcome, Accepted)
    violation = class_override_violation(seen, outcome, DEFAULTS)
    assert violation is not None
    assert violation.reason == Reason.CLASS_OVERRIDE_DENIED
    assert "spec.containers[daemon].volumeMounts[workload-src]" in violation.message


@pytest.mark.parametrize("path", ["/builds/srcs", "/build", "/src", "/other/builds/src"])
def test_beside_what_the_class_mounts_it_may_be(path: str) -> None:
    assert disallowed_overrides({"mode": "Dind", "workload": BUILD_FILES}, podTemplate=mounted_by_class(path)) == []


@pytest.mark.parametrize("name", ["ssh", "files", "tokens", "scratch", "src"])
def test_a_volume_of_the_workload_takes_no_place_of_the_class_s(name: str) -> None:
    template = {"spec": {"volumes": [{"name": f"workload-{name}", "downwardAPI": {"items": []}}]}}
    spec = {"mode": "Dind", "workload": BUILD_FILES}
    assert f"spec.volumes[workload-{name}]" in disallowed_overrides(spec, podTemplate=template)
    verdict = accepted(spec, {"podTemplate": template})
    assert allowance.template_fields_without_effect(verdict.effective, owner=OWNER, defaults=DEFAULTS) == []


UNDECLARED: list[tuple[str, Any, str]] = [
    ("env", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "other", "key": "token"}}}], "env[A]"),
    ("env", [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "git", "key": "token"}}}], "env[TOKEN]"),
    ("env", [{"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "l"}}}], "env[LEVEL]"),
    ("env", [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}], "env[POD]"),
    ("envFrom", [{"secretRef": {"name": "npm"}}], "envFrom"),
    ("envFrom", [{"prefix": "NPM_", "secretRef": {"name": "x"}}, {"configMapRef": {"name": "settings"}}], "envFrom"),
    ("volumeMounts", [{"name": "workload-other", "mountPath": "/x"}], "volumeMounts[workload-other]"),
]


@pytest.mark.parametrize(("field", "value", "told"), UNDECLARED)
def test_a_reference_that_the_spec_has_not_is_refused(
    field: str, value: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even one that another container of the same workload has."""

    def defective(context: PodContext, *rest: Any) -> dict[str, Any]:
        made = pod_to_judge(context, *rest)
        for container in made["spec"]["containers"]:
            if container["name"] == "builder":
                container[field] = value
        return made

    monkeypatch.setattr(allowance, "pod_to_judge", defective)
    path = f"spec.containers[builder].{told}"
    assert path in disallowed_overrides({"mode": "Dind", "workload": BUILD_FILES})


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("workload-ssh", {"secret": {"secretName": "other"}}),
        ("workload-files", {"configMap": {"name": "other"}}),
        ("workload-src", {"hostPath": {"path": "/"}}),
        ("workload-new", {"emptyDir": {}}),
        ("workspace", {"secret": {"secretName": "git"}}),
        ("socket", {"secret": {"secretName": "git"}}),
    ],
)
def test_a_volume_that_the_spec_has_not_is_refused(
    name: str, source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(context: PodContext, *rest: Any) -> dict[str, Any]:
        made = pod_to_judge(context, *rest)
        if context.effective.workload:
            others = [each for each in made["spec"]["volumes"] if each["name"] != name]
            made["spec"]["volumes"] = [*others, {"name": name, **source}]
        return made

    monkeypatch.setattr(allowance, "pod_to_judge", defective)
    assert disallowed_overrides({"mode": "Dind", "workload": BUILD_FILES}) == [f"spec.volumes[{name}]"]


def test_a_daemon_has_no_volume_of_the_workload_but_the_shared_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(context: PodContext, *rest: Any) -> dict[str, Any]:
        made = pod_to_judge(context, *rest)
        if context.effective.workload:
            daemon = made["spec"]["initContainers"][0]
            daemon["volumeMounts"].append({"name": "workload-ssh", "mountPath": "/root/.ssh"})
        return made

    monkeypatch.setattr(allowance, "pod_to_judge", defective)
    found = disallowed_overrides({"mode": "Dind", "workload": BUILD_FILES})
    assert found == ["spec.containers[daemon].volumeMounts[workload-ssh]"]


OF_OWN = {"secretKeyRef": {"name": f"{OWNER.name}-docker-env", "key": "DOCKER_AUTH_CONFIG"}}
OF_OTHER = {"secretKeyRef": {"name": "other-docker-env", "key": "DOCKER_AUTH_CONFIG"}}
OTHER_KEY = {"secretKeyRef": {"name": f"{OWNER.name}-docker-env", "key": "DOCKER_HOST"}}
CONTAINER_TAMPERED: list[tuple[str, Any, str]] = [
    ("securityContext", {"privileged": True}, "securityContext"),
    ("envFrom", [{"secretRef": {"name": "x"}}], "envFrom"),
    ("volumeDevices", [], "volumeDevices"),
    ("lifecycle", {}, "lifecycle"),
    ("env", [{"name": "A", "valueFrom": {"secretKeyRef": {}}}], "env[A]"),
    ("env", [{"name": "A", "valueFrom": OF_OWN}], "env[A]"),
    ("env", [{"name": "DOCKER_AUTH_CONFIG", "valueFrom": OF_OTHER}], "env[DOCKER_AUTH_CONFIG]"),
    ("env", [{"name": "DOCKER_AUTH_CONFIG", "valueFrom": OTHER_KEY}], "env[DOCKER_AUTH_CONFIG]"),
    ("volumeMounts", [{"name": "server-certificates", "mountPath": "/x"}], "volumeMounts[server-certificates]"),
    ("volumeMounts", [{"name": "node-socket", "mountPath": "/x"}], "volumeMounts[node-socket]"),
]


@pytest.mark.parametrize(("field", "value", "told"), CONTAINER_TAMPERED)
def test_nor_in_a_container(field: str, value: Any, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(context: PodContext, *rest: Any) -> dict[str, Any]:
        made = pod_to_judge(context, *rest)
        for container in made["spec"]["containers"]:
            if container["name"] == "builder":
                container[field] = value
        return made

    monkeypatch.setattr(allowance, "pod_to_judge", defective)
    assert disallowed_overrides({"mode": "Dind", "workload": WORKLOAD}) == [f"spec.containers[builder].{told}"]


@pytest.mark.parametrize("mode", [mode.value for mode in Mode])
def test_a_workload_may_have_the_registry_credentials_of_its_own_secret(mode: str) -> None:
    spec = {"mode": mode, "workload": WORKLOAD, "connection": {"registryCredentials": {"name": "regcred"}}}
    assert disallowed_overrides(spec) == []


KEYS = st.sampled_from(["pool", "zone", "team"])
VALUES = st.sampled_from(["a", "b"])
MAPS = st.dictionaries(KEYS, VALUES, max_size=3)
TOLERATIONS = st.lists(st.fixed_dictionaries({"key": KEYS, "operator": st.just("Exists")}), max_size=2)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["one", "two"]), "image": st.just("app")},
        optional={
            "command": st.just(["x"]),
            "env": st.just([{"name": "A", "value": "$(B)"}]),
            "resources": st.just({"limits": {"cpu": "1"}}),
            "workingDir": st.sampled_from(["/", "/workspace/sub"]),
        },
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda container: container["name"],
)
SPECS = st.fixed_dictionaries(
    {"mode": st.sampled_from([mode.value for mode in Mode])},
    optional={
        "engine": st.sampled_from([FULL_ENGINE, {"image": "dind:2"}, {"caBundleRef": {"name": "c"}}]),
        "workload": st.fixed_dictionaries({"containers": CONTAINERS}, optional={"restartPolicy": st.just("Never")}),
        "resources": st.just({"limits": {"memory": "1Gi"}}),
        "storage": st.sampled_from(
            [
                {"type": "EmptyDir", "emptyDir": {"medium": "Memory"}},
                {"type": "Ephemeral", "ephemeral": {"size": "1Gi"}},
                {"type": "Claim", "claim": {"size": "1Gi"}},
            ]
        ),
        "idleTimeoutSeconds": st.just(60),
        "scheduling": st.fixed_dictionaries(
            {},
            optional={
                "nodeSelector": MAPS,
                "tolerations": TOLERATIONS,
                "podLabels": MAPS,
                "podAnnotations": MAPS,
                "priorityClassName": st.just("low"),
                "affinity": st.just({"nodeAffinity": {}}),
            },
        ),
    },
)
TEMPLATES = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries({}, optional={"labels": MAPS, "annotations": MAPS}),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "nodeSelector": MAPS,
                "tolerations": TOLERATIONS,
                "affinity": st.just({"podAffinity": {}}),
                "priorityClassName": st.just("ci"),
                "serviceAccountName": st.just("daemon"),
                "securityContext": st.just({"sysctls": [{"name": "n", "value": "1"}]}),
                "containers": st.just([{"name": "one", "image": "filter", "securityContext": {"runAsUser": 1}}]),
                "volumes": st.just([{"name": "extra", "emptyDir": {}}]),
            },
        ),
    },
)


@settings(max_examples=200)
@given(SPECS, TEMPLATES)
def test_what_is_not_refused_keeps_every_word_of_the_class(spec: dict[str, Any], template: dict[str, Any]) -> None:
    verdict = accepted(copy.deepcopy(spec), {"podTemplate": copy.deepcopy(template)})
    if allowance.disallowed_overrides(verdict.effective, verdict.class_spec, owner=OWNER, defaults=DEFAULTS):
        return
    made = pod_to_judge(PodContext(HOME, verdict.effective, DEFAULTS), MODES[verdict.effective.mode])
    said = template.get("spec", {})
    assert template.get("metadata", {}).get("labels", {}).items() <= made["metadata"]["labels"].items()
    assert template.get("metadata", {}).get("annotations", {}).items() <= made["metadata"]["annotations"].items()
    assert said.get("nodeSelector", {}).items() <= made["spec"].get("nodeSelector", {}).items()
    for field in ("affinity", "priorityClassName", "serviceAccountName"):
        assert made["spec"].get(field) == said.get(field, made["spec"].get(field))
    for field in ("tolerations", "containers", "volumes"):
        assert all(item in made["spec"][field] for item in said.get(field, []))
    host = "hostPath" in json.dumps(made) or "privileged" in json.dumps(made)
    assert host == (verdict.effective.mode in {Mode.DIND, Mode.HOST_SOCKET})
    assert not {"hostNetwork", "hostPID", "hostIPC", "nodeName"} & made["spec"].keys()


def without_effect(template: dict[str, Any], **spec: Any) -> list[str]:
    verdict = accepted({"mode": "Dind"} | spec, {"podTemplate": template})
    return allowance.template_fields_without_effect(verdict.effective, owner=OWNER, defaults=DEFAULTS)


def of_daemon(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [fields | {"name": "daemon"}]}}


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (of_daemon(command=["sh"]), "spec.containers[daemon].command[sh]"),
        (of_daemon(args=["--debug"]), "spec.containers[daemon].args[--debug]"),
        (of_daemon(image="docker:30-dind"), "spec.containers[daemon].image"),
        (of_daemon(imagePullPolicy="Always"), "spec.containers[daemon].imagePullPolicy"),
        (of_daemon(securityContext={"privileged": False}), "spec.containers[daemon].securityContext.privileged"),
        (of_daemon(securityContext={"runAsUser": 1000}), "spec.containers[daemon].securityContext.runAsUser"),
        (of_daemon(livenessProbe={"periodSeconds": 5}), "spec.containers[daemon].livenessProbe.periodSeconds"),
        (
            of_daemon(env=[{"name": "NESTED_DOCKER_CONFIG", "value": '{"debug":true}'}]),
            "spec.containers[daemon].env[NESTED_DOCKER_CONFIG].value",
        ),
        (
            of_daemon(volumeMounts=[{"name": "fast", "mountPath": "/var/lib/docker"}]),
            "spec.containers[daemon].volumeMounts[/var/lib/docker].name",
        ),
        (
            {"spec": {"volumes": [{"name": "data", "emptyDir": {"medium": "Memory"}}]}},
            "spec.volumes[data].emptyDir.medium",
        ),
        ({"spec": {"restartPolicy": "Never"}}, "spec.restartPolicy"),
        ({"spec": {"automountServiceAccountToken": True}}, "spec.automountServiceAccountToken"),
        ({"spec": {"enableServiceLinks": True}}, "spec.enableServiceLinks"),
        ({"metadata": {"name": "mine"}}, "metadata.name"),
        ({"metadata": {"finalizers": ["example.com/keep"]}}, "metadata.finalizers"),
        ({"metadata": {"labels": {"nesteddocker.dev/role": "other"}}}, "metadata.labels.nesteddocker.dev/role"),
    ],
)
def test_what_a_class_says_and_the_operator_overrides_is_named(template: dict[str, Any], path: str) -> None:
    assert without_effect(template) == [path]
    assert without_effect(template, workload=WORKLOAD | {"restartPolicy": "Always"}) == [path]


@pytest.mark.parametrize(
    ("template", "spec"),
    [
        (of_daemon(env=[{"name": "TZ", "value": "UTC"}]), {}),
        (of_daemon(envFrom=[{"configMapRef": {"name": "extra"}}]), {}),
        (of_daemon(volumeMounts=[{"name": "certs", "mountPath": "/etc/docker/certs.d"}]), {}),
        (of_daemon(resources={"limits": {"memory": "1Gi"}}), {"resources": {"limits": {"memory": "2Gi"}}}),
        (of_daemon(securityContext={"seLinuxOptions": {"level": "s0:c1"}}), {}),
        (of_daemon(lifecycle={"preStop": {"exec": {"command": ["sync"]}}}), {}),
        (of_daemon(env=[{"name": "TZ", "value": "UTC"}]), {"workload": WORKLOAD}),
        ({"spec": {"containers": [{"name": "idle-watch", "resources": {"limits": {"cpu": "1"}}}]}}, {}),
        (
            {"spec": {"containers": [{"name": "idle-watch", "resources": {"limits": {"cpu": "1"}}}]}},
            {"idleTimeoutSeconds": 60},
        ),
        ({"spec": {"terminationGracePeriodSeconds": 120}}, {}),
        ({"spec": {"automountServiceAccountToken": False, "restartPolicy": "Always"}}, {}),
        ({"spec": {"securityContext": {"supplementalGroups": [4000]}}}, {}),
        ({"metadata": {"labels": {"team": "class"}}}, {"scheduling": {"podLabels": {"team": "a"}}}),
    ],
)
def test_what_has_its_effect_is_not(template: dict[str, Any], spec: dict[str, Any]) -> None:
    assert without_effect(template, **spec) == []


def test_the_idle_watch_has_the_resources_of_its_own_field() -> None:
    template = {"spec": {"containers": [{"name": "idle-watch", "resources": {"limits": {"memory": "1Gi"}}}]}}
    path = "spec.containers[idle-watch].resources.limits.memory"
    assert without_effect(template, idleTimeoutSeconds=60) == [path]


def test_a_class_with_a_field_without_effect_gives_no_new_daemon_and_ends_none() -> None:
    classes = {"standard": class_spec(podTemplate=of_daemon(command=["sh"]))}
    running = World()
    running.settle()
    running.base = replace(running.base, classes=classes)
    running.settle()
    assert running.status.holds(Type.READY)
    fresh = World(classes=classes)
    fresh.settle()
    accepted = fresh.status.condition(Type.ACCEPTED)
    assert accepted is not None
    assert accepted.reason == Reason.CLASS_INVALID
    assert accepted.message == (
        "podTemplate of NestedDockerClass standard has spec.containers[daemon].command[sh], which the operator sets "
        "itself: ask a cluster admin to remove it there"
    )
