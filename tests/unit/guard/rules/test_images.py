"""Images and builds: which ones clients may see, pull, tag and build."""

from __future__ import annotations

import json

import pytest
from tests.unit.guard.decisions import OPEN, UID, denial, forwarded, rules

from nested_docker.api.meta import Enforcement
from nested_docker.guard.ownership import (
    IMAGE_LABEL,
    UID_LABEL,
    ObjectKind,
    Reference,
    Requirement,
    is_owned_image,
    is_visible_image,
)


def test_pull_by_pattern() -> None:
    assert forwarded("POST", "/images/create", fromImage="alpine", tag="3.20").query["tag"] == ("3.20",)
    digest = f"sha256:{'a' * 64}"
    assert forwarded("POST", "/images/create", fromImage="docker.io/library/alpine", tag=digest)
    for name, tag in (("ghcr.io/x/alpine", "3"), ("alpine/x", "3"), ("docker.io.evil.example/library/alpine", "3")):
        assert denial("POST", "/images/create", fromImage=name, tag=tag).rule == "images.pull"
    assert "name one" in denial("POST", "/images/create", fromImage="alpine").message
    for name in ("alpine:3/../x", "a b", "http://x/y", "-", ""):
        assert denial("POST", "/images/create", fromImage=name, tag="3").status == 400


def test_new_image_names_must_be_absent_or_owned() -> None:
    forward_plan = forwarded("POST", "/images/busybox/tag", repo="localhost/app", tag="1")
    assert forward_plan.references == (
        Reference(ObjectKind.IMAGE, "busybox", Requirement.OWNED, location=("path",)),
        Reference(ObjectKind.IMAGE, "localhost/app:1", Requirement.OWNED_OR_ABSENT),
    )
    assert forwarded("POST", "/images/busybox/tag", repo="localhost/app").references[1].name == "localhost/app:latest"
    assert denial("POST", "/images/busybox/tag", repo="alpine", tag="3").rule == "images.tags"


def test_push_by_pattern() -> None:
    allowed = rules(images={"push": ["registry.example.com/team/**"]})
    forward_plan = forwarded("POST", "/images/registry.example.com/team/app/push", by=allowed, tag="1")
    assert forward_plan.references == (
        Reference(ObjectKind.IMAGE, "registry.example.com/team/app:1", Requirement.VISIBLE),
    )
    assert denial("POST", "/images/registry.example.com/team/app/push", by=allowed).rule == "images.push"
    assert denial("POST", "/images/docker.io/library/app/push", by=allowed, tag="1").rule == "images.push"
    assert forwarded("GET", "/distribution/registry.example.com/team/app:1/json", by=allowed)


def test_save_names_every_image_with_its_tag() -> None:
    forward_plan = forwarded("GET", "/images/get", names=["a", "b:1"])
    assert [each.name for each in forward_plan.references] == ["a:latest", "b:1"]
    assert forward_plan.query["names"] == ("a:latest", "b:1")
    assert "a:latest" in denial("GET", "/images/a/get").message
    assert forwarded("GET", "/images/a:1/get").references[0].requirement is Requirement.VISIBLE
    assert denial("GET", "/images/get").status == 400
    assert denial("GET", "/images/a:1/get", by=rules(images={"save": False})).rule == "images.save"


def test_load_is_a_rule() -> None:
    assert denial("POST", "/images/load").rule == "images.load"
    assert forwarded("POST", "/images/load", by=rules(images={"load": True}))


def test_a_commit_adds_the_guards_labels_last() -> None:
    forward_plan = forwarded("POST", "/commit", container="x1", repo="localhost/app", tag="1", comment="c")
    assert forward_plan.query["changes"] == (f'LABEL "{UID_LABEL}"="" "{IMAGE_LABEL}"="{UID}"',)
    assert forward_plan.references[0] == Reference(ObjectKind.CONTAINER, "x1", location=("query", "container", 0))
    assert forward_plan.tags == ("localhost/app:1",)
    assert not {"repo", "tag"} & forward_plan.query.keys()
    assert denial("POST", "/commit", {"Cmd": ["x"]}, container="x1").rule == "containers.commit"


def test_visible_images() -> None:
    own = {"Parent": "sha256:x", "Config": {"Labels": {IMAGE_LABEL: UID}}}
    base = {"RepoTags": ["busybox:latest"]}
    pulled = {"RepoDigests": [f"alpine@sha256:{'a' * 64}"]}
    foreign = {"RepoTags": ["localhost/theirs:1"], "Config": {"Labels": {IMAGE_LABEL: "other", UID_LABEL: UID}}}
    for image, seen in ((own, True), (base, True), (pulled, True), (foreign, False), ({}, False)):
        assert is_visible_image(image, OPEN, UID) is seen
        assert is_visible_image(image, rules(images={"sharing": "Shared"}), UID)
    assert is_owned_image(own, UID)
    assert is_owned_image({"ParentId": "sha256:x", "Labels": {IMAGE_LABEL: UID}}, UID)
    assert not is_owned_image({**own, "Parent": ""}, UID), "an image from a registry carries any label"
    assert not is_owned_image(foreign, UID)
    assert not is_owned_image({"Config": {"Labels": {IMAGE_LABEL: ""}}}, "")


