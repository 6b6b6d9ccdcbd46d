"""The rules as data, their modes, and the offline check."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.unit.guard.decisions import OPEN, UID, decide, denial, forwarded, rules
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


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}])
@pytest.mark.parametrize("where", [(), ("HostConfig",), ("NetworkingConfig",), ("HostConfig", "LogConfig"),
                                   ("NetworkingConfig", "EndpointsConfig", "n1")])  # fmt: skip
def test_an_unknown_field_that_says_nothing_is_dropped(where: tuple[str, ...], value: Any) -> None:
    body: dict[str, Any] = {"New": value}
    for key in reversed(where):
        body = {key: body}
    plan = forwarded("POST", "/containers/create", {"Image": "busybox", **body})
    assert "New" not in json.dumps(plan.body)


@pytest.mark.parametrize("value", [True, 1, -1, "0", "false", "null", [None], [0], {"a": None}, [[]], {"a": {}}])
def test_an_unknown_field_that_says_something_is_denied(value: Any) -> None:
    for body in ({"New": value}, {"HostConfig": {"New": value}}):
        denied = denial("POST", "/containers/create", {"Image": "busybox", **body})
        assert denied.message.startswith("the guard does not support the field ")
        assert denied.message.endswith("New")


@pytest.mark.parametrize("key", ["tty", "TTY", "tTy"])
def test_a_field_is_meant_in_any_case(key: str) -> None:
    plan = forwarded("POST", "/containers/create", {"Image": "busybox", key: True})
    assert plan.body is not None
    assert plan.body["Tty"] is True
    assert key not in plan.body
    assert forwarded("POST", "/containers/x1/exec", {"Cmd": ["a"], "detachkeys": "ctrl-p"}).body == {
        "Cmd": ["a"], "DetachKeys": "ctrl-p",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ({"privileged": True}, "HostConfig.Privileged may not be set"),
        ({"PIDMODE": "host"}, "HostConfig.PidMode may not be 'host'"),
        ({"binds": ["/:/host"]}, "HostConfig.Binds[0] would bind the node's /"),
        ({"maskedpaths": []}, "HostConfig.MaskedPaths may not be set, even to an empty value"),
        ({"Networ\u212aMode": "none"}, "HostConfig.Networ\u212aMode must be spelled NetworkMode"),
        ({"Bind\u017f": ["v1:/v"]}, "HostConfig.Bind\u017f must be spelled Binds"),
    ],
)
def test_a_field_in_another_case_has_the_checks_of_the_field(host: dict[str, Any], message: str) -> None:
    denied = denial("POST", "/containers/create", {"Image": "busybox", "HostConfig": host})
    assert denied.message.startswith(message)


def test_a_parameter_that_repeats_a_field_is_dropped() -> None:
    body = {"Image": "busybox", "Cmd": ["a", "b"], "HostConfig": {}, "name": "n1"}
    plan = forwarded("POST", "/containers/create", body, Image="x", Cmd=["a", "b"], HostConfig="{}", name="n1")
    assert plan.query == {"name": ("n1",)}
    assert plan.body is not None
    assert plan.body["Image"] == "busybox"
    assert "name" not in plan.body


@pytest.mark.parametrize("query", [{"Image": "x"}, {"HostConfig": '{"Privileged":true}'}, {"tty": "1"}])
def test_a_parameter_that_repeats_no_field_is_denied(query: dict[str, str]) -> None:
    denied = denial("POST", "/containers/create", {"Cmd": ["a"], "Tty": True}, **query)
    assert denied.message == f"the guard does not support the parameter {next(iter(query))} for this request"
    assert denial("POST", "/containers/x1/stop", {"Image": "x"}, **query).rule == "query"


def test_a_field_that_repeats_no_parameter_is_denied() -> None:
    denied = denial("POST", "/containers/create", {"Image": "busybox", "name": "n1"})
    assert denied.message == "the guard does not support the field name"


@pytest.mark.parametrize("body", [{"Binds": ["/:/host"]}, {"Privileged": True}, {"NetworkMode": "host"}])
def test_a_start_has_no_configuration(body: dict[str, Any]) -> None:
    assert denial("POST", "/containers/x1/start", body).rule == "fields"
    assert forwarded("POST", "/containers/x1/start", {"Binds": None, "Privileged": False}).body is None


LABELS = f'LABEL "nesteddocker.dev/uid"="" "nesteddocker.dev/image-uid"="{UID}"'


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["LABEL a=b"], ["LABEL a=b"]),
        (["LABEL a=b", 'CMD ["sh", "-c", "true"]'], ["LABEL a=b", 'CMD ["sh", "-c", "true"]']),
        (['EXPOSE 8000\nCMD ["bash"]'], ["EXPOSE 8000", 'CMD ["bash"]']),
        (["  env A=b \r", "", "\n"], ["env A=b"]),
        (["USER 1:1", "WORKDIR /a", "VOLUME /v", "STOPSIGNAL 9", "ENTRYPOINT x", "EXPOSE 1/udp"],
         ["USER 1:1", "WORKDIR /a", "VOLUME /v", "STOPSIGNAL 9", "ENTRYPOINT x", "EXPOSE 1/udp"]),
        ([""], []),
    ],
)  # fmt: skip
def test_changes_of_a_commit_are_lines_before_the_guards(given: list[str], kept: list[str]) -> None:
    assert forwarded("POST", "/commit", container="x1", changes=given).query["changes"] == (*kept, LABELS)


@pytest.mark.parametrize(
    "change",
    ["ENV a=b \\", "LABEL a=\\", "# escape=`", "RUN true", "ONBUILD RUN true", "COPY a b", "ADD a b", "FROM x", "ARG a",
     "HEALTHCHECK CMD x", "SHELL x", "LABEL", "LABEL\ta=b", "LABEL a=\u2028b", "CMD é", "LABELa=b", "ENV a=\x0bb"],
)  # fmt: skip
def test_a_change_that_could_reach_the_guards_line_is_denied(change: str) -> None:
    denied = denial("POST", "/commit", container="x1", changes=["ENV A=b", change])
    assert denied.rule == "containers.commit"
    assert denied.message.startswith(
        f"changes may not have {change.strip()!r}: allowed are one-line instructions CMD, "
    )


@pytest.mark.parametrize("label", ["nesteddocker.dev/uid", "NestedDocker.dev/image-uid", "io.kubernetes.pod.name"])
def test_a_change_sets_no_reserved_label(label: str) -> None:
    denied = denial("POST", "/commit", container="x1", changes=f"LABEL a=b {label}=x")
    assert denied.rule == "owner"
    assert "are reserved" in denied.message


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"repo": "localhost/a", "tag": "1"}, "localhost/a:1"),
        ({"repo": "localhost/a"}, "localhost/a:latest"),
        ({"repo": "localhost/a:1"}, "localhost/a:1"),
        ({"repo": "localhost/a:1", "tag": ""}, "localhost/a:1"),
    ],
)
def test_a_repository_may_have_the_tag(query: dict[str, str], name: str) -> None:
    assert forwarded("POST", "/images/x/tag", **query).references[1].name == name
    assert forwarded("POST", "/commit", container="x1", **query).tags == (name,)


@pytest.mark.parametrize(("repo", "tag"), [("localhost/a:1", "2"), ("localhost/a:b:c", ""), ("localhost/a:1:2", "")])
def test_a_name_has_one_tag(repo: str, tag: str) -> None:
    assert "is not a valid image name" in denial("POST", "/images/x/tag", repo=repo, tag=tag).message


@pytest.mark.parametrize("value", [False, None, "", [], {"a": "b"}, "x"])
def test_two_spellings_of_a_key_with_one_value_are_one_field(value: object) -> None:
    """As docker-java sends them."""
    text = json.dumps(value)
    body = f'{{"checkDuplicate":{text},"Name":"n1","CheckDuplicate":{text}}}'.encode()
    plan = forwarded("POST", "/networks/create", body)
    assert plan.body is not None
    assert plan.body["Name"] == "n1"


@pytest.mark.parametrize(
    "body",
    ['{"Name":"n1","Internal":false,"internal":true}', '{"Name":"n1","Internal":false,"internal":0}',
     '{"Name":"n1","Internal":1,"internal":true}', '{"Name":"n1","Internal":false,"Internal":false}',
     '{"Name":"n1","Option\u017f":{},"Options":{}}', '{"Name":"n1","Internal":null,"internal":true}'],
)  # fmt: skip
def test_other_spellings_are_ambiguous(body: str) -> None:
    assert "apart" in denial("POST", "/networks/create", body.encode()).message


@pytest.mark.parametrize("key", ["before", "since"])
@pytest.mark.parametrize(
    ("path", "kind", "requirement"),
    [("/containers/json", ObjectKind.CONTAINER, Requirement.OWNED),
     ("/images/json", ObjectKind.IMAGE, Requirement.VISIBLE)],
)  # fmt: skip
def test_a_neighbour_in_a_list_is_the_clients(key: str, path: str, kind: ObjectKind, requirement: Requirement) -> None:
    plan = forwarded("GET", path, filters=json.dumps({key: ["x"]}))
    assert plan.references == (Reference(kind, "x", requirement),)
    assert f'"{key}":{{"x":true}}' in plan.query["filters"][0]


@pytest.mark.parametrize("path", ["/containers/json", "/images/json", "/volumes"])
def test_parameters_that_no_daemon_reads_are_left_out(path: str) -> None:
    assert forwarded("GET", path, since="x", before="y").query == forwarded("GET", path).query


def test_disk_usage_of_several_kinds() -> None:
    assert forwarded("GET", "/system/df", type=["container", "volume"]).query["type"] == ("container", "volume")
    assert denial("GET", "/system/df", type=["container", "x"]).rule == "fields"


def test_options_of_dockerode_for_itself_are_left_out() -> None:
    own = {"stream": True, "stdout": True, "stderr": True, "hijack": True, "stdin": True}
    assert forwarded("POST", "/exec/e1/start", {**own, "Tty": True}).body == {"Tty": True}


def test_a_network_is_connected_with_the_field_that_the_daemon_reads() -> None:
    body = {
        "Container": "c1",
        "EndpointConfig": {"Aliases": ["a"]},
        "containerConfig": {"Aliases": ["a"], "Links": ["x"]},
    }
    plan = forwarded("POST", "/networks/n1/connect", body)
    assert plan.body == {"Container": "c1", "EndpointConfig": {"Aliases": ["a"]}}


@pytest.mark.parametrize("filters", ["null", "{}", '{"label":null}', '{"since":[]}', '{"label":[],"name":{}}'])
def test_filters_that_say_nothing_pass(filters: str) -> None:
    plan = forwarded("GET", "/containers/json", filters=filters)
    assert plan.query == forwarded("GET", "/containers/json").query


@pytest.mark.parametrize("mode", [Enforcement.WARN, Enforcement.AUDIT])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"labels": {"io.kubernetes.pod.uid": "x"}}, "labels must be spelled Labels"),
        ({"LABELS": {"nesteddocker.dev/image-uid": "x"}}, "LABELS must be spelled Labels"),
        ({"hostConfig": {"Annotations": {"nesteddocker.dev/uid": "x"}}}, "hostConfig must be spelled HostConfig"),
        ({"Ho\u017ftConfig": {"Privileged": True}}, "Ho\u017ftConfig must be spelled HostConfig"),
        ({"image": "localhost/theirs"}, "image must be spelled Image"),
        ({"env": ["NVIDIA_VISIBLE_DEVICES=all"]}, "env must be spelled Env"),
    ],
)
def test_a_waived_violation_does_not_hide_what_the_guard_writes(
    mode: Enforcement, body: dict[str, Any], message: str
) -> None:
    by = OPEN.model_copy(update={"enforcement": mode})
    waived = {"Volumes": {"not/absolute": {}}}
    assert decide("POST", "/containers/create", {"Image": "busybox", **waived}, by=by).waived is not None
    assert denial("POST", "/containers/create", {**waived, **body}, by=by).message == message
