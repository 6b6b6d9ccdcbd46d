"""The definitions themselves: structural, described, listed well; and the status as the operator writes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contract.conftest import Offer
from tests.support.api import Api
from tests.support.cluster import ROOT, CommandFailed
from tests.support.manifests import nested_docker, nested_docker_class, policy

from nested_docker.api import crd
from nested_docker.api.meta import GROUP, Condition, Mode, Status
from nested_docker.api.v1alpha1 import API_VERSION, NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import (
    AdmittedPod,
    BindingReference,
    ContainerResult,
    Denial,
    EngineStatus,
    Hazard,
    ImageStore,
    Isolation,
    LostPod,
    ModeNotChosen,
    Replacement,
)
from nested_docker.api.v1alpha1.node import (
    CgroupVersion,
    NestedDockerNodeStatus,
    ProbedFacts,
    SecurityModule,
    UnprivilegedUserNamespaces,
)

Kubectl = Callable[..., str]

NOW = "2026-03-01T12:00:00Z"
SMALLEST = {
    "NestedDocker": nested_docker("default"),
    "NestedDockerClass": nested_docker_class("contract", modes=["Dind"]),
    "NestedDockerPolicy": policy("contract", namespaceSelector={}, allowedClasses=["a"], allowedModes=["Dind"]),
}
FULL = NestedDockerStatus(
    observed_generation=3,
    conditions=[
        Condition(
            type=type_, status=status, reason="Told", message="why", last_transition_time=NOW, observed_generation=3
        )
        for type_, status in (("Accepted", Status.TRUE), ("Ready", Status.FALSE), ("Stalled", Status.UNKNOWN))
    ],
    binding=BindingReference(name="build-docker"),
    endpoint="tcp://build.default.svc:2376",
    class_name="standard",
    policy_name="ci",
    mode=Mode.DIND,
    modes_not_chosen=[ModeNotChosen(mode=Mode.SYSBOX, reason="RuntimeMissing", message="why not")],
    pod_name="build-0a1b2",
    node_name="node",
    admitted_pod=AdmittedPod(
        uid="1", images={"daemon": "docker:29-dind"}, annotations={"example.com/a": "b"}, served=True
    ),
    replacement=Replacement(
        cause="PodDeleted",
        pod_name="build-0a1b2",
        time=NOW,
        previous_time=NOW,
        count=2,
        same_cause=1,
        inputs="0123456789",
    ),
    lost_pod=LostPod(name="build-0a1b1", node_name="node", reason="Evicted", message="low on memory", time=NOW),
    denial=Denial(since=NOW, until=NOW),
    engine=EngineStatus(
        version="28.1.1",
        api_version="1.49",
        image_store=ImageStore.GRAPH_DRIVER,
        storage_driver="overlay2",
        backing_filesystem="extfs",
        cgroup_version="2",
        security_options=["name=seccomp,profile=builtin", "name=cgroupns"],
    ),
    isolation=Isolation.NONE,
    hazards=[
        Hazard(type="Privileged", message="costs", remedy="use another"),
        Hazard(type="B", message="c", remedy="d"),
    ],
    results=[ContainerResult(name="main", exit_code=0), ContainerResult(name="side", exit_code=137)],
    expiration_time=NOW,
    completion_time=NOW,
    certificate_expiration_time=NOW,
)


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of our own that has a name; what lies within an open one is Kubernetes' to describe."""
    if path.count(".") and "x-kubernetes-preserve-unknown-fields" in schema:
        return
    for name, member in schema.get("properties", {}).items():
        yield f"{path}.{name}", member
        yield from nodes(member, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_the_definition_is_sound(kubectl: Kubectl, kind: crd.KindDefinition) -> None:
    definition = json.loads(kubectl("get", "crd", f"{kind.plural}.{GROUP}", "-o", "json"))
    conditions = {each["type"]: each["status"] for each in definition["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}, "NonStructuralSchema would be told here"


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_every_field_is_described(kubectl: Kubectl, kind: crd.KindDefinition) -> None:
    definition = json.loads(kubectl("get", "crd", f"{kind.plural}.{GROUP}", "-o", "json"))
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    silent = [path for path, node in nodes(schema, kind.name) if not node.get("description")]
    assert silent == [f"{kind.name}.metadata"], "the API server describes metadata itself, and nothing else"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nesteddocker", "A Docker daemon for one tenant"),
        ("nesteddocker.spec.storage.claim.whenDeleted", "Whether the claim stays"),
        ("nesteddocker.status.conditions", "`Ready` summarizes them"),
        ("nesteddockerclass.spec.modes", "Modes that the class offers"),
        ("nesteddockerclass.spec.hostSocket.access", "clients can see and create only their own containers"),
        ("nesteddockerpolicy.spec.hostSocket.allowRaw", "may get the node's socket without the guard"),
        ("nesteddockerpolicy.spec.hostSocket.guard.build.allowed", "Its FROM uses any image of the node"),
    ],
)
def test_kubectl_explains(kubectl: Kubectl, path: str, words: str) -> None:
    assert words in " ".join(kubectl("explain", path).split())


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_kubectl_explains_every_field(kubectl: Kubectl, kind: crd.KindDefinition) -> None:
    text = kubectl("explain", kind.name.lower(), "--recursive")
    schema = crd.structural(kind.model)
    names = {path.rsplit(".", 1)[-1] for path, _ in nodes(schema, kind.name)}
    assert not [name for name in names if f"{name}\t" not in text]


async def test_columns_short_names_and_category(kubectl: Kubectl, api: Api, namespace: str) -> None:
    await api.create(nested_docker(namespace))
    head = {"apiVersion": API_VERSION, "kind": "NestedDocker", "metadata": {"name": "build", "namespace": namespace}}
    ready = FULL.model_copy(update={"conditions": [FULL.conditions[1]]})
    await api.apply(head | {"status": ready.dump()}, subresource="status")

    def listed(*arguments: str) -> list[list[str]]:
        return [line.split() for line in kubectl("-n", namespace, "get", *arguments).splitlines()]

    assert listed("nd")[0] == ["NAME", "MODE", "READY", "REASON", "ENDPOINT", "AGE"]
    assert listed("nd")[1][:-1] == ["build", "Dind", "False", "Told", "tcp://build.default.svc:2376"]
    assert listed("nd", "-o", "wide")[0][6:] == ["NODE", "VERSION", "DRIVER", "CLASS", "POLICY"]
    assert listed("nd", "-o", "wide")[1][6:] == ["node", "28.1.1", "overlay2", "standard", "ci"]
    assert listed("nested-docker", "-o", "name") == [["nesteddocker.nesteddocker.dev/build"]]


async def test_columns_of_what_admins_write(kubectl: Kubectl, api: Api, namespace: str) -> None:
    default = {"annotations": {f"{GROUP}/is-default-class": "true"}}
    class_spec = nested_docker_class(namespace, modes=["Dind", "Sysbox"])
    granted = policy(namespace, namespaceSelector={}, allowedClasses=["none-such"], allowedModes=["Dind"])
    class_spec["metadata"] |= default
    await api.create(class_spec)
    await api.create(granted)
    try:
        classes = [line.split() for line in kubectl("get", "ndc").splitlines()]
        policies = [line.split() for line in kubectl("get", "ndp").splitlines()]
        together = kubectl("get", "nested-docker", "-A", "-o", "name").split()
    finally:
        await api.delete("NestedDockerClass", None, namespace)
        await api.delete("NestedDockerPolicy", None, namespace)
    assert classes[0] == ["NAME", "MODES", "DEFAULT", "AGE"]
    assert [namespace, '["Dind","Sysbox"]', "true"] in [line[:3] for line in classes]
    assert policies[0] == ["NAME", "CLASSES", "MODES", "AGE"]
    assert [namespace, '["none-such"]', '["Dind"]'] in [line[:3] for line in policies]
    assert f"nesteddockerclass.{GROUP}/{namespace}" in together
    assert f"nesteddockerpolicy.{GROUP}/{namespace}" in together


FULL_NODE = NestedDockerNodeStatus(
    observed_generation=1,
    conditions=[
        Condition(
            type="Probed",
            status=Status.TRUE,
            reason="Succeeded",
            message="x" * 1001,
            last_transition_time=NOW,
            observed_generation=1,
        )
    ],
    facts=ProbedFacts(
        boot_id="5a3f2f6e-9c0b-4a44-8c7e-0d5a3c1f9b11",
        cgroup=CgroupVersion.V2,
        security_modules=list(SecurityModule),
        max_user_namespaces=2**31 - 1,
        unprivileged_user_namespaces=UnprivilegedUserNamespaces.RESTRICTED,
        filesystem="ext4",
    ),
    kubelet_version="v" + "1" * 128,
    container_runtime_version="containerd://2.4.0",
    probe_time=NOW,
    failures=1000,
)


async def test_a_node_has_its_facts_in_columns(kubectl: Kubectl, api: Api, namespace: str) -> None:
    head = {"apiVersion": API_VERSION, "kind": "NestedDockerNode", "metadata": {"name": namespace}}
    made = await api.create(head)
    try:
        assert made["status"] == {"observedGeneration": 0}
        written = await api.apply(head | {"status": FULL_NODE.dump()}, subresource="status")
        lines = [line.split() for line in kubectl("get", "ndn", namespace).splitlines()]
        wide = kubectl("get", "nesteddockernodes", namespace, "-o", "wide").split()
    finally:
        await api.delete("NestedDockerNode", None, namespace)
    assert NestedDockerNodeStatus.model_validate(written["status"]) == FULL_NODE
    assert set(FULL_NODE.dump()) == set(crd.structural(NestedDockerNodeStatus)["properties"])
    assert lines[0] == ["NAME", "CGROUP", "LSM", "USERNS", "FILESYSTEM", "PROBED", "TIME"]
    assert lines[1][:-1] == [namespace, "v2", '["AppArmor","SELinux"]', str(2**31 - 1), "ext4", "True"]
    assert {"Restricted", "containerd://2.4.0", "UNPRIVILEGED", "RUNTIME", "MESSAGE"} <= set(wide)


@pytest.mark.parametrize("manifest", SMALLEST.values(), ids=SMALLEST)
def test_kubectl_refuses_a_field_that_does_not_exist(kubectl: Kubectl, manifest: dict[str, Any]) -> None:
    text = yaml.safe_dump(manifest | {"spec": manifest["spec"] | {"speling": 1}})
    with pytest.raises(CommandFailed, match=r'unknown field "spec.speling"'):
        kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)


