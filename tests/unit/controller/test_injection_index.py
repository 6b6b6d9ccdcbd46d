"""The index finds what a look through all objects finds, whatever has come, changed and gone."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nested_docker.controller.injection_index import InjectionIndex, nested_docker_of
from nested_docker.domain.injection.sidecar_verdict import has_sidecar
from nested_docker.domain.names import (
    ANNOTATION_INJECT_FORM,
    LABEL_INJECT,
    LABEL_INJECTION_ID,
    SCHEDULING_GATE,
    injected_name,
)
from nested_docker.domain.objects import CLIENT_POD

Object = dict[str, Any]
NAMESPACES = ("a", "b")
IDS = ("0" * 20, "1" * 20, "no id")
GATES = ((), (SCHEDULING_GATE,), (SCHEDULING_GATE, "kueue.x-k8s.io/admission"))

pods = st.builds(
    lambda namespace, name, id_, gates, age, deleted, beside: {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": f"{namespace}/{name}",
            "labels": {LABEL_INJECT: "standard", LABEL_INJECTION_ID: id_},
            "creationTimestamp": age,
            "annotations": {ANNOTATION_INJECT_FORM: "Sidecar" if beside else "Remote"},
        }
        | ({"deletionTimestamp": "2026-03-01T00:01:00Z"} if deleted else {}),
        "spec": {
            "schedulingGates": [{"name": gate} for gate in gates],
            "initContainers": [{"name": "nested-docker"}],
        },
    },
    st.sampled_from(NAMESPACES),
    st.sampled_from(["x", "y", "z"]),
    st.sampled_from(IDS),
    st.sampled_from(GATES),
    st.sampled_from(["2026-03-01T00:00:00Z", "2026-03-01T00:00:09Z"]),
    st.booleans(),
    st.booleans(),
)


def waits(pod: Object) -> bool:
    gates = [gate["name"] for gate in pod["spec"]["schedulingGates"]]
    metadata = pod["metadata"]
    return (
        gates == [SCHEDULING_GATE]
        and metadata["labels"][LABEL_INJECTION_ID] != "no id"
        and "deletionTimestamp" not in metadata
    )


def place(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


@given(st.lists(st.tuples(pods, st.booleans()), max_size=30))
def test_it_finds_pods_as_a_look_through_all_does(history: list[tuple[Object, bool]]) -> None:
    index, stored = InjectionIndex(), dict[tuple[str, str], Object]()
    for pod, stays in history:
        known = stored.pop(place(pod), None)
        if known is not None:
            index.discard(known, CLIENT_POD)
        if stays:
            index.add(pod, CLIENT_POD)
            stored[place(pod)] = pod
        for namespace in NAMESPACES:
            here = [each for each in stored.values() if each["metadata"]["namespace"] == namespace]
            oldest = sorted(
                filter(waits, here), key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["uid"])
            )
            assert [*index.waiting(namespace)] == [place(each) for each in oldest]
            assert {*index.with_sidecar(namespace)} == {place(each) for each in here if has_sidecar(each)}
            for id_ in IDS:
                key = namespace, injected_name(id_)
                assert {*index.claimants(key)} == {place(each) for each in here if nested_docker_of(each) == key}
        assert {*index.with_sidecar()} == {place(each) for each in stored.values() if has_sidecar(each)}
    for pod in stored.values():
        index.discard(pod, CLIENT_POD)
    assert not any(vars(index).values()), "what has gone takes no memory"


def test_of_nested_dockers_it_finds_those_of_pods() -> None:
    index = InjectionIndex()
    made = [{"metadata": {"namespace": "a", "name": name}} for name in ("build", injected_name(IDS[0]))]
    for each in made:
        index.add(each, "NestedDocker")
    assert [*index.made("a")] == [("a", injected_name(IDS[0]))]
    assert [*index.made("b")] == []
    for each in made:
        index.discard(each, "NestedDocker")
    assert [*index.made("a")] == []
