"""`nested-docker policy test`: case files, and how they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.unit.cli.conftest import Run, Write
from tests.unit.cli.objects import GOVERNING, Object, case, class_, namespace, nested_docker, policy, policy_test

ROOT = Path(__file__).parents[3]


@pytest.fixture
def governing(write: Write) -> str:
    """A class and a policy, beside the folder with the cases; its name for a case file."""
    return f"../{write('governing.yaml', class_(), policy())}"


def test_as_expected_is_0(run: Run, write: Write, governing: str) -> None:
    write(
        "cases/a.case.yaml",
        policy_test(
            case("granted", mode="Dind", policy="ci", reason="Granted", message="granted by"),
            case(
                "denied", namespace="team-b", expect="Denied", reason="NotGranted", message="selects namespace team-b"
            ),
            case("no more than that", expect="Granted"),
            files=[governing],
        ),
    )
    result = run("test", "cases")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "ok    cases/a.case.yaml: granted\n"
        "ok    cases/a.case.yaml: denied\n"
        "ok    cases/a.case.yaml: no more than that\n"
        "3 passed, 0 failed\n"
    )


def test_not_as_expected_is_1_with_both_sides(run: Run, write: Write, governing: str) -> None:
    cases = [case("good"), case("bad", namespace="team-b", mode="Dind", policy="ci", message="x")]
    write("cases/a.case.yaml", policy_test(*cases, files=[governing]))
    result = run("test", "cases")
    assert result.exit_code == 1
    assert result.stdout == (
        "ok    cases/a.case.yaml: good\n"
        "FAIL  cases/a.case.yaml: bad\n"
        '      expected  Granted, mode Dind, policy ci, message containing "x"\n'
        "      got       Denied, reason NotGranted: none of 1 NestedDockerPolicies selects namespace team-b, so no "
        "NestedDocker is accepted here: ask a cluster admin for a NestedDockerPolicy that grants mode Dind of class "
        "standard to namespace team-b\n"
        "1 passed, 1 failed\n"
    )


DIFFERENCES = [
    {"expect": "Denied"},
    {"reason": "NotEnforced"},
    {"mode": "Sysbox"},
    {"policy": "other"},
    {"message": "not in it"},
    {"namespace": "team-b"},
]


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_every_expectation_can_fail(run: Run, write: Write, governing: str, difference: dict[str, str]) -> None:
    as_it_is = {"reason": "Granted", "mode": "Dind", "policy": "ci", "message": "mode Dind of class standard"}
    write("cases/a.case.yaml", policy_test(case(**as_it_is), files=[governing]))
    assert run("test", "cases").exit_code == 0
    if difference == {"expect": "Denied"}:
        as_it_is = {}
    write("cases/a.case.yaml", policy_test(case(**(as_it_is | difference)), files=[governing]))
    result = run("test", "cases")
    assert result.exit_code == 1
    if "namespace" not in difference:
        assert "got       Granted, reason Granted, mode Dind, policy ci: mode Dind of class standard" in result.stdout


def test_runtimes_image_and_enforcement_are_as_the_file_says(run: Run, write: Write) -> None:
    write("governing.yaml", class_(), policy(allowedImages={"patterns": ["mine:*"]}))
    here: dict[str, Any] = {"files": ["../governing.yaml"], "engineImage": "mine:1"}
    sysbox = {"spec": {"mode": "Sysbox"}}
    write("cases/without.case.yaml", policy_test(case(**sysbox, expect="Denied", reason="RuntimeMissing"), **here))
    write("cases/with.case.yaml", policy_test(case(**sysbox, mode="Sysbox"), runtimes=["sysbox-runc"], **here))
    lenient = case(namespace="team-b", reason="NotEnforced")
    write("cases/warn.case.yaml", policy_test(lenient, enforcement="Warn", **here))
    result = run("test", "cases")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "3 passed, 0 failed")


def test_namespaces_of_the_case_file_override_those_of_the_files(run: Run, write: Write) -> None:
    write("cases/world/all.yaml", *GOVERNING, namespace("team-c"), nested_docker("is not judged"))
    write(
        "cases/a.case.yml",
        policy_test(
            case("from the files", namespace="team-c"),
            case("overruled", namespace="team-a", expect="Denied"),
            files=["world"],
            namespaces={"team-a": {}},
        ),
    )
    assert run("test", "cases").exit_code == 0


def test_every_case_file_below_is_run_and_no_other(run: Run, write: Write, governing: str) -> None:
    write("cases/deep/er/b.case.yaml", policy_test(case("b"), files=[f"../../{governing}"]))
    write("cases/a.case.yaml", policy_test(case("a"), files=[governing]), policy_test(case("c"), files=[governing]))
    write("cases/a.yaml", "no: [case")
    result = run("test", "cases")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "ok    cases/a.case.yaml: a",
        "ok    cases/a.case.yaml: c",
        "ok    cases/deep/er/b.case.yaml: b",
        "3 passed, 0 failed",
    ]


def test_junit(run: Run, write: Write, governing: str) -> None:
    write("cases/a.case.yaml", policy_test(case("<good> & \x01"), case("bad", expect="Denied"), files=[governing]))
    write("cases/b.case.yaml", policy_test(case("c"), files=[governing]))
    result = run("test", "cases", "--output", "junit")
    assert result.exit_code == 1
    assert result.stdout.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="3" failures="1">\n')
    root = ET.fromstring(result.stdout)
    assert [suite.attrib for suite in root] == [
        {"name": "cases/a.case.yaml", "tests": "2", "failures": "1"},
        {"name": "cases/b.case.yaml", "tests": "1", "failures": "0"},
    ]
    assert [each.attrib["name"] for each in root.iter("testcase")] == ["<good> & \ufffd", "bad", "c"]
    [failure] = root.iter("failure")
    assert failure.attrib == {"message": "expected Denied"}
    assert (failure.text or "").startswith("expected Denied\ngot Granted, reason Granted, mode Dind, policy ci: ")


# --- wrong input ------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[Object, str]] = {
    "kind": (
        policy_test(case()) | {"kind": "PolicyTests"},
        'kind: not a policy test (value: "PolicyTests"): use PolicyTest',
    ),
    "version": (
        policy_test(case()) | {"apiVersion": "nesteddocker.dev/v1alpha1"},
        "apiVersion: not a policy test",
    ),
    "no kind": ({"apiVersion": "cli.nesteddocker.dev/v1alpha1"}, "not a Kubernetes object: kind is a required string"),
    "field": (policy_test(case(), file=["a"]), 'file: unknown field (value: ["a"]); did you mean files?'),
    "field of a case": (
        policy_test(case(), case("two", expected="Denied")),
        'cases[1].expected: unknown field (value: "Denied"); did you mean expect?',
    ),
    "field of a spec": (
        policy_test(case(spec={"mod": "Dind"})),
        'cases[0].spec.mod: unknown field (value: "Dind"); did you mean mode?',
    ),
    "value of a spec": (policy_test(case(spec={"mode": "dind"})), "cases[0].spec.mode: Input should be 'Dind', "),
    "expectation": (policy_test(case(expect="granted")), "did you mean Granted?"),
    "reason": (policy_test(case(reason="NotGrantd")), "did you mean NotGranted?"),
    "what is denied has no mode": (
        policy_test(case(expect="Denied", mode="Dind")),
        "cases[0]: a denied NestedDocker has neither mode nor policy: remove them, or expect Granted",
    ),
    "no cases": (policy_test(), "cases: List should have at least 1 item"),
    "two of a name": (policy_test(case(), case()), 'cases[1]: duplicate name (value: ["one"])'),
    "namespace": (
        policy_test(case(namespace="team-aa")),
        "cases[0].namespace: namespace team-aa is neither in namespaces nor in the files; did you mean team-a?",
    ),
    "label": (
        policy_test(case(), namespaces={"team-a": {"ci": True}}),
        'namespaces.team-a.ci: Input should be a valid string (value: true); write it in quotes: "true"',
    ),
    "level of a namespace": (
        policy_test(case(), namespaces={"team-a": {"nesteddocker.dev/enforcement": "audit"}}),
        "namespaces.team-a.nesteddocker.dev/enforcement: unknown enforcement level",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_input_is_2(run: Run, write: Write, wrong: str) -> None:
    document, printed = WRONG[wrong]
    write("cases/good.case.yaml", policy_test(case(expect="Denied")))
    write("cases/wrong.case.yaml", document)
    result = run("test", "cases")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("cases/wrong.case.yaml: document 1: ")
    assert printed in result.stderr


def test_files_that_are_wrong_or_missing_are_2_and_reported_once(run: Run, write: Write) -> None:
    write("policy.yaml", policy(allowedMode=["Dind"]))
    for name in "ab":
        write(f"cases/{name}.case.yaml", policy_test(case(), files=["../policy.yaml", "../nowhere"]))
    write("cases/c.case.yaml", "# nothing\n")
    result = run("test", "cases")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "nowhere: no such file or directory: name manifests, a directory of them, or -",
        'policy.yaml: document 1: spec.allowedMode: unknown field (value: ["Dind"]); did you mean allowedModes?',
        "cases/c.case.yaml: the file contains no document",
        "3 problems: nothing was evaluated",
    ]


def test_no_directory_and_no_case_files_are_2(run: Run, write: Write) -> None:
    write("cases/a.yaml", policy_test(case()))
    assert "cases: the directory contains no case file, *.case.yaml" in run("test", "cases").stderr
    assert run("test", "cases").exit_code == 2
    assert "nowhere: no such directory" in run("test", "nowhere").stderr
    assert run("test").exit_code == 2


def test_an_invalid_pod_template_is_2(run: Run, write: Write) -> None:
    write("governing.yaml", class_(podTemplate={"metadata": []}), policy())
    write("cases/a.case.yaml", policy_test(case("one"), files=["../governing.yaml"]))
    result = run("test", "cases")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "governing.yaml: document 1: spec.podTemplate.metadata: must be of type object" in result.stderr


# --- examples -----------------------------------------------------------------------------------------------


def test_the_examples_are_as_expected(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = run("test", "examples/policy-tests")
    assert (result.exit_code, result.stderr) == (0, ""), result.stdout
    assert "FAIL" not in result.stdout
