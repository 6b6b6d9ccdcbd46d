"""A field that shapes an object is within what the policy grants, and what the class sets is the admin's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.factory import DEFAULTS, WORKLOAD, class_spec, observed
from tests.unit.world import EVERYTHING, World

from nested_docker.api.tenancy import declarations
from nested_docker.api.v1alpha1 import NestedDockerPolicySpec, NestedDockerSpec
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.observed import NamespaceFacts
from nested_docker.domain.status.reasons import Reason, Type

Json = dict[str, Any]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
DIGEST = "sha256:" + "a" * 64
EVERYWHERE = {"topologyKey": "kubernetes.io/hostname", "namespaceSelector": {}}


def policy(**fields: Any) -> NestedDockerPolicySpec:
    """A policy that has only its required fields, and these."""
    required = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": ["Dind"]}
    return NestedDockerPolicySpec.model_validate(required | fields)


def decide(spec: Json, terms: Json, of_class: Json | None = None) -> Accepted | NotAccepted:
    """The decision about a NestedDocker of a class, under one policy."""
    chosen = {"standard": class_spec(**of_class or {})}
    seen = observed(
        {"mode": "Dind"} | spec,
        classes=chosen,
        policies={"p": policy(**terms)},
        pod_namespaces={"daemons": NamespaceFacts()},
    )
    return accept(seen, DEFAULTS)


def denial(spec: Json, terms: Json, of_class: Json | None = None) -> str:
    decision = decide(spec, terms, of_class)
    assert isinstance(decision, NotAccepted), decision
    assert decision.reason == Reason.NOT_GRANTED
    return decision.message


def assert_granted(spec: Json, terms: Json, of_class: Json | None = None) -> None:
    decision = decide(spec, terms, of_class)
    assert isinstance(decision, Accepted), decision
    assert decision.reason == Reason.GRANTED


# --- every declaration is enforced ------------------------------------------------------------------


def scheduling(**fields: Any) -> Json:
    return {"scheduling": fields}


def workload(**container: Any) -> Json:
    return {"workload": {"containers": [{"name": "main", "image": "golang:1"} | container]}}


def part_of_workload(key: str, **container: Any) -> Json:
    """A workload, one of whose containers or init containers has these fields."""
    sizes = {"resources": {"limits": {"cpu": "10m", "memory": "6Mi"}}}
    main = workload(**sizes)["workload"]
    varied = {"name": "main" if key == "containers" else "first", "image": "golang:1"} | container
    return {"workload": main | {key: [varied]}}


def anti_affinity(term: Json) -> Json:
    return scheduling(affinity={"podAntiAffinity": {REQUIRED: [term]}})


KEYS = st.from_regex(r"[a-z]{1,9}(\.example/[a-z]{1,9})?", fullmatch=True)
RESOURCES = st.sampled_from(["ephemeral-storage", "hugepages-2Mi", "hugepages-1Gi"]) | st.from_regex(
    r"[a-z]{1,9}\.example/[a-z]{1,9}", fullmatch=True
)
LABELS = st.dictionaries(KEYS, st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True), min_size=1, max_size=3)
CLASS_NAMES = st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True)
WITH_WORKLOAD = {"allowed": True}

Violation = tuple[Json, Json, Json]
"""A spec, the terms of a policy that deny it, and those that grant it."""


def named(value: st.SearchStrategy[Any], spec: Any, terms: Any, narrow: Json | None = None) -> Any:
    """Violations by values that a policy grants by naming them."""
    return value.map(lambda chosen: (spec(chosen), narrow or {}, (narrow or {}) | terms(chosen)))


def sized(spec: Any, name: str, *, wide: str, least: int = 2) -> Any:
    """Violations by amounts of more than 1 Gi, or of more than one core."""
    narrow = {"max": {name: "1Gi" if name != "cpu" else "1"}, "workload": WITH_WORKLOAD}
    return st.integers(least, 900).map(lambda n: (spec(n), narrow, narrow | {"max": {name: wide}}))


def resources_of(spec: Any) -> Json:
    """Violations by `requests` and `limits`, where `spec` puts them."""

    def by_name(part: str) -> Any:
        terms = {"workload": WITH_WORKLOAD}
        return named(
            RESOURCES, lambda name: spec({part: {name: "1"}}), lambda name: {"allowedResources": [name]}, terms
        )

    return {
        ("requests", "allowedResources"): by_name("requests"),
        ("limits", "allowedResources"): by_name("limits"),
        ("limits", "max.cpu"): sized(lambda n: spec({"limits": {"cpu": n}}), "cpu", wide="100000"),
        ("limits", "max.memory"): sized(lambda n: spec({"limits": {"memory": f"{n}Gi"}}), "memory", wide="1Ti"),
    }


def containers_of_workload(key: str) -> Json:
    """Violations by images and resources of a workload's containers or init containers."""

    def rules(images: Json) -> Json:
        return {"workload": {"allowed": True, "images": images}}

    def by_image(narrow: Json, wide: Any) -> Any:
        return IMAGES.map(lambda image: (part_of_workload(key, image=image), rules(narrow), rules(wide(image))))

    pinned = {"patterns": ["**"], "requireDigest": True}
    path = f"spec.workload.{key}[]"
    daemon = {"resources": {"limits": {"cpu": "10m", "memory": "6Mi"}}}
    patterns = {"patterns": ["golang"]}
    return {
        (f"{path}.image", "workload.images.patterns"): by_image(
            patterns, lambda image: {"patterns": [image, "golang"]}
        ),
        (f"{path}.image", "workload.images.requireDigest"): by_image(pinned, lambda _: {"patterns": ["**"]}),
        **{
            (f"{path}.resources.{part}", by): each
            for (part, by), each in resources_of(lambda r: daemon | part_of_workload(key, resources=r)).items()
        },
    }


