"""Every field has an effect, or is refused by name, or is reported."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from tests.support.factory import CLUSTER, FULL_ENGINE, HOME, class_spec, policy_spec
from tests.unit.world import World

from nested_docker.api.tenancy import declarations
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerSpec
from nested_docker.domain import names
from nested_docker.domain.objects import RuntimeClassFacts
from nested_docker.domain.observed import NamespaceFacts
from nested_docker.domain.status.reasons import Type

Json = dict[str, Any]
PARTED = {"engine", "scheduling", "connection"}
"""Fields whose members are independent of each other."""

DIFFERENT_MODES = ["Dind", "HostSocket"]
"""Sysbox, UserNamespace and Rootless read the same fields as Dind."""

MODES = ["Dind", "HostSocket", "Sysbox"]
AMOUNTS = {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}
CONTAINER = {"image": "i:1", "command": ["a"], "args": ["b"], "env": [{"name": "A", "value": "1"}], "workingDir": "/a"}
SELECTOR = {
    "matchLabels": {"a": "b"},
    "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
}
STORAGE: Json = {
    "emptyDir": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}},
    "ephemeral": {"type": "Ephemeral", "ephemeral": {"size": "1Gi", "storageClassName": "a"}},
    "claim": {"type": "Claim", "claim": {"size": "1Gi", "storageClassName": "a", "whenDeleted": "Retain"}},
}
FULL: Json = {
    "className": "standard",
    "engine": FULL_ENGINE
    | {
        "caBundleRef": {"name": "corporate", "key": "ca.crt"},
        "proxy": {"httpProxy": "http://a:1", "httpsProxy": "http://a:1", "noProxy": "a"},
    },
    "resources": AMOUNTS,
    "storage": STORAGE["emptyDir"],
    "workload": {
        "containers": [CONTAINER | {"name": "main", "resources": AMOUNTS}],
        "initContainers": [CONTAINER | {"name": "first", "resources": AMOUNTS}],
        "restartPolicy": "Never",
    },
    "activeDeadlineSeconds": 600,
    "idleTimeoutSeconds": 60,
    "ttlSecondsAfterFinished": 60,
    "connection": {
        "secretTemplate": {"labels": {"a": "b"}, "annotations": {"a": "b"}},
        "clients": [{"podSelector": SELECTOR, "namespaceSelector": SELECTOR}],
    },
    "scheduling": {
        "nodeSelector": {"a": "b"},
        "affinity": {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]},
            "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]},
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]},
        },
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "podLabels": {"a": "b"},
        "podAnnotations": {"a": "b"},
    },
}
OTHER_VALUES: Json = {
    "spec.engine.image": "other:1",
    "spec.engine.storageDriver": "vfs",
    "spec.engine.mirrors": {"docker.io": ["https://other"]},
    "spec.engine.insecureRegistries": ["other"],
    "spec.engine.caBundleRef.name": "other",
    "spec.engine.caBundleRef.key": "other",
    "spec.engine.imagePullSecrets[].name": "other",
    "spec.engine.mtu": 1300,
    "spec.engine.iptables": "Nft",
    "spec.engine.addressPools[].base": "172.29.0.0/16",
    "spec.engine.addressPools[].size": 25,
    "spec.engine.dns": ["10.0.0.54"],
    "spec.engine.proxy.httpProxy": "http://other:1",
    "spec.engine.proxy.httpsProxy": "http://other:1",
    "spec.engine.proxy.noProxy": "other",
    "spec.engine.config": {"log-level": "error"},
    "spec.resources.requests": {"cpu": "200m"},
    "spec.resources.limits": {"memory": "2Gi"},
    "spec.storage.type": "Claim",
    "spec.storage.emptyDir.sizeLimit": "2Gi",
    "spec.storage.emptyDir.medium": "Disk",
    "spec.storage.ephemeral.size": "2Gi",
    "spec.storage.ephemeral.storageClassName": "b",
    "spec.storage.claim.size": "2Gi",
    "spec.storage.claim.storageClassName": "b",
    "spec.storage.claim.whenDeleted": "Delete",
    **{
        f"spec.workload.{key}[].{field}": value
        for key in ("containers", "initContainers")
        for field, value in {
            "name": "other",
            "image": "other:1",
            "command": ["other"],
            "args": ["other"],
            "env[].name": "B",
            "env[].value": "2",
            "workingDir": "/other",
            "resources.requests": {"cpu": "200m"},
            "resources.limits": {"memory": "2Gi"},
        }.items()
    },
    "spec.workload.restartPolicy": "Always",
    "spec.suspend": True,
    "spec.activeDeadlineSeconds": 900,
    "spec.idleTimeoutSeconds": 90,
    "spec.connection.secretTemplate.labels": {"a": "c"},
    "spec.connection.secretTemplate.annotations": {"a": "c"},
    **{
        f"spec.connection.clients[].{selector}.{field}": value
        for selector in ("podSelector", "namespaceSelector")
        for field, value in {
            "matchLabels": {"a": "c"},
            "matchExpressions[].key": "c",
            "matchExpressions[].operator": "NotIn",
            "matchExpressions[].values": ["c"],
        }.items()
    },
    "spec.scheduling.nodeSelector": {"a": "c"},
    "spec.scheduling.affinity.nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}},
    "spec.scheduling.affinity.podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []},
    "spec.scheduling.affinity.podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []},
    "spec.scheduling.tolerations": [{"key": "b", "operator": "Exists"}],
    "spec.scheduling.priorityClassName": "low",
    "spec.scheduling.podLabels": {"a": "c"},
    "spec.scheduling.podAnnotations": {"a": "c"},
}
"""Another value of each field than that in FULL: something must differ."""

REASONS: dict[str, str] = {
    "spec.className": "it chooses everything else: admission/test_acceptance.py",
    "spec.mode": "this test compares within a mode",
    "spec.connection.registryCredentials.name": "it names what is read: domain/test_registry_credentials.py",
    "spec.ttlSecondsAfterFinished": "it counts from the end: planning/test_lifetime.py, and below",
}
"""Fields of a NestedDocker that show nothing here, and why."""

COPIED = tuple(
    f"spec.workload.{each}"
    for each in (
        "volumes[].",
        *(
            f"{key}[].{field}"
            for key in ("containers", "initContainers")
            for field in ("envFrom[].", "env[].valueFrom.", "volumeMounts[].")
        ),
    )
)
"""Beginnings of fields that the pod has as they are: manifests/test_workload.py compares them."""

OF_THE_CLASS: Json = {
    **{path: value for path, value in OTHER_VALUES.items() if path.startswith(("spec.engine", "spec.resources"))},
    **{path: value for path, value in OTHER_VALUES.items() if path.startswith("spec.storage")},
    "spec.podTemplate": {"spec": {"schedulerName": "other"}},
    "spec.childTemplate.metadata.labels": {"a": "c"},
    "spec.childTemplate.metadata.annotations": {"a": "c"},
    "spec.runtimeClassName": "other",
    "spec.hostSocket.access": "Raw",
    "spec.hostSocket.path": "/run/other.sock",
    "spec.hostSocket.gid": 999,
    "spec.lifetime.activeDeadlineSeconds": 900,
    "spec.lifetime.idleTimeoutSeconds": 90,
    "spec.idleWatch.resources.requests": {"cpu": "20m"},
    "spec.idleWatch.resources.limits": {"memory": "256Mi"},
    "spec.networkPolicy": "Unmanaged",
    "spec.evictions": "Denied",
}
FULL_CLASS: Json = {
    "engine": FULL["engine"],
    "resources": AMOUNTS,
    "storage": STORAGE["emptyDir"],
    "podTemplate": {"spec": {"schedulerName": "first"}},
    "childTemplate": {"metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}}},
    "hostSocket": {"access": "Guarded", "path": "/var/run/docker.sock", "gid": 1},
    "lifetime": {"activeDeadlineSeconds": 600, "idleTimeoutSeconds": 60},
    "idleWatch": {"resources": AMOUNTS},
}
REASONS_OF_THE_CLASS: dict[str, str] = {
    "spec.modes": "this test compares within a mode: admission/test_acceptance.py",
    "spec.modeSelection": "it decides where spec.mode is empty: admission/test_mode_choice.py",
    "spec.podNamespace": "it moves the pod: features/test_pod_namespace.py",
    "spec.injection.forms": "it is about pods that ask for a daemon: injection/test_sidecar.py",
    "spec.lifetime.ttlSecondsAfterFinished": "a default for NestedDockers that end, which not all do",
    **dict.fromkeys(
        (
            f"spec.securityModules[].{field}"
            for field in (
                "mode",
                *(f"appArmorProfile.{each}" for each in ("type", "localhostProfile")),
                *(f"seLinuxOptions.{each}" for each in ("level", "role", "type", "user")),
                *(f"seccompProfile.{each}" for each in ("type", "localhostProfile")),
            )
        ),
        "a hazard names what a mode ignores: modes/test_confinement.py",
    ),
}
"""Fields of a class that show nothing here, and why."""

LIMIT = "it only limits requests, and what a request does not have needs no limit: admission/test_policy.py"
REASONS_OF_THE_POLICY: dict[str, str] = {
    "spec.namespaceSelector": "it chooses the requests: admission/test_policy.py",
    "spec.allowed": LIMIT,
    "spec.max": LIMIT,
    "spec.workload": LIMIT,
    "spec.scheduling": LIMIT,
    "spec.hostSocket.paths": LIMIT,
    "spec.hostSocket.allowRaw": LIMIT,
    "spec.hostSocket.guard": "without a guard the hazard HostControl says so: modes/test_hazards.py",
    "spec.connection.clientNamespaces": LIMIT,
    "spec.onViolation": "it counts when the grant ends: features/test_governing.py",
}
"""Fields of a policy by their beginning, and why they need no report; `publishedPorts` has one, below."""


def leaves(model: Any) -> list[str]:
    paths = [path for path, _ in declarations(model)]
    return [path for path in paths if not any(other.startswith((f"{path}.", f"{path}[]")) for other in paths)]


def put(spec: Json, path: str, value: Any) -> Json:
    """The same with another value at a path, of the first element of each list."""
    made = copy.deepcopy(spec)
    *parents, last = path.removeprefix("spec.").split(".")
    at: Any = made
    for part in parents:
        at = at.setdefault(part.removesuffix("[]"), [{}] if part.endswith("[]") else {})
        at = at[0] if part.endswith("[]") else at
    at[last] = value
    return made


def for_path(spec: Json, path: str) -> Json:
    """A spec whose storage has the member of the path."""
    member = path.split(".")[2] if path.startswith("spec.storage.") else ""
    return spec | {"storage": STORAGE[member]} if member in STORAGE else spec


def pair(full: Json, path: str, value: Any) -> tuple[Json, Json]:
    before = for_path(full, path)
    if path == "spec.storage.type":
        return before, before | {"storage": STORAGE["claim"]}
    return before, put(before, path, value)


def settled(spec: Json, of_class: Json, **terms: Any) -> World:
    world = World(
        spec,
        classes={"standard": class_spec(**of_class)},
        policies={"p": policy_spec(**terms)},
        pod_namespaces={"daemons": NamespaceFacts()},
        cluster=replace(CLUSTER, runtime_classes={"sysbox-runc": RuntimeClassFacts(), "other": RuntimeClassFacts()}),
    )
    world.settle()
    return world


def shown(world: World) -> Json:
    """What exists and what status says, without what only reports."""
    children = copy.deepcopy([*world.children.values()])
    for child in children:
        child["metadata"].get("annotations", {}).pop(names.ANNOTATION_EFFECTIVE, None)
    status = world.status.dump()
    for key in ("hazards", "conditions", "replacement"):
        status.pop(key, None)
    return {"children": children, "status": status}


def reported(world: World) -> list[str]:
    """Paths of fields that the message of the hazard, or of a denial, names."""
    accepted = world.status.condition(Type.ACCEPTED)
    assert accepted is not None
    messages = [hazard.message for hazard in world.status.hazards if hazard.type == "IgnoredFields"]
    return re.findall(r"[\w.]*\w", " ".join([*messages, *([] if accepted.status == "True" else [accepted.message])]))


def is_reported(path: str, world: World, prefix: str = "") -> bool:
    return any(
        f"{path.replace('[]', '')}.".startswith(f"{prefix}{each}.")
        for each in reported(world)
        if f"{prefix}{each}" != "spec"
    )


def test_every_field_has_its_place() -> None:
    own = {path for path in leaves(NestedDockerSpec) if not path.startswith(COPIED)}
    assert own == OTHER_VALUES.keys() | REASONS.keys()
    assert {*leaves(NestedDockerClassSpec)} == OF_THE_CLASS.keys() | REASONS_OF_THE_CLASS.keys()
    unexplained = [path for path in leaves(NestedDockerPolicySpec) if not path.startswith(tuple(REASONS_OF_THE_POLICY))]
    assert unexplained == ["spec.publishedPorts"]


def settled_with(kind: str, values: Json, mode: str) -> World:
    if kind == "spec":
        return settled(values | {"mode": mode}, {"modes": [mode]})
    return settled({"mode": mode}, {"modes": [mode]} | values)


@cache
def shown_before(kind: str, member: str, mode: str) -> Json:
    """What FULL shows with that member of storage."""
    full = FULL if kind == "spec" else FULL_CLASS
    return shown(settled_with(kind, for_path(full, f"spec.storage.{member}."), mode))


def assert_counts(kind: str, path: str, value: Any, mode: str) -> None:
    """A change of that field changes something, or a report names the field."""
    member = path.split(".")[2] if path.startswith("spec.storage.") else ""
    after = settled_with(kind, pair(FULL if kind == "spec" else FULL_CLASS, path, value)[1], mode)
    counts = shown_before(kind, member, mode) != shown(after)
    assert counts or is_reported(path, after, "" if kind == "spec" else "spec."), (
        f"{path} of the {kind} does nothing in mode {mode}, and nothing says so"
    )


@pytest.mark.parametrize("mode", DIFFERENT_MODES)
@pytest.mark.parametrize("path", OTHER_VALUES)
def test_a_field_has_an_effect_or_is_reported(path: str, mode: str) -> None:
    assert_counts("spec", path, OTHER_VALUES[path], mode)


@pytest.mark.parametrize("mode", DIFFERENT_MODES)
@pytest.mark.parametrize("path", OF_THE_CLASS)
def test_a_field_of_the_class_has_an_effect_or_is_reported(path: str, mode: str) -> None:
    assert_counts("class", path, OF_THE_CLASS[path], mode)


ALONE = {f"spec.{top}.{field}": {top: {field: FULL[top][field]}} for top in PARTED for field in FULL[top]} | {
    f"spec.{top}": {top: FULL[top]} for top in FULL.keys() - PARTED - {"className", "ttlSecondsAfterFinished"}
}
"""Every part of FULL by itself: a pod namespace refuses some."""


@pytest.mark.parametrize("place", [{}, {"podNamespace": "daemons"}], ids=["at home", "elsewhere"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("path", sorted(ALONE))
def test_a_part_by_itself_has_an_effect_or_is_reported(path: str, mode: str, place: Json) -> None:
    of_class = {"modes": [mode]} | place
    after = settled({"mode": mode} | ALONE[path], of_class)
    assert plain(mode, place.get("podNamespace")) != shown(after) or is_reported(path, after), f"{path} does nothing"


@cache
def plain(mode: str, pod_namespace: str | None) -> Json:
    """What an empty NestedDocker shows."""
    place = {"podNamespace": pod_namespace} if pod_namespace else {}
    return shown(settled({"mode": mode}, {"modes": [mode]} | place))


# --- the words ----------------------------------------------------------------------------------------


def words(world: World) -> tuple[str, str] | None:
    """Message and remedy of the hazard."""
    return next(((each.message, each.remedy) for each in world.status.hazards if each.type == "IgnoredFields"), None)


NODE_S = "in mode HostSocket clients use the node's daemon, and the pod runs none."
UNMANAGED = (
    "networkPolicy of NestedDockerClass standard is Unmanaged, so the operator writes no NetworkPolicy and every pod "
    "can connect to the daemon's pod, though only those with the connection Secret can use Docker."
)
WRITE_ONE = (
    "Write a NetworkPolicy for the daemon's pod, or ask a cluster admin for a class with networkPolicy: Managed."
)
CLAIM = {"storage": STORAGE["claim"]}
REPORTS: dict[str, tuple[Json, Json, Json, tuple[str, str]]] = {
    "an image of a daemon that the pod does not run": (
        {"mode": "HostSocket", "engine": {"image": "docker:29-dind"}},
        {},
        {},
        (
            f"spec.engine.image has no effect: {NODE_S}",
            "Remove it, or choose mode Dind or Sysbox or UserNamespace or Rootless at creation.",
        ),
    ),
    "its settings and its claim": (
        {"mode": "HostSocket", "engine": {"dns": ["10.0.0.53"], "mtu": 1400}} | CLAIM,
        {},
        {},
        (
            f"spec.engine.dns, spec.engine.mtu, spec.storage have no effect: {NODE_S}",
            "Remove them, or choose mode Dind or Sysbox or UserNamespace or Rootless at creation.",
        ),
    ),
    "a class that offers nothing else": (
        {"mode": "HostSocket"},
        {"modes": ["HostSocket"], "engine": {"mirrors": {"docker.io": ["https://m"]}}, "storage": STORAGE["emptyDir"]},
        {},
        (
            f"engine.mirrors, storage of NestedDockerClass standard have no effect: {NODE_S}",
            "Ask a cluster admin to remove them from the class.",
        ),
    ),
    "clients that nothing selects": (
        {"connection": {"clients": [{"podSelector": {}}]}},
        {"networkPolicy": "Unmanaged"},
        {},
        (f"spec.connection.clients has no effect: {UNMANAGED}", WRITE_ONE),
    ),
    "ports that a policy denies": (
        {},
        {"networkPolicy": "Unmanaged"},
        {"publishedPorts": "Denied"},
        (f"publishedPorts of NestedDockerPolicy p has no effect: {UNMANAGED}", WRITE_ONE),
    ),
    "a time after an end that never comes": (
        {"ttlSecondsAfterFinished": 60},
        {},
        {},
        (
            "spec.ttlSecondsAfterFinished has no effect: nothing ends this daemon, so it never finishes.",
            "Set spec.activeDeadlineSeconds, spec.idleTimeoutSeconds or a workload with restartPolicy: Never, or "
            "remove spec.ttlSecondsAfterFinished.",
        ),
    ),
    "a socket of a class without the mode": (
        {},
        {"modes": ["Dind"], "hostSocket": {"path": "/run/other.sock"}},
        {},
        (
            "hostSocket of NestedDockerClass standard has no effect: its modes do not have HostSocket.",
            "Ask a cluster admin to remove hostSocket from the class, or to add mode HostSocket.",
        ),
    ),
}


@pytest.mark.parametrize(("spec", "of_class", "terms", "expected"), REPORTS.values(), ids=REPORTS)
def test_the_hazard_says_what_why_and_what_to_do(
    spec: Json, of_class: Json, terms: Json, expected: tuple[str, str]
) -> None:
    world = settled({"mode": "Dind"} | spec, of_class, **terms)
    assert words(world) == expected
    assert world.status.holds(Type.READY), "what serves goes on"


SILENT: dict[str, tuple[Json, Json]] = {
    "a class's settings for its other modes": (
        {"mode": "HostSocket"},
        {"engine": {"image": "docker:29-dind"}, "storage": STORAGE["emptyDir"]},
    ),
    "credentials for the relay's own image": (
        {"mode": "HostSocket", "engine": {"imagePullSecrets": [{"name": "a"}]}},
        {},
    ),
    "nothing": ({"mode": "HostSocket"}, {"modes": ["HostSocket"]}),
    "a class's time for those that end": ({}, {"lifetime": {"ttlSecondsAfterFinished": 60}}),
    "a time after a deadline": ({"ttlSecondsAfterFinished": 60, "activeDeadlineSeconds": 600}, {}),
    "a time after idleness": ({"ttlSecondsAfterFinished": 60}, {"lifetime": {"idleTimeoutSeconds": 60}}),
    "a time after a workload": ({"ttlSecondsAfterFinished": 60, "workload": FULL["workload"]}, {}),
    "a class without NetworkPolicy for anybody": ({}, {"networkPolicy": "Unmanaged"}),
}


@pytest.mark.parametrize(("spec", "of_class"), SILENT.values(), ids=SILENT)
def test_what_has_an_effect_is_no_hazard(spec: Json, of_class: Json) -> None:
    assert words(settled({"mode": "Dind"} | spec, of_class)) is None


def test_everything_at_once_fits_into_status() -> None:
    classes = {"modes": ["HostSocket"], "networkPolicy": "Unmanaged", "engine": FULL_ENGINE} | CLAIM
    spec = {"mode": "HostSocket", "engine": FULL_ENGINE, "ttlSecondsAfterFinished": 60} | CLAIM
    found = words(settled(spec | {"connection": {"clients": [{"podSelector": {}}]}}, classes))
    assert found is not None
    assert max(len(each) for each in found) <= 1024


def test_a_relay_does_not_need_the_name_of_a_claim() -> None:
    world = World({"mode": "HostSocket"} | CLAIM)
    foreign = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    world.children[HOME.data_claim] = foreign | {"metadata": {"name": "build-data", "namespace": "team-a", "uid": "u"}}
    world.settle()
    assert world.status.holds(Type.READY)
