"""Case files: NestedDockers and the expected result for each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from nested_docker.api.meta import GROUP, DnsLabel, Enforcement, ImageReference, KubeModel, Mode
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.cli import offline
from nested_docker.cli.documents import Document, read_documents
from nested_docker.cli.findings import Findings, Position, did_you_mean, format_value
from nested_docker.cli.manifests import NestedDockerManifest, check_enforcement, collect_manifests
from nested_docker.cli.strict import parse_model
from nested_docker.domain.status.reasons import Reason

CASE_API_VERSION = f"cli.{GROUP}/v1alpha1"
CASE_KIND = "PolicyTest"
CASE_SUFFIXES = (".case.yaml", ".case.yml")

CASE_OBJECT_NAME = "case"
"""Name of the NestedDocker that a case describes."""


class Expectation(StrEnum):
    """The expected result."""

    GRANTED = "Granted"
    DENIED = "Denied"


class PolicyCase(KubeModel):
    """A NestedDocker, and the expected result."""

    name: Annotated[str, StringConstraints(min_length=1)] = Field(description="Title of the case, unique in its file.")
    namespace: DnsLabel = Field(description="Namespace of the NestedDocker, one of `namespaces` or of the files.")
    spec: NestedDockerSpec = Field(default=NestedDockerSpec(), description="The NestedDocker's spec.")
    expect: Expectation = Field(description="Expected result.")
    reason: Reason | None = Field(default=None, description="Expected reason of the condition `Accepted`.")
    mode: Mode | None = Field(default=None, description="Mode that a granted NestedDocker is expected to get.")
    policy: str | None = Field(default=None, description="NestedDockerPolicy that is expected to grant it.")
    message: str | None = Field(default=None, description="A part of the expected message.")

    @model_validator(mode="after")
    def _denied_has_no_mode_or_policy(self) -> Self:
        if self.expect == Expectation.DENIED and (self.mode is not None or self.policy is not None):
            raise ValueError("a denied NestedDocker has neither mode nor policy: remove them, or expect Granted")
        return self

    def matches(self, result: offline.CheckResult) -> bool:
        """Whether a result is as expected; fields that the case does not set match anything."""
        return (
            result.granted == (self.expect == Expectation.GRANTED)
            and self.reason in {None, result.reason}
            and self.mode in {None, result.mode}
            and self.policy in {None, result.policy}
            and (self.message or "") in result.message
        )

    def description(self) -> str:
        """The expected result as text, such as `Granted, mode Dind`."""
        parts = {
            "reason": self.reason,
            "mode": self.mode,
            "policy": self.policy,
            "message containing": None if self.message is None else format_value(self.message),
        }
        return ", ".join([self.expect, *(f"{name} {value}" for name, value in parts.items() if value is not None)])


class PolicyTest(KubeModel):
    """A case file."""

    files: list[str] = Field(
        default=[],
        description="Files with classes, policies, namespaces, nodes and RuntimeClasses, relative to the case file.",
    )
    namespaces: dict[str, dict[str, str]] = Field(
        default={}, description="Namespaces with their labels; they override those of the files."
    )
    runtimes: list[str] = Field(default=[], description="RuntimeClasses to assume in the cluster.")
    enforcement: Enforcement = Field(default=Enforcement.ENFORCE, description="The operator's enforcement setting.")
    engine_image: ImageReference | None = Field(
        default=None, description="The operator's engine image, if it is not the default."
    )
    cases: Annotated[list[PolicyCase], Field(min_length=1)] = Field(
        description="The cases.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


@dataclass(frozen=True)
class CaseResult:
    """Whether a case passed, with the expected and the actual result."""

    file: str
    name: str
    passed: bool
    expected: str
    got: str


@dataclass(frozen=True)
class PreparedTest:
    """A policy test and the cluster that its file describes."""

    position: Position
    test: PolicyTest
    cluster: offline.OfflineCluster

    def run(self) -> Iterator[CaseResult]:
        """Evaluate every case."""
        for case in self.test.cases:
            result = self.cluster.evaluate(
                NestedDockerManifest(self.position, case.namespace, CASE_OBJECT_NAME, case.spec.dump())
            )
            yield CaseResult(self.position.file, case.name, case.matches(result), case.description(), _describe(result))


def find_case_files(path: Path, findings: Findings) -> list[Path]:
    """The case files in a directory and its subdirectories."""
    if not path.is_dir():
        findings.problem(Position(str(path)), f"no such directory: name one with case files, *{CASE_SUFFIXES[0]}")
        return []
    found = sorted(file for file in path.rglob("*") if file.name.endswith(CASE_SUFFIXES) and file.is_file())
    if not found:
        findings.problem(Position(str(path)), f"the directory contains no case file, *{CASE_SUFFIXES[0]}")
    return found


def read_case_file(path: Path, findings: Findings) -> Iterator[PreparedTest]:
    """The policy tests of a case file; the files that they name are read too."""
    problems = len(findings.problems)
    documents = read_documents([str(path)], findings)
    for document in documents:
        prepared = _prepare_test(document, path, findings)
        if prepared is not None:
            yield prepared
    if not documents and len(findings.problems) == problems:
        findings.problem(Position(str(path)), "the file contains no document")


def _prepare_test(document: Document, path: Path, findings: Findings) -> PreparedTest | None:
    position, content = document.position, dict(document.content)
    for field, expected in (("apiVersion", CASE_API_VERSION), ("kind", CASE_KIND)):
        if content.pop(field) != expected:
            what = f"not a policy test (value: {format_value(document.content[field])}): use {expected}"
            findings.problem(position, what, path=field)
            return None
    test = parse_model(PolicyTest, content, position, findings)
    if test is None:
        return None
    names = [os.path.normpath(path.parent / name) for name in test.files]
    manifests = collect_manifests(read_documents(names, findings), findings, namespace="default")
    cluster = offline.build_cluster(
        manifests,
        runtimes=test.runtimes,
        namespaces=test.namespaces,
        defaults=offline.operator_defaults(test.enforcement, test.engine_image),
    )
    for name, labels in test.namespaces.items():
        check_enforcement(labels, position, findings, path=f"namespaces.{name}")
    _check_namespaces(test.cases, cluster.namespaces, position, findings)
    return PreparedTest(position, test, cluster)


def _check_namespaces(
    cases: Sequence[PolicyCase], known: Mapping[str, Any], position: Position, findings: Findings
) -> None:
    """An undefined namespace is denied whatever the policies grant, so its case would prove nothing."""
    for number, case in enumerate(cases):
        if case.namespace not in known:
            unknown = f"namespace {case.namespace} is neither in namespaces nor in the files"
            what = f"{unknown}; {did_you_mean(case.namespace, known)}"
            findings.problem(position, what, path=f"cases[{number}].namespace")


def _describe(result: offline.CheckResult) -> str:
    if not result.granted:
        return f"{Expectation.DENIED}, reason {result.reason}: {result.message}"
    policy = f", policy {result.policy}" if result.policy else ""
    return f"{Expectation.GRANTED}, reason {result.reason}, mode {result.mode}{policy}: {result.message}"