@pytest.mark.parametrize("manifest", SMALLEST.values(), ids=SMALLEST)
async def test_an_unknown_field_is_pruned(api: Api, manifest: dict[str, Any]) -> None:
    spec = manifest["spec"] | {"speling": 1}
    made = await api.create(manifest | {"spec": spec}, dryRun="All", fieldValidation="Ignore")
    assert "speling" not in made["spec"]


async def test_nothing_is_defaulted_or_pruned_of_what_is_meant(api: Api) -> None:
    for manifest in SMALLEST.values():
        made = await api.create(manifest, dryRun="All", fieldValidation="Strict")
        assert made["spec"] == manifest["spec"]


async def test_a_full_status_comes_back_unchanged_and_is_written_once(api: Api, namespace: str) -> None:
    await api.create(nested_docker(namespace))
    head = {"apiVersion": API_VERSION, "kind": "NestedDocker", "metadata": {"name": "build", "namespace": namespace}}
    first = await api.apply(head | {"status": FULL.dump()}, subresource="status")
    assert first["status"] == FULL.dump()
    assert NestedDockerStatus.model_validate(first["status"]) == FULL
    assert set(FULL.dump()) == set(crd.structural(NestedDockerStatus)["properties"]), "FULL leaves a field out"
    again = await api.apply(head | {"status": FULL.dump()}, subresource="status")
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_shorter_status_takes_away_what_is_gone(api: Api, namespace: str) -> None:
    await api.create(nested_docker(namespace))
    head = {"apiVersion": API_VERSION, "kind": "NestedDocker", "metadata": {"name": "build", "namespace": namespace}}
    await api.apply(head | {"status": FULL.dump()}, subresource="status")
    shorter = NestedDockerStatus(observed_generation=4, conditions=FULL.conditions[:1], class_name="standard")
    written = await api.apply(head | {"status": shorter.dump()}, subresource="status")
    assert NestedDockerStatus.model_validate(written["status"]) == shorter


