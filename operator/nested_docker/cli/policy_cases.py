"""Case files: requests with what is expected to become of them."""

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
from nested_docker.cli.documents import Document, read
from nested_docker.cli.findings import Findings, Place, did_you_mean, shown
from nested_docker.cli.manifests import Wanted, check_enforcement, sort_out
from nested_docker.cli.strict import parse
from nested_docker.domain.status.reasons import Reason

CASES_API_VERSION = f"cli.{GROUP}/v1alpha1"
KIND = "PolicyTest"
SUFFIXES = (".case.yaml", ".case.yml")

OWN_NAME = "case"
"""Name of the NestedDocker of a case."""


class Expectation(StrEnum):
    """What is to become of a request."""

    GRANTED = "Granted"
    DENIED = "Denied"


class PolicyCase(KubeModel):
    """A request, and what is to become of it."""

    name: Annotated[str, StringConstraints(min_length=1)] = Field(description="What the case shows.")
    namespace: DnsLabel = Field(description="Where the NestedDocker is, one of `namespaces` or of the files.")
    spec: NestedDockerSpec = Field(default=NestedDockerSpec(), description="The NestedDocker's spec.")
    expect: Expectation = Field(description="What is to become of it.")
    reason: Reason | None = Field(default=None, description="Reason of the condition `Accepted`.")
    mode: Mode | None = Field(default=None, description="Mode that it comes to, where it is granted.")
    policy: str | None = Field(default=None, description="NestedDockerPolicy that grants it.")
    message: str | None = Field(default=None, description="A part of the message.")

    @model_validator(mode="after")
    def _only_the_granted_come_to_something(self) -> Self:
        if self.expect == Expectation.DENIED and (self.mode is not None or self.policy is not None):
            raise ValueError("what is denied has neither mode nor policy: leave them out, or expect Granted")
        return self

    def met_by(self, result: offline.CheckResult) -> bool:
        """Whether a verdict is as expected in all that the case speaks of."""
        return (
            result.granted == (self.expect == Expectation.GRANTED)
            and self.reason in {None, result.reason}
            and self.mode in {None, result.mode}
            and self.policy in {None, result.policy}
            and (self.message or "") in result.message
        )

    def told(self) -> str:
        """What is expected, in words."""
        parts = {
            "reason": self.reason,
            "mode": self.mode,
            "policy": self.policy,
            "message with": None if self.message is None else shown(self.message),
        }
        return ", ".join([self.expect, *(f"{name} {value}" for name, value in parts.items() if value is not None)])


class PolicyTest(KubeModel):
    """A case file."""

    files: list[str] = Field(
        default=[],
        description="Files with classes, policies, namespaces, nodes and RuntimeClasses, from the case file.",
    )
    namespaces: dict[str, dict[str, str]] = Field(
        default={}, description="Namespaces with their labels; they go before those of the files."
    )
    runtimes: list[str] = Field(default=[], description="RuntimeClasses that the cluster is to have.")
    enforcement: Enforcement = Field(default=Enforcement.ENFORCE, description="The operator's setting.")
    engine_image: ImageReference | None = Field(
        default=None, description="The operator's setting, where it is not the one that it comes with."
    )
    cases: Annotated[list[PolicyCase], Field(min_length=1)] = Field(
        description="The cases.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


@dataclass(frozen=True)
class Outcome:
    """What became of a case."""

    file: str
    name: str
    passed: bool
    expected: str
    got: str


@dataclass(frozen=True)
class Prepared:
    """A case file and the cluster that it describes."""

    place: Place
    test: PolicyTest
    cluster: offline.Cluster

    def run(self) -> Iterator[Outcome]:
        """Judge every case."""
        for case in self.test.cases:
            result = self.cluster.evaluate(Wanted(self.place, case.namespace, OWN_NAME, case.spec.dump()))
            yield Outcome(self.place.file, case.name, case.met_by(result), case.told(), _told(result))


def find(path: Path, findings: Findings) -> list[Path]:
    """The case files in a directory, and below it."""
    if not path.is_dir():
        findings.problem(Place(str(path)), "there is no such directory")
        return []
    found = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES) and file.is_file())
    if not found:
        findings.problem(Place(str(path)), f"the directory holds no case file, called *{SUFFIXES[0]}")
    return found


def prepare(path: Path, findings: Findings) -> Iterator[Prepared]:
    """Read a case file, and the files that it names."""
    problems = len(findings.problems)
    documents = read([str(path)], findings)
    for document in documents:
        prepared = _prepare(document, path, findings)
        if prepared is not None:
            yield prepared
    if not documents and len(findings.problems) == problems:
        findings.problem(Place(str(path)), "it is empty")


def _prepare(document: Document, path: Path, findings: Findings) -> Prepared | None:
    place, content = document.place, dict(document.content)
    for field, expected in (("apiVersion", CASES_API_VERSION), ("kind", KIND)):
        if content.pop(field) != expected:
            what = f"it is no case (value: {shown(document.content[field])}): write {expected}"
            findings.problem(place, what, path=field)
            return None
    test = parse(PolicyTest, content, place, findings)
    if test is None:
        return None
    names = [os.path.normpath(path.parent / name) for name in test.files]
    manifests = sort_out(read(names, findings), findings, namespace="default")
    cluster = offline.cluster(
        manifests,
        runtimes=test.runtimes,
        namespaces=test.namespaces,
        defaults=offline.defaults(test.enforcement, test.engine_image),
    )
    for name, labels in test.namespaces.items():
        check_enforcement(labels, place, findings, path=f"namespaces.{name}")
    _look_for_namespaces(test.cases, cluster.namespaces, place, findings)
    return Prepared(place, test, cluster)


def _look_for_namespaces(
    cases: Sequence[PolicyCase], known: Mapping[str, Any], place: Place, findings: Findings
) -> None:
    """One that is not known would be denied whatever the policies say, and the case prove nothing."""
    for number, case in enumerate(cases):
        if case.namespace not in known:
            what = f"neither namespaces nor the files know {case.namespace}; {did_you_mean(case.namespace, known)}"
            findings.problem(place, what, path=f"cases[{number}].namespace")


def _told(result: offline.CheckResult) -> str:
    if not result.granted:
        return f"{Expectation.DENIED}, reason {result.reason}: {result.message}"
    policy = f", policy {result.policy}" if result.policy else ""
    return f"{Expectation.GRANTED}, reason {result.reason}, mode {result.mode}{policy}: {result.message}"
