"""Adding a mode is one file and one row: a sketch of a fourth mode, with settings of its own, planned to a pod."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, NOW, class_spec, observed, policy_spec

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerSpec
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard, Isolation, SchedulingSpec
from nested_docker.domain import names
from nested_docker.domain.effective import Change, EffectiveSpec, Layers, ModeSettings, Origin, first_change, resolve
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import Objection, Obstacle, PodContext, Privilege
from nested_docker.domain.modes.dockerd import OwnDaemon, dockerd_container
from nested_docker.domain.objects import ClusterFacts, Manifest, RuntimeClassFacts
from nested_docker.domain.observed import Observed
from nested_docker.domain.planning.child_diff import Create
from nested_docker.domain.planning.plan import plan
from nested_docker.domain.planning.planned import Plan
from nested_docker.domain.status.reasons import Reason, Type

MICRO_VM: Mode = str.__new__(Mode, "MicroVM")
"""What `MICRO_VM = "MicroVM"` in `Mode` would be: the API's part of a new mode."""
MICRO_VM._name_, MICRO_VM._value_ = "MICRO_VM", "MicroVM"

KERNEL_ANNOTATION = "example.com/kernel"


# --- the one file -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class MicroVMSettings(ModeSettings):
    kernel: str = "stock"

    def values(self) -> dict[str, Any]:
        return {"microVM.kernel": self.kernel}


class MicroVM(OwnDaemon):
    mode = MICRO_VM
    isolation = Isolation.USER_NAMESPACE
    privilege = Privilege.USER_NAMESPACE

    def resolve(self, layers: Layers, spec: NestedDockerSpec, class_spec: NestedDockerClassSpec) -> ModeSettings:
        template = (class_spec.pod_template or {}).get("metadata", {}).get("annotations", {})
        mine = dict(spec.scheduling.pod_annotations).get(KERNEL_ANNOTATION)
        return MicroVMSettings(layers.pick("microVM.kernel", mine, template.get(KERNEL_ANNOTATION), "stock"))

    def objections(self, settings: ModeSettings, policy: NestedDockerPolicySpec) -> Iterable[Objection]:
        assert isinstance(settings, MicroVMSettings)
        if settings.kernel == "custom" and policy.max.cpu is None:
            yield Objection("the kernel is custom, and max.cpu is not set", "max.cpu: 1")

    def obstacle(self, effective: EffectiveSpec, cluster: ClusterFacts) -> Obstacle | None:
        return None if "kata" in cluster.runtime_classes else Obstacle(Reason.RUNTIME_MISSING, "install kata")

    def container(self, context: PodContext) -> Manifest:
        settings = context.effective.mode_settings
        assert isinstance(settings, MicroVMSettings)
        container = dockerd_container(context)
        return container | {"env": [*container["env"], {"name": "KERNEL", "value": settings.kernel}]}

    def pod_fields(self, context: PodContext) -> Manifest:
        return {"runtimeClassName": "kata"}

    def hazards(self, effective: EffectiveSpec, engine: EngineStatus | None) -> Sequence[Hazard]:
        return [Hazard(type="SlowStart", message="A VM starts in seconds.", remedy="Wait.")]

    def explain(self, message: str) -> tuple[Reason, str] | None:
        return None


# --- the one row ------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODES, MICRO_VM, MicroVM())


# --- the one test -----------------------------------------------------------------------------------

KATA = ClusterFacts(runtime_classes={"kata": RuntimeClassFacts()})
KEY_SET = KeySet({}, NOW.replace(year=2027), server_not_after=NOW.replace(year=2036))


def seen(spec: dict[str, Any] | None = None, *, kernel: str | None = None, **fields: Any) -> Observed:
    """A NestedDocker of a class that offers nothing but the new mode."""
    template = {"metadata": {"annotations": {KERNEL_ANNOTATION: kernel}}} if kernel else None
    offers = class_spec(podTemplate=template).model_copy(update={"modes": [MICRO_VM]})
    grants = policy_spec().model_copy(update={"allowed_modes": [MICRO_VM]})
    given = {"classes": {"standard": offers}, "policies": {"p": grants}, "cluster": KATA, "issued": KEY_SET}
    return observed(spec or {}, **(given | fields))


def planned(at: Observed) -> Plan:
    return plan(at, NOW, DEFAULTS)


def pod_of(made: Plan) -> Manifest:
    created = [write.desired for stage in made.stages for write in stage if isinstance(write, Create)]
    (pod,) = [desired for desired in created if isinstance(desired, dict) and desired["kind"] == "Pod"]
    return pod


def test_it_is_planned_to_its_pod() -> None:
    made = planned(seen(kernel="tiny"))
    spec = pod_of(made)["spec"]
    (container,) = spec["containers"]
    assert spec["runtimeClassName"] == "kata"
    assert {"name": "KERNEL", "value": "tiny"} in container["env"]
    assert made.status is not None
    assert (made.status.mode, made.status.isolation) == (MICRO_VM, Isolation.USER_NAMESPACE)
    assert [hazard.type for hazard in made.status.hazards] == ["SlowStart"]


def test_the_cluster_can_lack_what_it_needs() -> None:
    status = planned(seen(cluster=ClusterFacts())).status
    assert status is not None
    accepted = status.condition(Type.ACCEPTED)
    assert accepted is not None
    assert (accepted.reason, accepted.message) == (Reason.RUNTIME_MISSING, "install kata")


def test_a_policy_grants_its_settings_or_not() -> None:
    status = planned(seen(kernel="custom")).status
    assert status is not None
    accepted = status.condition(Type.ACCEPTED)
    assert accepted is not None
    assert accepted.reason == Reason.NOT_GRANTED
    assert "the kernel is custom, and max.cpu is not set" in accepted.message


def test_a_change_of_its_settings_is_seen_by_their_path() -> None:
    mode = MODES[MICRO_VM]

    def effective(kernel: str) -> EffectiveSpec:
        annotated = NestedDockerSpec.model_validate({"scheduling": {"podAnnotations": {KERNEL_ANNOTATION: kernel}}})
        whole = resolve(annotated, class_spec(), mode, DEFAULTS)
        return replace(whole, scheduling=SchedulingSpec())

    before = effective("tiny").fingerprint
    assert "microVM.kernel" in json.loads(before)
    assert first_change(before, effective("tiny")) is None
    assert first_change(before, effective("big")) == Change("microVM.kernel", Origin.SPEC)
    assert "microVM.kernel" in pod_of(planned(seen()))["metadata"]["annotations"][names.ANNOTATION_EFFECTIVE]


def test_what_the_spec_would_change_of_the_pod_through_it_is_rejected() -> None:
    """Nobody has listed the variable as one that a NestedDocker may set from its annotations: the class decides."""
    status = planned(seen({"scheduling": {"podAnnotations": {KERNEL_ANNOTATION: "big"}}}, kernel="tiny")).status
    assert status is not None
    accepted = status.condition(Type.ACCEPTED)
    assert accepted is not None
    assert accepted.reason == Reason.CLASS_OVERRIDE_DENIED