def volumes(member: str, type_: str, field: str = "size") -> Any:
    return sized(lambda n: {"storage": {"type": type_, member: {field: f"{n}Gi"}}}, "storage", wide="1Ti")


def storage_class(member: str, type_: str) -> Any:
    return named(
        CLASS_NAMES,
        lambda name: {"storage": {"type": type_, member: {"size": "1Gi", "storageClassName": name}}},
        lambda name: {"allowedStorageClasses": [name]},
    )


def affinity(kind: str) -> Any:
    terms = st.sampled_from([{}, {PREFERRED: []}, {REQUIRED: [{"topologyKey": "zone"}]}])
    wide = {"scheduling": {"affinity": [kind[0].upper() + kind[1:]]}}
    return terms.map(lambda value: (scheduling(affinity={kind: value}), {"scheduling": {"affinity": []}}, wide))


def affinity_of_others(kind: str) -> Any:
    kinds = {"affinity": ["PodAffinity", "PodAntiAffinity"]}
    term = st.sampled_from([EVERYWHERE, {"topologyKey": "zone", "namespaces": ["team-b"]}])
    wide = {"scheduling": kinds | {"affinityNamespaces": "Any"}}
    return term.map(lambda each: (scheduling(affinity={kind: {REQUIRED: [each]}}), {"scheduling": kinds}, wide))


def with_volume(volume: Json) -> Json:
    """A workload with one volume."""
    return {"workload": workload()["workload"] | {"volumes": [{"name": "files"} | volume]}}


OBJECTS = {
    "Secrets": {
        "env[].valueFrom.secretKeyRef": {
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}]
        },
        "envFrom[].secretRef": {"envFrom": [{"secretRef": {"name": "a"}}]},
        "secret": {"secret": {"secretName": "a"}},
        "projected.sources[].secret": {"projected": {"sources": [{"secret": {"name": "a"}}]}},
    },
    "ConfigMaps": {
        "env[].valueFrom.configMapKeyRef": {
            "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}]
        },
        "envFrom[].configMapRef": {"envFrom": [{"configMapRef": {"name": "a"}}]},
        "configMap": {"configMap": {"name": "a"}},
        "projected.sources[].configMap": {"projected": {"sources": [{"configMap": {"name": "a"}}]}},
    },
}


def references() -> dict[tuple[str, str], Any]:
    """Violations by Secrets and ConfigMaps, of containers, init containers and volumes."""
    found = {}
    for kind, fields in OBJECTS.items():
        (other,) = OBJECTS.keys() - {kind}
        for path, value in fields.items():
            specs = (
                {f"{key}[].{path}": part_of_workload(key, **value) for key in ("containers", "initContainers")}
                if path.startswith("env")
                else {f"volumes[].{path}": with_volume(value)}
            )
            for where, spec in specs.items():
                narrow, wide = ({"workload": WITH_WORKLOAD | {"references": each}} for each in ([other], [kind]))
                found[f"spec.workload.{where}", "workload.references"] = st.just((spec, narrow, wide))
    return found


IMAGES = st.sampled_from(["evil:1", "registry.example/dind", "docker:1"])