async def test_spec_and_status_have_doors_of_their_own(api: Api, namespace: str) -> None:
    made = await api.create(nested_docker(namespace) | {"status": {"mode": "Dind"}})
    assert made["status"] == {"observedGeneration": 0}, "nobody takes it for ready before the operator has seen it"
    change = {"spec": {"suspend": True}, "status": {"mode": "Dind"}}
    changed = await api.patch("NestedDocker", namespace, "build", change, subresource="status")
    assert changed["status"] == {"observedGeneration": 0, "mode": "Dind"}
    assert changed["spec"] == {}
    assert changed["metadata"]["generation"] == made["metadata"]["generation"]


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of ours in examples/, with its place."""
    for path in sorted((ROOT / "examples").glob("**/*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document and document.get("apiVersion") == API_VERSION:
                yield f"{path.relative_to(ROOT)}: {document['kind']} {document['metadata']['name']}", document


async def test_examples_are_taken(offer: Offer) -> None:
    refused = {}
    for place, document in examples():
        if document["kind"] == "NestedDocker":
            document["metadata"]["namespace"] = "default"
        refused[place] = await offer(document)
    assert refused, "there is no object of ours in examples/"
    assert {place: message for place, message in refused.items() if message} == {}


def test_the_definitions_on_disk_are_those_of_the_models() -> None:
    for definition in crd.definitions():
        path = Path(ROOT, "crds", f"{definition['metadata']['name']}.yaml")
        assert yaml.safe_load(path.read_text()) == definition
