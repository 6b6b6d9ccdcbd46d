"""Whatever passes admission: what the executor then stores lies within the policy that granted it, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.factory import BUILD_FILES, DEFAULTS, class_spec, observed, policy_spec
from tests.support.grants import outside
from tests.unit.world import World

from nested_docker.api.meta import Mode
from nested_docker.domain.admission.acceptance import Accepted, accept, class_override_violation

MODES = [mode.value for mode in Mode]
CLASSES: dict[str, dict[str, Any]] = {
    "plain": {},
    "bounded": {
        "engine": {"image": "docker:29-dind"},
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "5Gi"}},
    },
    "templated": {
        "podTemplate": {
            "metadata": {"labels": {"team": "class"}, "annotations": {"note": "class"}},
            "spec": {
                "nodeSelector": {"pool": "ci"},
                "tolerations": [{"key": "ci", "operator": "Exists"}],
                "containers": [{"name": "logs", "image": "logs:1", "resources": {"limits": {"cpu": "100m"}}}],
            },
        },
    },
}
AFFINITIES = [
    {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}}
            ]
        }
    },
    {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}, "namespaceSelector": {}}
            ]
        }
    },
]
IMAGES = st.sampled_from(["docker:29-dind", "evil:1", "registry.example/dind:1"])
CPU = st.sampled_from(["10m", "500m", "1", "3"])
MEMORY = st.sampled_from(["64Mi", "1Gi", "3Gi"])
OTHER_RESOURCES = {
    "ephemeral-storage": st.just("1Gi"),
    "hugepages-2Mi": st.just("2Mi"),
    "example.com/gpu": st.just("1"),
}
RESOURCES = st.fixed_dictionaries(
    {}, optional={"limits": st.fixed_dictionaries({}, optional={"cpu": CPU, "memory": MEMORY} | OTHER_RESOURCES)}
)
KEYS = st.sampled_from(["team", "note", "example.com/a", "sidecar.istio.io/inject", "linkerd.io/inject"])
MAPS = st.dictionaries(KEYS, st.sampled_from(["a", "class"]), min_size=1, max_size=2)
SIZES = st.sampled_from(["1Gi", "5Gi", "50Gi"])
VOLUME = st.fixed_dictionaries({"size": SIZES}, optional={"storageClassName": st.sampled_from(["fast", "slow"])})
STORAGE = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("EmptyDir"),
            "emptyDir": st.fixed_dictionaries({}, optional={"sizeLimit": SIZES, "medium": st.just("Memory")}),
        }
    ),
    st.fixed_dictionaries({"type": st.just("Ephemeral"), "ephemeral": VOLUME}),
    st.fixed_dictionaries({"type": st.just("Claim"), "claim": VOLUME}),
)
VARIABLES = [
    {"name": "A", "value": "$(B)"},
    {"name": "S", "valueFrom": {"secretKeyRef": {"name": "key", "key": "a"}}},
    {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "files", "key": "a", "optional": True}}},
    {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    {"name": "R", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
]
SOURCES = [{"secretRef": {"name": "key"}}, {"prefix": "X_", "configMapRef": {"name": "files"}}]
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["one", "two"]), "image": IMAGES},
        optional={
            "command": st.just(["x"]),
            "env": st.lists(st.sampled_from(VARIABLES), max_size=3, unique_by=lambda each: each["name"]),
            "envFrom": st.lists(st.sampled_from(SOURCES), max_size=2, unique_by=str),
            "resources": RESOURCES,
            "workingDir": st.just("/"),
        },
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda container: container["name"],
)
VOLUMES = st.sampled_from(
    [
        {"name": "key", "secret": {"secretName": "key", "items": [{"key": "a", "path": "b"}]}},
        {"name": "files", "configMap": {"name": "files", "defaultMode": 256}},
        {"name": "both", "projected": {"sources": [{"secret": {"name": "key"}}, {"configMap": {"name": "files"}}]}},
        {"name": "cache", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        {"name": "src", "emptyDir": {}, "sharedPath": "/builds"},
        {"name": "tree", "emptyDir": {}, "sharedPath": "/home/ci/tree"},
    ]
)
INIT_CONTAINERS = CONTAINERS.map(lambda each: [item | {"name": f"first-{item['name']}"} for item in each])
SPEC_FIELDS = {
    "engine": st.one_of(
        st.fixed_dictionaries({"image": IMAGES}),
        st.just({"mtu": 1400, "proxy": {"httpProxy": "http://p:1"}, "caBundleRef": {"name": "corporate"}}),
    ),
    "workload": st.fixed_dictionaries(
        {"containers": CONTAINERS},
        optional={
            "restartPolicy": st.just("Never"),
            "initContainers": INIT_CONTAINERS,
            "volumes": st.lists(VOLUMES, max_size=3, unique_by=lambda volume: volume["name"]),
        },
    ),
    "resources": RESOURCES,
    "storage": STORAGE,
    "idleTimeoutSeconds": st.just(60),
    "activeDeadlineSeconds": st.sampled_from([60, 7200]),
    "connection": st.fixed_dictionaries(
        {"secretTemplate": st.just({"labels": {"a": "b"}, "annotations": {"c": "d"}})},
        optional={"clients": st.sampled_from([[{"podSelector": {}, "namespaceSelector": {}}], [{"podSelector": {}}]])},
    ),
    "scheduling": st.fixed_dictionaries(
        {},
        optional={
            "nodeSelector": MAPS,
            "tolerations": st.lists(
                st.sampled_from(
                    [{"key": "ci", "operator": "Exists"}, {"key": "gpu", "operator": "Exists"}, {"operator": "Exists"}]
                ),
                max_size=2,
            ),
            "podLabels": MAPS,
            "podAnnotations": MAPS,
            "priorityClassName": st.sampled_from(["low", "high"]),
            "affinity": st.sampled_from(AFFINITIES),
        },
    ),
}


def mounted(spec: dict[str, Any]) -> dict[str, Any]:
    """The same, with each volume of the workload mounted in its first container."""
    volumes = spec.get("workload", {}).get("volumes", [])
    if not volumes:
        return spec
    mounts = [{"name": each["name"], "mountPath": f"/mnt/{each['name']}", "readOnly": True} for each in volumes]
    first, *others = spec["workload"]["containers"]
    return spec | {"workload": spec["workload"] | {"containers": [first | {"volumeMounts": mounts}, *others]}}


SPECS = st.fixed_dictionaries({"mode": st.sampled_from(MODES)}, optional=SPEC_FIELDS).map(mounted)


def some(*values: str) -> st.SearchStrategy[list[str]]:
    """Everything, or some of the values."""
    return st.one_of(st.just(["**"]), st.lists(st.sampled_from(values), unique=True, max_size=len(values)))


POLICIES = st.fixed_dictionaries(
    {
        "namespaceSelector": st.just({}),
        "allowedClasses": st.just(["standard"]),
        "allowedModes": st.just(MODES),
    },
    optional={
        "allowedImages": st.fixed_dictionaries({"patterns": some("docker:29-dind", "registry.example/dind:1")}),
        "workload": st.fixed_dictionaries(
            {"allowed": st.just(True)},
            optional={
                "images": st.fixed_dictionaries({"patterns": some("docker:29-dind", "evil:1")}),
                "references": st.lists(st.sampled_from(["Secrets", "ConfigMaps"]), unique=True),
                "sharedPaths": some("/builds", "/home/ci/tree"),
            },
        ),
        "connection": st.just({"clientNamespaces": "Any"}),
        "publishedPorts": st.sampled_from(["Allowed", "Denied"]),
        "allowedResources": some("ephemeral-storage", "hugepages-2Mi"),
        "allowedStorageClasses": some("fast"),
        "scheduling": st.fixed_dictionaries(
            {},
            optional={
                "tolerationKeys": some("ci", "gpu"),
                "priorityClassNames": st.just(["low"]),
                "podAnnotations": some("note", "linkerd.io/inject"),
                "podLabels": some("note", "sidecar.istio.io/inject"),
                "affinity": st.lists(st.sampled_from(["NodeAffinity", "PodAffinity", "PodAntiAffinity"]), unique=True),
                "affinityNamespaces": st.sampled_from(["Own", "Any"]),
            },
        ),
        "max": st.fixed_dictionaries(
            {}, optional={"cpu": CPU, "memory": MEMORY, "storage": SIZES, "lifetimeSeconds": st.just(3600)}
        ),
    },
)
GUARDED = {"hostSocket": {"guard": {"limits": {"total": {"cpu": "2"}, "perContainer": {"memory": "2Gi"}}}}}


def children(spec: dict[str, Any], class_name: str, policy: dict[str, Any]) -> list[dict[str, Any]]:
    """What the executor stores for a spec that is granted."""
    world = World(spec, classes={"standard": class_spec(**CLASSES[class_name])}, policies={"p": policy_spec_of(policy)})
    world.settle()
    return [*world.children.values()]


def policy_spec_of(policy: dict[str, Any]) -> Any:
    return type(policy_spec()).model_validate(policy)


def passes(spec: dict[str, Any], class_name: str, policy: dict[str, Any]) -> bool:
    """Whether the webhook lets it in."""
    seen = observed(
        spec, classes={"standard": class_spec(**CLASSES[class_name])}, policies={"p": policy_spec_of(policy)}
    )
    outcome = accept(seen, DEFAULTS)
    return isinstance(outcome, Accepted) and class_override_violation(seen, outcome, DEFAULTS) is None


def with_guard(policy: dict[str, Any]) -> dict[str, Any]:
    return policy | GUARDED if "HostSocket" in policy["allowedModes"] else policy


@settings(max_examples=150)
@given(SPECS, st.sampled_from(sorted(CLASSES)), POLICIES)
def test_what_passes_lies_within_the_grant(spec: dict[str, Any], class_name: str, policy: dict[str, Any]) -> None:
    policy = with_guard(policy)
    assume(passes(spec, class_name, policy))
    everything = with_guard({"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": MODES})
    kept = {key: value for key, value in spec.items() if key in {"mode", "idleTimeoutSeconds"}}
    plain = children(kept, class_name, everything)
    assert outside(policy, spec, children(spec, class_name, policy), plain) == []


OPEN: dict[str, Any] = {
    "namespaceSelector": {},
    "allowedClasses": ["standard"],
    "allowedModes": MODES,
    "workload": {"allowed": True, "references": ["Secrets", "ConfigMaps"], "sharedPaths": ["**"]},
}


@pytest.mark.parametrize("class_name", sorted(CLASSES))
@pytest.mark.parametrize("mode", MODES)
def test_a_workload_with_every_reference_lies_within_the_grant(mode: str, class_name: str) -> None:
    policy, spec = with_guard(OPEN), {"mode": mode, "workload": BUILD_FILES}
    plain, stored = children({"mode": mode}, class_name, policy), children(spec, class_name, policy)
    assert outside(policy, spec, stored, plain) == []
    for narrow in ({"references": ["Secrets"]}, {"references": ["ConfigMaps"]}, {"sharedPaths": ["/other"]}):
        terms = policy | {"workload": OPEN["workload"] | narrow}
        assert not passes(spec, class_name, terms)
        assert outside(terms, spec, stored, plain), narrow


DAEMON = "containers", 0
DEFECTS: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("Pod", ("spec", "hostNetwork"), True, "Pod .spec.hostNetwork: None -> True"),
    ("Pod", ("spec", "volumes", 0, "hostPath"), {"path": "/"}, "Pod .spec.volumes"),
    ("Pod", ("spec", *DAEMON, "image"), "evil:1", "Pod .spec.containers[daemon].image: docker:29-dind -> evil:1"),
    (
        "Pod",
        ("spec", *DAEMON, "securityContext", "procMount"),
        "Unmasked",
        "Pod .spec.containers[daemon].securityContext",
    ),
    ("Pod", ("spec", *DAEMON, "resources", "limits", "cpu"), "3", "Pod sum of cpu: ['3']"),
    ("Pod", ("metadata", "labels", "team"), "a", "Pod .metadata.labels.team: None -> a"),
    ("Service", ("spec", "selector"), {"app": "x"}, "Service .spec.selector"),
    ("Service", ("spec", "type"), "NodePort", "Service .spec.type"),
    ("NetworkPolicy", ("spec", "ingress"), [{}], "NetworkPolicy .spec.ingress"),
    ("NetworkPolicy", ("spec", "podSelector"), {}, "NetworkPolicy .spec.podSelector"),
]


@pytest.mark.parametrize(("kind", "path", "value", "found"), DEFECTS)
def test_the_comparison_finds(kind: str, path: tuple[Any, ...], value: Any, found: str) -> None:
    """A comparison that finds nothing proves nothing."""
    policy = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": MODES, "max": {"cpu": "1"}}
    policy |= {"allowedImages": {"patterns": ["docker:29-dind"]}}
    spec = {"mode": "Dind", "resources": {"limits": {"cpu": "1"}}}
    plain, stored = children(spec, "plain", policy), children(spec, "plain", policy)
    assert outside(policy, spec, stored, plain) == []
    place: Any = next(each for each in stored if each["kind"] == kind)
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    problems = outside(policy, spec, stored, plain)
    assert [each for each in problems if each.startswith(found)], problems