VIOLATIONS: dict[tuple[str, str], st.SearchStrategy[Violation]] = {
    ("spec.className", "allowedClasses"): st.just(
        ({"className": "standard"}, {"allowedClasses": ["gold"]}, {"allowedClasses": ["standard"]})
    ),
    ("spec.mode", "allowedModes"): st.just(({"mode": "Dind"}, {"allowedModes": ["Sysbox"]}, {})),
    ("spec.engine.image", "allowedImages.patterns"): named(
        IMAGES, lambda image: {"engine": {"image": image}}, lambda image: {"allowedImages": {"patterns": [image]}}
    ),
    ("spec.engine.image", "allowedImages.requireDigest"): IMAGES.map(
        lambda image: (
            {"engine": {"image": image}},
            {"allowedImages": {"patterns": ["**"], "requireDigest": True}},
            {"allowedImages": {"patterns": ["**"]}},
        )
    ),
    **{(f"spec.resources.{part}", by): each for (part, by), each in resources_of(lambda r: {"resources": r}).items()},
    ("spec.storage.emptyDir.sizeLimit", "max.storage"): volumes("emptyDir", "EmptyDir", "sizeLimit"),
    ("spec.storage.ephemeral.size", "max.storage"): volumes("ephemeral", "Ephemeral"),
    ("spec.storage.claim.size", "max.storage"): volumes("claim", "Claim"),
    ("spec.storage.ephemeral.storageClassName", "allowedStorageClasses"): storage_class("ephemeral", "Ephemeral"),
    ("spec.storage.claim.storageClassName", "allowedStorageClasses"): storage_class("claim", "Claim"),
    ("spec.workload", "workload.allowed"): st.just(({"workload": WORKLOAD}, {}, {"workload": WITH_WORKLOAD})),
    **references(),
    ("spec.workload.volumes[].sharedPath", "workload.sharedPaths"): named(
        st.sampled_from(["/builds", "/home/ci/src", "/srv/a.b"]),
        lambda path: with_volume({"emptyDir": {}, "sharedPath": path}),
        lambda path: {"workload": WITH_WORKLOAD | {"sharedPaths": [path]}},
        {"workload": WITH_WORKLOAD},
    ),
    **containers_of_workload("containers"),
    **containers_of_workload("initContainers"),
    ("spec.activeDeadlineSeconds", "max.lifetimeSeconds"): st.integers(61, 600).map(
        lambda n: ({"activeDeadlineSeconds": n}, {"max": {"lifetimeSeconds": 60}}, {"max": {"lifetimeSeconds": n}})
    ),
    ("spec.connection.clients[].namespaceSelector", "connection.clientNamespaces"): st.sampled_from(
        [{}, {"matchLabels": {"team": "b"}}, {"matchExpressions": [{"key": "team", "operator": "Exists"}]}]
    ).map(
        lambda selector: (
            {"connection": {"clients": [{"podSelector": {}}, {"namespaceSelector": selector}]}},
            {},
            {"connection": {"clientNamespaces": "Any"}},
        )
    ),
    ("spec.scheduling.affinity.nodeAffinity", "scheduling.affinity"): affinity("nodeAffinity"),
    ("spec.scheduling.affinity.podAffinity", "scheduling.affinity"): affinity("podAffinity"),
    ("spec.scheduling.affinity.podAntiAffinity", "scheduling.affinity"): affinity("podAntiAffinity"),
    ("spec.scheduling.affinity.podAffinity", "scheduling.affinityNamespaces"): affinity_of_others("podAffinity"),
    ("spec.scheduling.affinity.podAntiAffinity", "scheduling.affinityNamespaces"): affinity_of_others(
        "podAntiAffinity"
    ),
    ("spec.scheduling.tolerations", "scheduling.tolerationKeys"): named(
        KEYS,
        lambda key: scheduling(tolerations=[{"key": key, "operator": "Exists"}]),
        lambda key: {"scheduling": {"tolerationKeys": [key]}},
    ),
    ("spec.scheduling.priorityClassName", "scheduling.priorityClassNames"): named(
        CLASS_NAMES,
        lambda name: scheduling(priorityClassName=name),
        lambda name: {"scheduling": {"priorityClassNames": [name]}},
    ),
    ("spec.scheduling.podLabels", "scheduling.podLabels"): named(
        LABELS, lambda labels: scheduling(podLabels=labels), lambda labels: {"scheduling": {"podLabels": [*labels]}}
    ),
    ("spec.scheduling.podAnnotations", "scheduling.podAnnotations"): named(
        LABELS,
        lambda values: scheduling(podAnnotations=values),
        lambda values: {"scheduling": {"podAnnotations": [*values]}},
    ),
}


