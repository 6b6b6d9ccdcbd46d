"""Labels, names, variables and arguments that other software on the node obeys: denied by prefix, or by whole value."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.guard.decisions import OPEN, denial, forwarded

from nested_docker.guard.rules.containers import MAX_STOP_SECONDS, PS_ARGUMENTS

CREATE = {"Image": "busybox"}

LABELS = [
    "io.kubernetes.docker.type",
    "io.kubernetes.container.logpath",
    "IO.Kubernetes.pod.name",
    "annotation.io.kubernetes.container.hash",
    "io.cri-containerd.kind",
    "com.docker.swarm.service.id",
    "com.docker.stack.namespace",
    "com.docker.composed",
    "nesteddocker.dev/uid",
]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/containers/create", CREATE),
        ("/networks/create", {"Name": "net"}),
        ("/volumes/create", {"Name": "vol"}),
    ],
)
def test_a_label_that_other_software_obeys_is_denied(path: str, body: dict[str, Any], label: str) -> None:
    denied = denial("POST", path, {**body, "Labels": {label: "x"}}, by=OPEN)
    assert denied.rule == "owner"
    assert f"Labels has {label}: labels with the prefix " in denied.message


@pytest.mark.parametrize("label", ["com.docker.compose.project", "org.testcontainers", "example.com/io.kubernetes.x"])
def test_other_labels_pass(label: str) -> None:
    assert (
        forwarded("POST", "/containers/create", {**CREATE, "Labels": {label: "x"}}, by=OPEN).body["Labels"][label]
        == "x"
    )


@pytest.mark.parametrize("name", ["k8s_POD_a_b_c_0", "/k8s_x", "k8s_"])
def test_the_kubelets_names_are_denied_at_creation_and_later(name: str) -> None:
    for path, body in (("/containers/create", CREATE), ("/containers/x1/rename", None)):
        denied = denial("POST", path, body, by=OPEN, name=name)
        assert "is reserved for the kubelet" in denied.message


@pytest.mark.parametrize(
    "entry", ["NVIDIA_VISIBLE_DEVICES=all", "nvidia_visible_devices=0", "NVIDIA_DRIVER_CAPABILITIES"]
)
@pytest.mark.parametrize("path", ["/containers/create", "/containers/x1/exec"])
def test_variables_that_a_runtime_obeys_are_denied(path: str, entry: str) -> None:
    body = CREATE if path.endswith("create") else {"Cmd": ["id"]}
    denied = denial("POST", path, {**body, "Env": ["A=b", entry]}, by=OPEN)
    assert denied.rule == "owner"
    assert entry.partition("=")[0] in denied.message


@pytest.mark.parametrize(
    "arguments",
    ["e -eo lstart,pid,args", "-eo pid=PID,args", "axe", "eww", "-eo lstart,args", "-e -o pid,args", "-ef e", "--help"],
)
def test_ps_arguments_are_whole_values(arguments: str) -> None:
    denied = denial("GET", "/containers/x1/top", by=OPEN, ps_args=arguments)
    assert f"ps_args may not be {arguments!r}: use one of " in denied.message


@pytest.mark.parametrize("arguments", sorted(PS_ARGUMENTS))
def test_no_allowed_ps_argument_shows_an_environment(arguments: str) -> None:
    assert forwarded("GET", "/containers/x1/top", by=OPEN, ps_args=arguments)
    assert arguments.startswith("-") or "e" not in arguments, "ps reads e without a dash as: show the environment"


@pytest.mark.parametrize("seconds", ["86400", "-1", "301", "1e9", "99999999999999999999", "٣"])
@pytest.mark.parametrize("path", ["/containers/x1/stop", "/containers/x1/restart"])
def test_nobody_holds_the_daemon_back_at_a_stop(path: str, seconds: str) -> None:
    assert f"use 0 to {MAX_STOP_SECONDS} seconds" in denial("POST", path, by=OPEN, t=seconds).message


@pytest.mark.parametrize("seconds", [86400, -1, MAX_STOP_SECONDS + 1])
def test_nor_by_a_container_of_its_own(seconds: int) -> None:
    assert "StopTimeout" in denial("POST", "/containers/create", {**CREATE, "StopTimeout": seconds}, by=OPEN).message


def test_an_ordinary_stop_forwarded() -> None:
    for seconds in ("", "0", "10", "300"):
        assert forwarded("POST", "/containers/x1/stop", by=OPEN, **({"t": seconds} if seconds else {}))
