"""What fields use of the tenant's: every field says so, and one that does not is treated as the tenant's."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field

from nested_docker.api.meta import KubeModel
from nested_docker.api.tenancy import (
    UNDECLARED,
    Permission,
    Plain,
    TenantUse,
    declarations,
    fields_in_use,
    governed_by,
    harmless,
)
from nested_docker.api.v1alpha1 import NestedDockerPolicySpec, NestedDockerSpec
from nested_docker.domain.admission.authorization import Access, required_access
from nested_docker.domain.object_names import tenant_owned_fields

FIELDS = dict(declarations(NestedDockerSpec))
POLICY_FIELDS = {path.removeprefix("spec.") for path, _ in declarations(NestedDockerPolicySpec)}


class Part(KubeModel):
    declared: Plain[int | None] = Field(default=None)
    undeclared: int | None = Field(default=None)


class Later(NestedDockerSpec):
    """A later version of the spec, with fields that nobody has thought about."""

    parts: Plain[list[Part]] = Field(default=[])
    whole: Part | None = Field(default=None)
    flag: bool = Field(default=False)


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_of_the_spec_has_a_declaration(path: str) -> None:
    assert FIELDS[path] is not None, f"declare {path}: Plain[…] where it uses nothing of the tenant's, else TenantUse"


def undecided(fields: dict[str, TenantUse | None]) -> list[str]:
    """Fields that nobody limits: neither a policy nor a permission, and without a reason why they are harmless.

    What a declaration says holds for the fields inside as well: a change of one of these is a change of the whole.
    """

    def is_decided(path: str, use: TenantUse | None) -> bool:
        around = [other for outer, other in fields.items() if path.startswith((f"{outer}.", f"{outer}[]."))]
        return any(each and (each.permission or each.governed_by or each.harmless) for each in [use, *around])

    containers = {outer for outer in fields for path in fields if path.startswith((f"{outer}.", f"{outer}[]."))}
    return [path for path, use in fields.items() if path not in containers and not is_decided(path, use)]


def test_a_policy_or_a_permission_limits_every_field_that_is_not_harmless() -> None:
    assert undecided(FIELDS) == [], "declare them: governed_by(…), a permission, or harmless(…) with the reason"


def test_a_field_that_nobody_limits_is_found() -> None:
    class Wider(NestedDockerSpec):
        parts: Plain[list[Part]] = Field(default=[])
        count: Plain[int] = Field(default=0)
        labels: Plain[dict[str, str]] = Field(default={})
        limited: Annotated[int, governed_by("max.cpu")] = Field(default=0)
        excused: Annotated[list[Part], harmless("nobody reads it")] = Field(default=[])

    found = undecided(dict(declarations(Wider)))
    assert found == ["spec.parts[].declared", "spec.parts[].undeclared", "spec.count", "spec.labels"]


@pytest.mark.parametrize("path", [path for path, use in FIELDS.items() if use and use.governed_by])
def test_the_fields_of_a_policy_that_limit_a_field_exist(path: str) -> None:
    use = FIELDS[path]
    assert use is not None
    assert set(use.governed_by) <= POLICY_FIELDS


@pytest.mark.parametrize("path", [path for path, use in FIELDS.items() if use and use.harmless])
def test_what_is_limited_is_not_called_harmless(path: str) -> None:
    use = FIELDS[path]
    assert use is not None
    assert not use.governed_by
    assert not use.permission


def test_the_walk_reaches_every_depth() -> None:
    assert {
        "spec.mode",
        "spec.engine.imagePullSecrets[].name",
        "spec.storage.claim.size",
        "spec.workload.containers[].resources.limits",
        "spec.workload.containers[].env[].value",
        "spec.connection.clients[].podSelector.matchExpressions[].values",
        "spec.scheduling.podAnnotations",
    } <= FIELDS.keys()


def test_a_field_without_a_declaration_is_found() -> None:
    missing = {path for path, use in declarations(Later) if use is None}
    assert missing == {"spec.parts[].undeclared", "spec.whole", "spec.whole.undeclared", "spec.flag"}


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, []),
        ({"parts": [{}], "flag": False, "whole": None}, []),
        ({"parts": [{"declared": 1}]}, []),
        ({"parts": [{"undeclared": 1}]}, ["spec.parts.undeclared"]),
        ({"whole": {}}, ["spec.whole"]),
        ({"whole": {"declared": 1, "undeclared": 1}}, ["spec.whole"]),
        ({"flag": True}, ["spec.flag"]),
    ],
)
def test_a_field_without_a_declaration_is_the_tenants_and_needs_every_permission(
    fields: dict[str, object], found: list[str]
) -> None:
    spec = Later.model_validate(fields)
    assert [*tenant_owned_fields(spec)] == found
    assert required_access(spec, None, "team-a") == [
        Access(path, Permission("*", "*", "*"), "team-a") for path in found
    ]


def test_the_tenants_fields_and_what_they_need() -> None:
    declared = {path: use for path, use in FIELDS.items() if use and use.uses_something}
    of_workload = {
        f"spec.workload.{path}": (True, f"get {resource}")
        for resource, name in (("secrets", "secret"), ("configmaps", "configMap"))
        for path in (
            *(f"{each}[].env[].valueFrom.{name}KeyRef" for each in ("containers", "initContainers")),
            *(f"{each}[].envFrom[].{name}Ref" for each in ("containers", "initContainers")),
            f"volumes[].{name}",
            f"volumes[].projected.sources[].{name}",
        )
    }
    assert {path: (use.tenant_owned, str(use.permission or "")) for path, use in declared.items()} == of_workload | {
        "spec.className": (False, "use nesteddockerclasses.nesteddocker.dev"),
        "spec.engine.caBundleRef": (True, "get configmaps"),
        "spec.engine.imagePullSecrets": (True, "get secrets"),
        "spec.storage.claim": (True, "create persistentvolumeclaims"),
        "spec.workload": (True, "create pods"),
        "spec.connection.secretTemplate": (False, "create secrets"),
        "spec.connection.registryCredentials": (False, "get secrets"),
        "spec.scheduling.podLabels": (True, ""),
        "spec.scheduling.podAnnotations": (True, ""),
    }
    assert UNDECLARED not in declared.values()


@pytest.mark.parametrize(
    ("storage", "in_use"),
    [
        ({"type": "EmptyDir", "claim": {"size": "1Gi"}}, False),
        ({"type": "Claim"}, True),
        ({"type": "Claim", "claim": {"size": "1Gi"}}, True),
    ],
)
def test_a_claim_is_in_use_by_the_storage_type(storage: dict[str, object], *, in_use: bool) -> None:
    spec = NestedDockerSpec.model_validate({"storage": storage})
    assert [*tenant_owned_fields(spec)] == (["spec.storage.claim"] if in_use else [])


def test_defaults_written_out_use_nothing() -> None:
    written = NestedDockerSpec.model_validate(
        {
            "engine": {"imagePullSecrets": []},
            "connection": {"secretTemplate": {"labels": {}}},
            "scheduling": {"podLabels": {}, "podAnnotations": {}},
            "suspend": False,
        }
    )
    assert [use.path for use in fields_in_use(written) if use.use.uses_something] == []


def test_each_changed_value_needs_its_permission_again() -> None:
    def spec(image: str, size: str) -> NestedDockerSpec:
        containers = [{"name": "job", "image": image}]
        return NestedDockerSpec.model_validate(
            {"workload": {"containers": containers}, "storage": {"type": "Claim", "claim": {"size": size}}}
        )

    def fields(before: NestedDockerSpec | None) -> list[str]:
        return [access.field for access in required_access(spec("golang", "1Gi"), before, "team-a")]

    assert fields(None) == ["spec.storage.claim", "spec.workload"]
    assert fields(spec("golang", "2Gi")) == ["spec.storage.claim"]
    assert fields(spec("golang", "1Gi")) == []
    assert fields(spec("alpine", "1Gi")) == ["spec.workload"]


# --- several values at one path ---------------------------------------------------------------------


READS = TenantUse(permission=Permission("get", "secrets"), named=True)
WRITES = TenantUse(permission=Permission("create", "secrets"), named=True)


class Reference(KubeModel):
    name: Plain[str] = Field()


class Step(KubeModel):
    reads: Annotated[Reference | None, READS] = Field(default=None)
    writes: Annotated[Reference | None, WRITES] = Field(default=None)
    files: Annotated[list[Reference], READS] = Field(default=[])


class Job(KubeModel):
    steps: Plain[list[Step]] = Field(default=[])


class Repeated(NestedDockerSpec):
    """A spec whose references are in items of lists, in lists of lists, and in mappings."""

    steps: Plain[list[Step]] = Field(default=[])
    jobs: Plain[list[Job]] = Field(default=[])
    named: Plain[dict[str, Step]] = Field(default={})
    rows: Plain[list[list[Step]]] = Field(default=[])
    led: Annotated[
        list[Reference], TenantUse(permission=Permission("get", "secrets"), named=True, used_with=("spec.mode",))
    ] = Field(default=[])


A, B, C = {"reads": {"name": "a"}}, {"reads": {"name": "b"}}, {"reads": {"name": "c"}}


def asked(now: dict[str, Any], before: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    earlier = None if before is None else Repeated.model_validate(before)
    accesses = required_access(Repeated.model_validate(now), earlier, "team-a")
    return [(access.permission.verb, access.name) for access in accesses]


@pytest.mark.parametrize(
    ("now", "needed"),
    [
        ({"steps": [A, B]}, ["a", "b"]),
        ({"steps": [B, A]}, ["b", "a"]),
        ({"steps": [A, {}, B, C]}, ["a", "b", "c"]),
        ({"steps": [A, A]}, ["a"]),
        ({"steps": [{"files": [{"name": "a"}]}, {"files": [{"name": "b"}, {"name": "c"}]}]}, ["a", "b", "c"]),
        ({"jobs": [{"steps": [A, B]}, {"steps": [C]}]}, ["a", "b", "c"]),
        ({"named": {"x": A, "y": B}}, ["a", "b"]),
        ({"rows": [[A], [B, C]]}, ["a", "b", "c"]),
    ],
)
def test_each_value_of_a_path_needs_its_permission(now: dict[str, Any], needed: list[str]) -> None:
    assert asked(now) == [("get", name) for name in needed]
    assert asked(now, now) == []


@pytest.mark.parametrize(
    ("before", "now", "needed"),
    [
        ({"steps": [A]}, {"steps": [A, B]}, ["a", "b"]),
        ({"steps": [B, C]}, {"steps": [A, C]}, ["a", "c"]),
        ({"steps": [A, B]}, {"steps": [B, A]}, ["b", "a"]),
        ({"steps": [A, B]}, {"steps": [B]}, ["b"]),
        ({"steps": [A, B]}, {"steps": []}, []),
        ({"jobs": [{"steps": [A]}, {"steps": [B]}]}, {"jobs": [{"steps": [A]}, {"steps": [C]}]}, ["a", "c"]),
        ({"led": [{"name": "a"}, {"name": "b"}]}, {"led": [{"name": "a"}, {"name": "b"}], "mode": "Dind"}, ["a", "b"]),
    ],
)
def test_if_one_of_several_values_changes_all_are_new(
    before: dict[str, Any], now: dict[str, Any], needed: list[str]
) -> None:
    assert asked(now, before) == [("get", name) for name in needed]


def test_what_one_of_several_values_has_made_the_operator_write_is_not_removed_without_the_permission() -> None:
    one, other = {"writes": {"name": "a"}}, {"writes": {"name": "b"}}
    assert asked({"steps": [one]}, {"steps": [one, other]}) == [("create", "a"), ("create", "b")]
    assert asked({}, {"steps": [one, other]}) == [("create", "a"), ("create", "b")]


@pytest.mark.parametrize("path", [path for path, use in FIELDS.items() if use and use.used_with])
def test_what_a_permission_is_used_with_is_a_field_outside_of_lists(path: str) -> None:
    use = FIELDS[path]
    assert use is not None
    assert set(use.used_with) <= {other for other in FIELDS if "[]" not in other}