def test_every_declaration_has_its_violations() -> None:
    declared = {(path, field) for path, use in declarations(NestedDockerSpec) if use for field in use.governed_by}
    assert VIOLATIONS.keys() == declared, "add violations of each field of the policy that a declaration names"


@pytest.mark.parametrize(("path", "field"), VIOLATIONS)
def test_a_policy_enforces_what_declarations_say(path: str, field: str) -> None:
    @given(VIOLATIONS[path, field])
    def is_enforced(violation: Violation) -> None:
        spec, narrow, wide = violation
        assert field in denial(spec, narrow)
        assert_granted(spec, wide)

    is_enforced()


# --- what only the resulting pod shows -----------------------------------------------------------------

NOTHING = "has nothing"
ALL_KINDS = {"affinity": ["NodeAffinity", "PodAffinity", "PodAntiAffinity"]}
ABOUT_OTHERS = (
    "spec.scheduling.affinity is about pods of other namespaces (by namespaces, namespaceSelector, or the class's "
    "podNamespace), and scheduling.affinityNamespaces is Own"
)
INSTANCES: dict[str, tuple[Json, Json, str]] = {
    "an endpoint of any Service": (
        scheduling(podLabels={"app": "database"}),
        {},
        "spec.scheduling.podLabels has app, and scheduling.podLabels has nothing",
    ),
    "one label too many": (
        scheduling(podLabels={"team.example/a": "x", "app": "database"}),
        {"scheduling": {"podLabels": ["team.example/*"]}},
        "spec.scheduling.podLabels has app, and scheduling.podLabels has team.example/*",
    ),
    "no other pod on the node": (
        anti_affinity({"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}),
        {},
        "spec.scheduling.affinity has podAntiAffinity, and scheduling.affinity has NodeAffinity",
    ),
    "next to a pod": (
        scheduling(affinity={"podAffinity": {PREFERRED: []}}),
        {},
        "spec.scheduling.affinity has podAffinity, and scheduling.affinity has NodeAffinity",
    ),
    "no other team's pod on the node": (anti_affinity(EVERYWHERE), {"scheduling": ALL_KINDS}, ABOUT_OTHERS),
    "other teams' pods elsewhere, if possible": (
        scheduling(affinity={"podAntiAffinity": {PREFERRED: [{"weight": 100, "podAffinityTerm": EVERYWHERE}]}}),
        {"scheduling": ALL_KINDS},
        ABOUT_OTHERS,
    ),
    "clients that an admin keeps out by a NetworkPolicy": (
        {"connection": {"clients": [{"namespaceSelector": {}}]}},
        {},
        "spec.connection.clients has a namespaceSelector, and connection.clientNamespaces is Own",
    ),
    "a device": (
        {"resources": {"limits": {"nvidia.example/gpu": "8"}}},
        {},
        "spec.resources.limits has nvidia.example/gpu, and allowedResources has nothing",
    ),
    "huge pages": (
        {"resources": {"requests": {"hugepages-1Gi": "64Gi"}, "limits": {"hugepages-1Gi": "64Gi"}}},
        {"allowedResources": ["hugepages-2Mi"]},
        "spec.resources.requests has hugepages-1Gi, and allowedResources has hugepages-2Mi",
    ),
    "the node's disk": (
        {"resources": {"limits": {"ephemeral-storage": "1Ti"}}},
        {},
        "spec.resources.limits has ephemeral-storage, and allowedResources has nothing",
    ),
    "a device for a workload": (
        workload(resources={"limits": {"nvidia.example/gpu": "8"}}),
        {"workload": {"allowed": True}},
        "spec.workload.containers.resources.limits has nvidia.example/gpu, and allowedResources has nothing",
    ),
    "any StorageClass without the permission for claims": (
        {"storage": {"type": "Ephemeral", "ephemeral": {"size": "1Gi", "storageClassName": "gold"}}},
        {},
        "the storageClassName of spec.storage is gold, and allowedStorageClasses has nothing",
    ),
    "a StorageClass of a claim": (
        {"storage": {"type": "Claim", "claim": {"size": "1Gi", "storageClassName": "gold"}}},
        {"allowedStorageClasses": ["silver", "ci-*"]},
        "the storageClassName of spec.storage is gold, and allowedStorageClasses has silver, ci-*",
    ),
}


@pytest.mark.parametrize(("spec", "terms", "message"), INSTANCES.values(), ids=INSTANCES)
def test_what_policy_does_not_grant_is_denied_by_name(spec: Json, terms: Json, message: str) -> None:
    assert message in denial(spec, terms)


@pytest.mark.parametrize("kind", ["podAffinity", "podAntiAffinity"])
def test_in_a_pod_namespace_every_pod_is_another_tenants(kind: str) -> None:
    spec = scheduling(affinity={kind: {REQUIRED: [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}]}})
    assert_granted(spec, {"scheduling": ALL_KINDS})
    elsewhere = {"podNamespace": "daemons"}
    assert ABOUT_OTHERS in denial(spec, {"scheduling": ALL_KINDS}, elsewhere)
    assert_granted(spec, {"scheduling": ALL_KINDS | {"affinityNamespaces": "Any"}}, elsewhere)


HARMLESS: dict[str, Json] = {
    "a node selector": scheduling(nodeSelector={"zone": "a"}),
    "an affinity for nodes": scheduling(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}),
    "an affinity that is empty": scheduling(affinity={}),
    "some pods as clients": {"connection": {"clients": [{"podSelector": {"matchLabels": {"app": "ci"}}}]}},
    "CPU and memory": {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}},
    "an ephemeral volume of the default StorageClass": {"storage": {"type": "Ephemeral", "ephemeral": {"size": "1Gi"}}},
    "a claim of the default StorageClass": {"storage": {"type": "Claim", "claim": {"size": "1Gi"}}},
}


