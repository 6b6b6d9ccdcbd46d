"""The rules as data, their modes, and the offline check."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from tests.unit.guard.decisions import OPEN, UID, decide, denial, rules
from typer.testing import CliRunner

from nested_docker.api.meta import Enforcement
from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.cli.app import app
from nested_docker.guard import audit
from nested_docker.guard.errors import GuardDenied, ObjectNotFound
from nested_docker.guard.ownership import OWNER_ANNOTATION, UID_LABEL, ObjectKind, Reference, Requirement
from nested_docker.guard.proxy import Guard
from nested_docker.guard.rules.inherited import check_inherited
from nested_docker.guard.rules_flag import in_pod, parse_rules

PRIVILEGED = {"Image": "busybox", "HostConfig": {"Privileged": True}}


def test_rules_survive_their_wire_form() -> None:
    assert GuardRules.model_validate(OPEN.dump()) == OPEN
    assert parse_rules(json.dumps(OPEN.dump())) == OPEN


@pytest.mark.parametrize("text", ["", "[]", '{"container":{}}', '{"images":{"use":"x"}}', '{"build":{"allow":true}}'])
def test_a_misspelled_rule_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_rules(text)


@pytest.mark.parametrize("enforcement", [Enforcement.WARN, Enforcement.AUDIT])
def test_warn_and_audit_waive_rules_but_add_the_owner_label(enforcement: Enforcement) -> None:
    lenient = OPEN.model_copy(update={"enforcement": enforcement})
    decision = decide("POST", "/containers/create", PRIVILEGED, by=lenient)
    assert decision.waived is not None
    assert decision.waived.rule == "HostConfig.Privileged"
    assert decision.forward_plan.body == {
        "Image": "busybox",
        "HostConfig": {"Privileged": True, "Annotations": {OWNER_ANNOTATION: UID}},
        "Labels": {UID_LABEL: UID},
    }
    assert decision.forward_plan.references == (Reference(ObjectKind.IMAGE, "busybox", Requirement.VISIBLE),)
    assert decision.forward_plan.complete is check_inherited
    (reference,) = decide(
        "POST", "/containers/x1/exec", {"Cmd": ["id"], "Privileged": True}, by=lenient
    ).forward_plan.references
    assert (reference.kind, reference.name) == (ObjectKind.CONTAINER, "x1")
    assert decide("POST", "/containers/create", {"Image": "busybox"}, by=lenient).waived is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/session", None),
        ("POST", "/swarm/init", {}),
        ("GET", "/plugins", None),
        ("GET", "/nothing", None),
        ("POST", "/containers/create", {"Image": "busybox", "New": 1}),
        ("POST", "/containers/create", {"Image": "busybox", "Labels": {"nesteddocker.dev/uid": "x"}}),
        ("POST", "/containers/create", {**PRIVILEGED, "Labels": ["x"]}),
        ("POST", "/containers/create", {**PRIVILEGED, "Labels": {"nesteddocker.dev/uid": "x"}}),
        ("POST", "/containers/create", {**PRIVILEGED, "HostConfig": ["x"]}),
        ("POST", "/containers/create", {**PRIVILEGED, "Env": "x"}),
        ("GET", "/containers/../json", None),
    ],
)
def test_some_rules_are_never_waived(method: str, path: str, body: object) -> None:
    assert denial(method, path, body, by=OPEN.model_copy(update={"enforcement": Enforcement.AUDIT}))


def test_a_waived_creation_keeps_its_owner_in_the_annotations() -> None:
    forged = {**PRIVILEGED, "HostConfig": {"Privileged": True, "Annotations": {OWNER_ANNOTATION: "x", "a": "b"}}}
    body = decide(
        "POST", "/containers/create", forged, by=OPEN.model_copy(update={"enforcement": Enforcement.AUDIT})
    ).forward_plan.body
    assert body is not None
    assert body["HostConfig"]["Annotations"] == {OWNER_ANNOTATION: UID, "a": "b"}


@pytest.mark.parametrize("uid", ["", "a b", "a=b", "x\n", "é", '"', "-"])
def test_an_owner_needs_a_valid_uid(uid: str) -> None:
    with pytest.raises(ValueError, match="UID"):
        Guard(OPEN, uid)


def test_errors_have_dockers_shape() -> None:
    body = json.loads(GuardDenied("build.allowed", 'images "may" not be built').body())
    assert body == {"message": 'denied by the guard: images "may" not be built (rule: build.allowed)'}
    assert json.loads(ObjectNotFound("No such container: x").body()) == {"message": "No such container: x"}


def test_an_audit_line_is_one_line_of_printable_ascii(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    audit.log_denied("GET", "/a\r\nforged\x1b[0m\u2028", GuardDenied("x", "y\nz"))
    audit.log_allowed("POST", "/b" * 1000, ("id\n",), None)
    first, second = caplog.records
    assert first.path == "/a\\r\\nforged\\x1b[0m\\u2028"  # type: ignore[attr-defined]
    assert first.reason == "y\\nz"  # type: ignore[attr-defined]
    assert len(second.path) < 1000  # type: ignore[attr-defined]
    assert second.objects == ["id\\n"]  # type: ignore[attr-defined]


def test_requests_are_checked_offline(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(json.dumps(OPEN.dump()))
    (tmp_path / "create.json").write_text(json.dumps(PRIVILEGED))
    (tmp_path / "good.json").write_text(json.dumps({"Image": "busybox"}))
    run = CliRunner().invoke
    check = ["guard", "check", str(tmp_path / "rules.json")]
    good = run(app, [*check, "GET /_ping", f"POST /v1.45/containers/create {tmp_path / 'good.json'}"])
    assert good.exit_code == 0, good.output
    assert "image busybox must be visible" in good.output
    bad = run(app, [*check, f"POST /v1.45/containers/create {tmp_path / 'create.json'}", "GET /_ping"])
    assert bad.exit_code == 1
    assert "(rule: HostConfig.Privileged, status 403)" in bad.output
    lenient = json.dumps(rules().model_copy(update={"enforcement": Enforcement.WARN}).dump())
    waived = run(app, ["guard", "check", lenient, f"POST /containers/create {tmp_path / 'create.json'}"])
    assert waived.exit_code == 0
    assert "although HostConfig.Privileged may not be set" in waived.output


@pytest.mark.parametrize(
    "arguments", [["{", "GET /"], ["/nowhere", "GET /"], ["{}", "GET"], ["{}", "POST /x /nowhere"]]
)
def test_invalid_arguments_exit_with_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["guard", "check", *arguments]).exit_code == 2


@pytest.mark.parametrize(
    "options",
    [
        ["--guard-rules={}"],
        ["--owner-uid=x"],
        ["--guard-rules=[", "--owner-uid=x"],
        ["--guard-rules={}", "--owner-uid=a b"],
    ],
)
def test_half_of_the_guards_options_is_an_error(options: list[str], tmp_path: Path) -> None:
    locations = [f"--upstream={tmp_path}/up", f"--listen-unix={tmp_path}/down", f"--certificates={tmp_path}"]
    ran = CliRunner().invoke(app, ["relay", *locations, *options])
    assert ran.exit_code == 1
    assert ran.output.startswith("nested-docker relay: ")
    assert not (tmp_path / "down").exists()


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ("", ""),
        ("/ci", "/ci"),
        ("/kubepods/burstable/pod{podUID}", "/kubepods/burstable/pod1-2"),
        ("kubepods-burstable-pod{podUID}.slice", "kubepods-burstable-pod1_2.slice"),
    ],
)
def test_containers_can_be_in_the_pods_cgroup(parent: str, expected: str) -> None:
    assert (
        in_pod(GuardRules.model_validate({"limits": {"cgroupParent": parent}}), "1-2").limits.cgroup_parent == expected
    )


def test_an_unknown_pod_uid_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"limits\.cgroupParent is /pod\{podUID\}, which needs the pod\'s UID: set --pod-uid"
    ):
        in_pod(GuardRules.model_validate({"limits": {"cgroupParent": "/pod{podUID}"}}), "")