def test_a_classic_build_of_the_cli_is_allowed() -> None:
    forward_plan = forwarded(
        "POST",
        "/v1.45/build",
        buildargs='{"http_proxy":"a","HTTP_PROXY":"b"}',
        cachefrom="[]",
        cgroupparent="",
        cpuperiod="0",
        cpuquota="0",
        cpusetcpus="",
        cpusetmems="",
        cpushares="0",
        dockerfile="Dockerfile",
        labels="{}",
        memory="0",
        memswap="0",
        networkmode="default",
        rm="1",
        shmsize="0",
        t="localhost/app",
        target="",
        ulimits="null",
        version="1",
    )
    assert json.loads(forward_plan.query["labels"][0]) == {UID_LABEL: "", IMAGE_LABEL: UID}
    assert forward_plan.query["forcerm"] == forward_plan.query["rm"] == forward_plan.query["version"] == ("1",)
    assert "cgroupparent" not in forward_plan.query
    assert "t" not in forward_plan.query, "the guard gives the image its name at the end"
    assert forward_plan.tags == ("localhost/app:latest",)
    assert forward_plan.references == (
        Reference(ObjectKind.IMAGE, "localhost/app:latest", Requirement.OWNED_OR_ABSENT),
    )


def test_a_host_entry_that_no_client_can_forge_marks_build_steps() -> None:
    mark = f"{UID}.build.nesteddocker.dev:127.0.0.1"
    assert forwarded("POST", "/build").query["extrahosts"] == (mark,)
    given = ["one:10.0.0.1", "two:host-gateway"]
    assert forwarded("POST", "/build", extrahosts=given).query["extrahosts"] == (*given, mark)
    for forged in (mark, mark.upper(), mark.replace(":", "="), "x.NestedDocker.dev.:10.0.0.1"):
        for by in (OPEN, rules(build={"allowed": False}), OPEN.model_copy(update={"enforcement": Enforcement.AUDIT})):
            assert denial("POST", "/build", extrahosts=["one:10.0.0.1", forged], by=by).rule == "owner"


def test_build_steps_have_the_limits_of_containers() -> None:
    limited = rules(limits={"perContainer": {"cpu": "500m", "memory": "1Gi"}, "cgroupParent": "/pods/x"})
    query = forwarded("POST", "/build", by=limited).query
    assert query["cpuquota"] == ("50000",)
    assert query["cpuperiod"] == ("100000",)
    assert query["memory"] == query["memswap"] == (str(2**30),)
    assert query["cgroupparent"] == ("/pods/x",)
    assert denial("POST", "/build", by=limited, memory=str(2**31)).rule == "limits.perContainer.memory"
    assert denial("POST", "/build", by=limited, memory="x").rule == "fields"


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ({"version": "2"}, "buildkit"),
        ({"session": "x"}, "buildkit"),
        ({"buildid": "x"}, "buildkit"),
        ({"remote": "https://example.com"}, "build.remote"),
        ({"squash": "yes"}, "build.squash"),
        ({"ulimits": '[{"Name":"memlock","Soft":-1,"Hard":-1}]'}, "build.ulimits"),
        ({"networkmode": "host"}, "networks"),
        ({"t": "busybox"}, "images.tags"),
        ({"t": ["localhost/x", "busybox"]}, "images.tags"),
        ({"labels": '["a"]'}, "fields"),
        ({"cachefrom": '{"a":"b"}'}, "fields"),
    ],
)
def test_build_parameters_that_are_denied(query: dict[str, str | list[str]], rule: str) -> None:
    assert denial("POST", "/build", **query).rule == rule


def test_a_build_may_use_owned_networks_and_visible_images() -> None:
    assert forwarded("POST", "/build", networkmode="mine").references == (
        Reference(ObjectKind.NETWORK, "mine", location=("query", "networkmode", 0)),
    )
    assert forwarded("POST", "/build", networkmode="container:x1").references[0].id_format == "container:{}"
    assert (
        forwarded("POST", "/build", networkmode="none", cachefrom='["busybox"]').references[0].requirement
        is Requirement.VISIBLE_OR_ABSENT
    )


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("isolation", ""), ("isolation", "default"), ("squash", "0"), ("squash", "False"), ("ulimits", "null")),
        *(("ulimits", "[]"), ("remote", ""), ("outputs", "[]"), ("securityopt", "null"), ("cgroupparent", "")),
    ],
)
def test_build_parameters_that_state_the_default_pass(parameter: str, value: str) -> None:
    assert parameter not in forwarded("POST", "/build", **{parameter: value}).query


@pytest.mark.parametrize(("parameter", "value"), [("isolation", "hyperv"), ("squash", "1"), ("remote", "default")])
def test_other_build_parameters_are_denied(parameter: str, value: str) -> None:
    denied = denial("POST", "/build", **{parameter: value})
    assert denied.message == f"build parameter {parameter} may not be set"
