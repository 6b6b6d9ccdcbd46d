"""What cannot be changed once it is set, or once it is not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.api import Api
from tests.support.manifests import nested_docker

from nested_docker.domain.ports import KubeError

CLAIM = {"type": "Claim", "claim": {"size": "1Gi"}}

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "another class": ({"className": "a"}, {"className": "b"}, "className"),
    "a class where none was": ({}, {"className": "b"}, "className"),
    "no class any more": ({"className": "a"}, {"className": None}, "className"),
    "another mode": ({"mode": "Dind"}, {"mode": "Sysbox"}, "mode"),
    "a mode where none was": ({}, {"mode": "Sysbox"}, "mode"),
    "no mode any more": ({"mode": "Dind"}, {"mode": None}, "mode"),
    "another type of storage": ({"storage": {"type": "EmptyDir"}}, {"storage": CLAIM}, "storage"),
    "another size": ({"storage": CLAIM}, {"storage": {"claim": {"size": "2Gi"}}}, "storage"),
    "storage where none was": ({}, {"storage": CLAIM}, "storage"),
    "no storage any more": ({"storage": CLAIM}, {"storage": None}, "storage"),
}

ALLOWED: dict[str, dict[str, Any]] = {
    "image": {"engine": {"image": "docker:29-dind"}},
    "suspend": {"suspend": True},
    "deadline": {"activeDeadlineSeconds": 3600},
    "the same again": {"className": "a", "mode": "Dind", "storage": CLAIM},
    "the same size in other words": {"storage": {"claim": {"size": "1Gi"}}},
}


async def change(api: Api, namespace: str, before: dict[str, Any], spec: dict[str, Any]) -> str:
    """The message with which the API server refuses the change; empty: it does not."""
    await api.create(nested_docker(namespace, **before))
    try:
        await api.patch("NestedDocker", namespace, "build", {"spec": spec})
    except KubeError as error:
        return error.message
    return ""


@pytest.mark.parametrize(("before", "spec", "field"), CHANGES.values(), ids=CHANGES)
async def test_cannot_be_changed_and_the_author_reads_what_to_do(
    api: Api, namespace: str, before: dict[str, Any], spec: dict[str, Any], field: str
) -> None:
    message = await change(api, namespace, before, spec)
    assert f"{field} cannot be changed: delete the NestedDocker and create it again" in message


@pytest.mark.parametrize("spec", ALLOWED.values(), ids=ALLOWED)
async def test_everything_else_can(api: Api, namespace: str, spec: dict[str, Any]) -> None:
    assert await change(api, namespace, {"className": "a", "mode": "Dind", "storage": CLAIM}, spec) == ""
