"""What is read of nodes and RuntimeClasses, and that no form of it stops the reader."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.domain.node_facts import MOST_HANDLERS, container_runtime, node_facts, runtime_class_facts, version
from nested_docker.domain.objects import NodeFacts, RuntimeClassFacts


def node(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n1", "labels": {"pool": "ci"}}, "status": status}


def test_all_that_the_api_says() -> None:
    read = node_facts(
        node(
            conditions=[{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
            nodeInfo={
                "kernelVersion": "6.12.117+deb13-cloud-amd64",
                "kubeletVersion": "v1.37.0",
                "containerRuntimeVersion": "containerd://2.1.9",
                "operatingSystem": "linux",
                "architecture": "amd64",
                "bootID": "5a3f2f6e",
            },
            runtimeHandlers=[
                {"name": "", "features": {"recursiveReadOnlyMounts": True, "userNamespaces": True}},
                {"name": "gvisor", "features": {"userNamespaces": False}},
                {"name": "kata"},
            ],
        )
    )
    assert read == NodeFacts(
        ready=True,
        name="n1",
        labels={"pool": "ci"},
        kernel="6.12.117+deb13-cloud-amd64",
        kubelet="v1.37.0",
        runtime="containerd://2.1.9",
        operating_system="linux",
        architecture="amd64",
        handlers={"": True, "gvisor": False, "kata": None},
        boot_id="5a3f2f6e",
    )


@pytest.mark.parametrize(
    "status",
    [
        None,
        [],
        {"conditions": "all"},
        {"conditions": [None, "Ready", {"type": "Ready"}]},
        {"nodeInfo": ["linux"], "runtimeHandlers": {}},
        {"nodeInfo": {"kernelVersion": 6, "operatingSystem": None}, "runtimeHandlers": []},
        {"runtimeHandlers": [{"name": "x"}] * (MOST_HANDLERS + 1)},
    ],
)
def test_what_has_another_form_is_not_known(status: Any) -> None:
    assert node_facts({"metadata": {"name": "n1"}, "status": status}) == NodeFacts(ready=False, name="n1")


def test_a_handler_of_another_form_is_one_of_which_nothing_is_known() -> None:
    handlers = [None, {"name": 3, "features": []}, {"name": "x", "features": {"userNamespaces": "yes"}}]
    assert node_facts(node(runtimeHandlers=handlers)).handlers == {"": None, "x": None}


def test_facts_are_short_and_printable() -> None:
    kernel = node_facts(node(nodeInfo={"kernelVersion": "6.1\x1b[31m" + "x" * 10_000})).kernel
    assert len(kernel) < 200
    assert "\x1b" not in kernel


def test_a_runtime_class() -> None:
    read = runtime_class_facts({"handler": "sysbox", "scheduling": {"nodeSelector": {"a": "b", "c": 1}}})
    assert read == RuntimeClassFacts("sysbox", {"a": "b"})
    assert runtime_class_facts({"handler": 1, "scheduling": []}) == RuntimeClassFacts()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6.12.117+deb13", (6, 12)),
        ("v1.37.0-eks-1", (1, 37)),
        ("5.4", (5, 4)),
        ("", None),
        ("linux 6.1", None),
        ("9" * 1000, None),
    ],
)
def test_a_version_is_read_from_its_start(text: str, expected: tuple[int, int] | None) -> None:
    assert version(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("containerd://1.7.27+bottlerocket", ("containerd", (1, 7))),
        ("containerd://v2.1.0-beta.0", ("containerd", (2, 1))),
        ("cri-o://1.33.5-2.rhaos4.20", ("cri-o", (1, 33))),
        ("docker://28.4.0", ("docker", (28, 4))),
        ("containerd://Unknown", ("containerd", None)),
        ("docker://", ("docker", None)),
        ("://1.7", ("", None)),
        ("1.7.27", ("", None)),
        ("", ("", None)),
    ],
)
def test_a_container_runtime_has_a_name_and_a_version(text: str, expected: tuple[str, Any]) -> None:
    assert container_runtime(text) == expected
