"""Policy: one single grant for the whole request, in any order, and a denial that helps."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.factory import policy_spec

from nested_docker.api.meta import LabelSelector, Mode
from nested_docker.api.v1alpha1 import NestedDockerPolicySpec
from nested_docker.api.v1alpha1.nested_docker_class import SocketAccess
from nested_docker.api.v1alpha1.policy import AffinityKind, ConnectionPolicy, NamespaceScope
from nested_docker.domain.admission.grant_request import GrantRequest
from nested_docker.domain.admission.policy import evaluate
from nested_docker.domain.modes.host_socket import HostSocketSettings


def request(**fields: object) -> GrantRequest:
    given_ = {"namespace": "team-a", "namespace_labels": {"ci": "true"}, "class_name": "standard", "mode": Mode.DIND}
    return GrantRequest(**(given_ | fields))


def host_socket(access: SocketAccess = SocketAccess.GUARDED, path: str = "/var/run/docker.sock") -> dict[str, object]:
    return {"mode": Mode.HOST_SOCKET, "mode_settings": HostSocketSettings(access=access, path=path, gid=None)}


def test_without_policies_nobody_gets_anything() -> None:
    decision = evaluate(request(), {})
    assert not decision.granted
    assert decision.message == (
        "no NestedDockerPolicy exists, so no NestedDocker is accepted here: ask a cluster admin for a "
        "NestedDockerPolicy that grants mode Dind of class standard to namespace team-a"
    )
    elsewhere = {"p": policy_spec(namespaceSelector={"matchLabels": {"ci": "false"}})}
    assert evaluate(request(), elsewhere).message.startswith("none of 1 NestedDockerPolicies selects namespace team-a")


def test_a_denial_names_field_policies_what_is_granted_here_and_the_remedy() -> None:
    policies = {
        "sysbox": policy_spec(allowedModes=["Sysbox"], max={"cpu": "2"}),
        "elsewhere": policy_spec(namespaceSelector={"matchLabels": {"ci": "false"}}),
        "others": policy_spec(allowedClasses=["gold"], workload={"allowed": False}),
    }
    assert evaluate(request(), policies).message == (
        "no NestedDockerPolicy grants mode Dind of class standard with this spec in namespace team-a. Policies "
        "checked: others: spec.className is standard, and allowedClasses has only gold; sysbox: the mode is Dind, and "
        "allowedModes has only Sysbox and limits.cpu, summed up over the containers, must be set, since max.cpu is 2; "
        "1 do not select this namespace. Granted here: others: mode Dind or HostSocket or Sysbox or UserNamespace or "
        "Rootless of "
        "class gold; sysbox: mode Sysbox of class standard, with a workload, cpu up to 2. Choose from that, or ask a "
        "cluster admin to put `allowedClasses: standard` into NestedDockerPolicy others"
    )


def test_a_denial_stays_short_however_many_policies_there_are() -> None:
    policies = {f"policy-{number}": policy_spec(allowedClasses=["gold"]) for number in range(500)}
    message = evaluate(request(), policies).message
    assert "495 more do not grant it either" in message
    assert len(message) < 4096


FIELDS: list[tuple[dict[str, object], dict[str, object], str]] = [
    (host_socket(SocketAccess.RAW), {"hostSocket": {"allowRaw": False}}, "hostSocket.allowRaw"),
    (host_socket(path="/run/x.sock"), {"hostSocket": {}}, "hostSocket.path is /run/x.sock"),
    ({"image": "evil:1", "image_is_own": True}, {"allowedImages": {}}, "spec.engine.image is evil:1"),
    ({"image": "evil:1"}, {"allowedImages": {"patterns": ["docker:*"]}}, "allowedImages.patterns has only docker:*"),
    ({"image": "docker:1"}, {"allowedImages": {"requireDigest": True}}, "allowedImages.requireDigest"),
    ({"workload_images": ()}, {"workload": {}}, "spec.workload is set, and workload.allowed is not"),
    (
        {"workload_images": (("spec.workload.containers.image", "evil:1"),)},
        {"workload": {"allowed": True, "images": {"patterns": ["golang"]}}},
        "spec.workload.containers.image is evil:1, and workload.images.patterns has only golang",
    ),
    (
        {"workload_images": (("spec.workload.initContainers.image", "evil:1"),)},
        {"workload": {"allowed": True, "images": {"patterns": ["golang"]}}},
        "spec.workload.initContainers.image is evil:1, and workload.images.patterns has only golang",
    ),
    ({"toleration_keys": ("gpu",)}, {"scheduling": {}}, "spec.scheduling.tolerations has gpu"),
    ({"toleration_keys": ("",)}, {"scheduling": {"tolerationKeys": ["*"]}}, "tolerations has every key"),
    ({"priority_class_name": "top"}, {"scheduling": {}}, "spec.scheduling.priorityClassName is top"),
    ({"pod_annotations": ("a.example/b",)}, {"scheduling": {}}, "spec.scheduling.podAnnotations has a.example/b"),
    ({"pod_labels": ("app",)}, {"scheduling": {}}, "spec.scheduling.podLabels has app"),
    ({"affinity": (AffinityKind.POD,)}, {"scheduling": {}}, "spec.scheduling.affinity has podAffinity"),
    ({"affinity": (AffinityKind.NODE,)}, {"scheduling": {"affinity": []}}, "scheduling.affinity has nothing"),
    (
        {"name": "registry"},
        {"allowedNames": ["ci-*", "build"]},
        "metadata.name is registry, and allowedNames has ci-*, build",
    ),
    ({"clients_elsewhere": True}, {"connection": {}}, "connection.clientNamespaces is Own"),
    ({"affinity_of_others": True}, {"scheduling": {}}, "scheduling.affinityNamespaces is Own"),
    (
        {"resource_names": (("spec.resources.limits", "example.com/gpu"),)},
        {"allowedResources": ["ephemeral-storage"]},
        "spec.resources.limits has example.com/gpu, and allowedResources has ephemeral-storage",
    ),
    ({"storage_class_name": "gold"}, {"allowedStorageClasses": []}, "the storageClassName of spec.storage is gold"),
    ({}, {"max": {"cpu": "1"}}, "limits.cpu, summed up over the containers, must be set, since max.cpu is 1"),
    ({"memory": Decimal(2**31)}, {"max": {"memory": "1Gi"}}, "is 2147483648, and max.memory is 1Gi"),
    ({}, {"max": {"storage": "1Gi"}}, "the size of spec.storage must be set, since max.storage is 1Gi"),
    ({}, {"max": {"lifetimeSeconds": 60}}, "spec.activeDeadlineSeconds must be set"),
    ({"lifetime_seconds": 61}, {"max": {"lifetimeSeconds": 60}}, "spec.activeDeadlineSeconds is 61"),
]


@pytest.mark.parametrize(("wanted", "granted", "told"), FIELDS)
def test_every_field_of_a_policy_denies_by_name(
    wanted: dict[str, object], granted: dict[str, object], told: str
) -> None:
    decision = evaluate(request(**wanted), {"p": policy_spec(**granted)})
    assert not decision.granted
    assert told in decision.message


def test_what_is_within_every_term_is_granted() -> None:
    wanted = request(
        name="ci-1",
        image="registry.example/dind:28@sha256:" + "a" * 64,
        image_is_own=True,
        workload_images=(("spec.workload.containers.image", "golang:1.25"),),
        toleration_keys=("ci.example/only",),
        priority_class_name="ci",
        pod_annotations=("a.example/b",),
        pod_labels=("a.example/b",),
        affinity=(AffinityKind.NODE, AffinityKind.POD_ANTI),
        affinity_of_others=True,
        clients_elsewhere=True,
        resource_names=(("spec.resources.limits", "example.com/gpu"),),
        storage_class_name="ci-fast",
        cpu=Decimal(2),
        memory=Decimal(2**30),
        storage=Decimal(10),
        lifetime_seconds=60,
    )
    terms = policy_spec(
        allowedImages={"patterns": ["registry.example/*"], "requireDigest": True},
        workload={"allowed": True, "images": {"patterns": ["golang:*"]}},
        scheduling={
            "tolerationKeys": ["ci.example/*"],
            "priorityClassNames": ["ci"],
            "podAnnotations": ["a.example/*"],
            "podLabels": ["a.example/*"],
            "affinity": ["NodeAffinity", "PodAntiAffinity"],
            "affinityNamespaces": "Any",
        },
        allowedResources=["example.com/*"],
        connection={"clientNamespaces": "Any"},
        allowedStorageClasses=["ci-*"],
        allowedNames=["ci-*", "build"],
        max={"cpu": "2", "memory": "1Gi", "storage": "10", "lifetimeSeconds": 60},
    )
    assert evaluate(wanted, {"p": terms}).granted


def test_two_half_grants_are_no_grant() -> None:
    policies = {
        "mode": policy_spec(allowedClasses=["gold"]),
        "class": policy_spec(allowedModes=["Sysbox"]),
    }
    assert not evaluate(request(), policies).granted


SELECTORS = st.sampled_from([{}, {"matchLabels": {"ci": "true"}}, {"matchLabels": {"ci": "no"}}])
POLICIES = st.builds(
    policy_spec,
    namespaceSelector=SELECTORS,
    allowedClasses=st.lists(st.sampled_from(["standard", "gold"]), min_size=1, unique=True),
    allowedModes=st.lists(st.sampled_from([mode.value for mode in Mode]), min_size=1, unique=True),
    hostSocket=st.fixed_dictionaries({"allowRaw": st.booleans()}, optional={"guard": st.just({})}),
    allowedImages=st.fixed_dictionaries(
        {"patterns": st.sampled_from([[], ["docker:*"], ["**"]]), "requireDigest": st.booleans()}
    ),
    workload=st.fixed_dictionaries({"allowed": st.booleans()}),
    scheduling=st.fixed_dictionaries(
        {
            "tolerationKeys": st.sampled_from([[], ["gpu"], ["**"]]),
            "podLabels": st.sampled_from([[], ["a.example/*"]]),
            "affinity": st.sampled_from([[], ["NodeAffinity"], ["NodeAffinity", "PodAntiAffinity"]]),
            "affinityNamespaces": st.sampled_from(["Own", "Any"]),
        }
    ),
    allowedResources=st.sampled_from([[], ["hugepages-*"]]),
    connection=st.fixed_dictionaries({"clientNamespaces": st.sampled_from(["Own", "Any"])}),
    allowedStorageClasses=st.sampled_from([[], ["*"]]),
    max=st.fixed_dictionaries({}, optional={"cpu": st.sampled_from(["1", "4"]), "lifetimeSeconds": st.just(60)}),
)
MODE_FIELDS: list[dict[str, object]] = [
    {"mode": Mode.DIND},
    {"mode": Mode.SYSBOX},
    host_socket(SocketAccess.GUARDED),
    host_socket(SocketAccess.RAW),
]
REQUESTS = st.builds(
    lambda mode, **fields: request(**mode, **fields),
    class_name=st.sampled_from(["standard", "gold", "none"]),
    mode=st.sampled_from(MODE_FIELDS),
    image=st.sampled_from(["docker:29-dind", "evil:1", "docker@sha256:" + "a" * 64]),
    image_is_own=st.booleans(),
    workload_images=st.sampled_from([None, (("spec.workload.containers.image", "golang"),)]),
    toleration_keys=st.sampled_from([(), ("gpu",), ("",)]),
    pod_labels=st.sampled_from([(), ("a.example/b",)]),
    affinity=st.sampled_from([(), (AffinityKind.NODE,), (AffinityKind.POD_ANTI,)]),
    affinity_of_others=st.booleans(),
    clients_elsewhere=st.booleans(),
    resource_names=st.sampled_from([(), (("spec.resources.limits", "hugepages-2Mi"),)]),
    storage_class_name=st.sampled_from(["", "gold"]),
    cpu=st.sampled_from([None, Decimal(1), Decimal(3)]),
    lifetime_seconds=st.sampled_from([None, 30, 600]),
)


@given(REQUESTS, st.dictionaries(st.sampled_from("abcd"), POLICIES), POLICIES)
def test_another_policy_never_takes_a_grant_away(
    wanted: GrantRequest, policies: dict[str, NestedDockerPolicySpec], more: NestedDockerPolicySpec
) -> None:
    assert evaluate(wanted, policies | {"z": more}).granted >= evaluate(wanted, policies).granted


@given(REQUESTS, st.dictionaries(st.sampled_from("abcd"), POLICIES))
def test_a_grant_is_one_policys_alone_and_order_does_not_matter(
    wanted: GrantRequest, policies: dict[str, NestedDockerPolicySpec]
) -> None:
    together = evaluate(wanted, policies)
    assert together.granted == any(evaluate(wanted, {name: policy}).granted for name, policy in policies.items())
    assert evaluate(wanted, dict(reversed(policies.items()))) == together


NARROWER: list[Callable[[NestedDockerPolicySpec], dict[str, object]]] = [
    lambda wide: {"allowed_modes": wide.allowed_modes[:1]},
    lambda wide: {"allowed_classes": wide.allowed_classes[:1]},
    lambda wide: {"namespace_selector": LabelSelector(match_labels={"ci": "no"})},
    lambda wide: {"host_socket": wide.host_socket.model_copy(update={"allow_raw": False})},
    lambda wide: {"allowed_images": wide.allowed_images.model_copy(update={"require_digest": True})},
    lambda wide: {"workload": wide.workload.model_copy(update={"allowed": False})},
    lambda wide: {"scheduling": wide.scheduling.model_copy(update={"toleration_keys": []})},
    lambda wide: {"scheduling": wide.scheduling.model_copy(update={"pod_labels": [], "affinity": []})},
    lambda wide: {"scheduling": wide.scheduling.model_copy(update={"affinity_namespaces": NamespaceScope.OWN})},
    lambda wide: {"connection": ConnectionPolicy()},
    lambda wide: {"allowed_resources": []},
    lambda wide: {"allowed_storage_classes": []},
    lambda wide: {"max": wide.max.model_copy(update={"cpu": "1", "lifetime_seconds": 30})},
]


@given(REQUESTS, POLICIES, st.sampled_from(NARROWER))
def test_narrowing_never_adds(
    wanted: GrantRequest, policy: NestedDockerPolicySpec, narrow: Callable[[NestedDockerPolicySpec], dict[str, object]]
) -> None:
    narrower = policy.model_copy(update=narrow(policy))
    assert evaluate(wanted, {"p": policy}).granted >= evaluate(wanted, {"p": narrower}).granted


def test_selectors_match_as_kubernetes_does() -> None:
    labels = {"a": "1", "b": "2"}
    matching = [
        {},
        {"matchLabels": {"a": "1"}},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "9"]}]},
        {"matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["1"]}]},
        {"matchExpressions": [{"key": "b", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "c", "operator": "DoesNotExist"}]},
    ]
    failing = [
        {"matchLabels": {"a": "1", "c": "3"}},
        {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]},
        {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]},
    ]
    assert all(LabelSelector.model_validate(selector).matches(labels) for selector in matching)
    assert not any(LabelSelector.model_validate(selector).matches(labels) for selector in failing)
