"""What a pod asks for, and which of its containers get the connection."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.domain.injection.pods import pod

from nested_docker.domain.injection.request import (
    MOST_CONTAINERS,
    InjectionError,
    InjectionRequest,
    chosen_containers,
    injection_request,
)
from nested_docker.domain.names import ANNOTATION_INJECT_CONTAINERS, LABEL_INJECT, LABEL_INJECT_FROM


def named(text: str) -> dict[str, Any]:
    return pod(annotations={ANNOTATION_INJECT_CONTAINERS: text})


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        (pod(), InjectionRequest("standard")),
        (named("build"), InjectionRequest("standard", ("build",))),
        (named(" build , helper"), InjectionRequest("standard", ("build", "helper"))),
        (named("build,helper,build"), InjectionRequest("standard", ("build", "helper"))),
    ],
    ids=["all", "one", "two", "one twice"],
)
def test_label_and_annotation_are_the_request(asking: dict[str, Any], expected: InjectionRequest) -> None:
    assert injection_request(asking) == expected


@pytest.mark.parametrize("labels", [{LABEL_INJECT: ""}, {}], ids=["empty", "none"])
def test_a_label_without_a_class_says_what_to_write(labels: dict[str, str]) -> None:
    with pytest.raises(InjectionError) as raised:
        injection_request(pod(labels=labels))
    message = "metadata.labels: nesteddocker.dev/inject is empty: set it to the name of a NestedDockerClass"
    assert str(raised.value) == message


def test_a_pod_may_ask_for_the_connection_of_another_daemon() -> None:
    asking = pod(labels={LABEL_INJECT_FROM: "build"}, annotations={ANNOTATION_INJECT_CONTAINERS: "helper"})
    assert injection_request(asking) == InjectionRequest("", ("helper",), "build")


def test_it_asks_for_one_daemon() -> None:
    with pytest.raises(InjectionError) as raised:
        injection_request(pod(labels={LABEL_INJECT: "standard", LABEL_INJECT_FROM: "build"}))
    assert str(raised.value) == (
        "metadata.labels: nesteddocker.dev/inject asks for a new daemon, and nesteddocker.dev/inject-from for that of "
        "NestedDocker build: remove one of them"
    )


@pytest.mark.parametrize("name", ["", "Build", "a.b", "a_b", "-a", "a" * 53, "a\n"])
def test_what_cannot_be_the_name_of_a_nested_docker_is_denied(name: str) -> None:
    with pytest.raises(InjectionError) as raised:
        injection_request(pod(labels={LABEL_INJECT_FROM: name}))
    message = str(raised.value)
    assert message.startswith("metadata.labels: nesteddocker.dev/inject-from is ")
    assert message.endswith(": set it to the name of a NestedDocker")


@pytest.mark.parametrize("text", ["", " ", "build,", ",build", "build,,helper"])
def test_an_empty_name_of_a_container_is_denied(text: str) -> None:
    with pytest.raises(InjectionError) as raised:
        injection_request(named(text))
    assert str(raised.value) == (
        f"metadata.annotations: nesteddocker.dev/inject-containers is {text!r}: set it to names of containers, "
        "separated by commas, or remove it for all containers"
    )


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        ((), ["/spec/initContainers/0", "/spec/containers/0", "/spec/containers/1"]),
        (("helper",), ["/spec/containers/1"]),
        (("build", "clone"), ["/spec/initContainers/0", "/spec/containers/0"]),
        (("mesh",), ["/spec/initContainers/1"]),
    ],
    ids=["all but native sidecars", "one", "two", "a native sidecar by name"],
)
def test_containers_are_chosen(names: tuple[str, ...], paths: list[str]) -> None:
    chosen = chosen_containers(pod(), InjectionRequest("standard", names))
    assert [each.path for each in chosen] == paths


def test_a_long_list_of_names_is_denied() -> None:
    """It would stay in the operator's memory for as long as the pod."""
    names = [f"{number:063}" for number in range(MOST_CONTAINERS)]
    assert len(injection_request(named(",".join(names))).containers) == MOST_CONTAINERS
    with pytest.raises(InjectionError, match="has 59999 characters: name each container once"):
        injection_request(named(",".join(["build"] * 10_000)))


def test_an_unknown_container_is_denied_with_the_known_ones() -> None:
    with pytest.raises(InjectionError) as raised:
        chosen_containers(pod(), InjectionRequest("standard", ("build", "bild", "step")))
    assert str(raised.value) == (
        "metadata.annotations: nesteddocker.dev/inject-containers names bild, step, and the pod has only the "
        "containers build, clone, helper, mesh: name some of these"
    )