@pytest.mark.parametrize("spec", HARMLESS.values(), ids=HARMLESS)
def test_a_policy_without_these_fields_grants_the_harmless_subset(spec: Json) -> None:
    assert_granted(spec, {})


OF_CLASS: dict[str, Json] = {
    "labels": {"podTemplate": {"metadata": {"labels": {"app": "ci"}}}},
    "an affinity": {"podTemplate": {"spec": {"affinity": {"podAntiAffinity": {REQUIRED: [EVERYWHERE]}}}}},
    "devices": {"resources": {"limits": {"nvidia.example/gpu": "1"}}},
    "a StorageClass": {
        "storage": {"type": "Ephemeral", "ephemeral": {"size": "1Gi", "storageClassName": "gold"}},
    },
}


@pytest.mark.parametrize("of_class", OF_CLASS.values(), ids=OF_CLASS)
def test_what_the_class_sets_needs_no_entry(of_class: Json) -> None:
    assert_granted({}, {}, of_class)


def test_whoever_replaces_what_the_class_sets_is_limited() -> None:
    of_class = OF_CLASS["devices"] | OF_CLASS["a StorageClass"]
    assert "allowedResources" in denial({"resources": {"limits": {"nvidia.example/gpu": "2"}}}, {}, of_class)
    other = {"storage": {"type": "Claim", "claim": {"size": "1Gi", "storageClassName": "silver"}}}
    assert "allowedStorageClasses" in denial(other, {}, of_class)


@pytest.mark.parametrize(
    ("action", "children", "condition"),
    [("Stop", 0, ("False", "NotGranted")), ("Report", len(EVERYTHING), ("True", "GrantRevoked"))],
)
def test_what_was_granted_before_follows_on_violation(action: str, children: int, condition: tuple[str, str]) -> None:
    spec = {"mode": "Dind"} | scheduling(podLabels={"app": "database"})
    granting = policy(scheduling={"podLabels": ["app"]}, onViolation=action)
    world = World(spec, policies={"p": granting})
    world.settle()
    assert len(world.kinds()) == len(EVERYTHING)
    world.base = replace(world.base, policies={"p": policy(onViolation=action)})
    world.settle()
    assert len(world.kinds()) == children
    accepted = world.status.condition(Type.ACCEPTED)
    assert accepted is not None
    assert (accepted.status, accepted.reason) == condition
    assert "scheduling.podLabels has nothing" in accepted.message


def test_without_a_data_root_its_storage_class_is_not_in_use() -> None:
    spec = {
        "mode": "HostSocket",
        "storage": {"type": "Ephemeral", "ephemeral": {"size": "1Gi", "storageClassName": "gold"}},
    }
    assert_granted(spec, {"allowedModes": ["HostSocket"], "hostSocket": {"guard": {}}})


def test_a_resource_has_kubernetes_syntax() -> None:
    decision = decide({"resources": {"requests": {"example.com/gpu\n": "1"}}}, {})
    assert isinstance(decision, NotAccepted)
    assert decision.reason == Reason.INVALID_SPEC
    assert "is not a qualified name, such as example.com/name" in decision.message
