"""The reader of registry credentials: what it asks the API server for, and that a change in between is noticed."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.factory import observed
from tests.unit.fakes import FakeKube

from nested_docker.controller.credentials_reader import CredentialsReader
from nested_docker.domain.manifests.secrets import ForeignValue
from nested_docker.domain.objects import Identity
from nested_docker.domain.ports import KubeError

WHERE = Identity("Secret", "team-a", "regcred")
NAMED = {"mode": "Dind", "connection": {"registryCredentials": {"name": "regcred"}}}


class Shelf(FakeKube):
    """An API server that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str | None, str]] = []
        self.error: KubeError | None = None

    async def get(self, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        self.asked.append((kind, namespace, name))
        if self.error is not None:
            raise self.error
        return await super().get(kind, namespace, name)

    def put(self, auth: str) -> None:
        content = json.dumps({"auths": {"ghcr.io": {"auth": auth}}}).encode()
        data = {".dockerconfigjson": base64.b64encode(content).decode()}
        head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "regcred", "namespace": "team-a"}}
        secret = head | {"type": "kubernetes.io/dockerconfigjson", "data": data}
        self._store("", ("Secret", "team-a", "regcred"), secret)


async def test_a_request_without_credentials_reads_nothing() -> None:
    kube = Shelf()
    for spec in ({}, {"connection": {}}, {"connection": None}, {"connection": {"registryCredentials": None}}):
        assert await CredentialsReader(kube).look(observed({"mode": "Dind"} | spec)) is None
    assert await CredentialsReader(kube).look(replace(observed(NAMED), deleted=True)) is None
    assert kube.asked == []


async def test_it_reads_in_the_namespace_of_the_nested_docker_only() -> None:
    kube = Shelf()
    kube.put("x")
    found = await CredentialsReader(kube).look(observed(NAMED))
    assert kube.asked == [("Secret", "team-a", "regcred")]
    assert found is not None
    assert (found.secret, len(found.digest), found.problem) == (WHERE, 16, "")


async def test_a_change_between_look_and_write_is_noticed() -> None:
    kube = Shelf()
    kube.put("x")
    reader = CredentialsReader(kube)
    found = await reader.look(observed(NAMED))
    assert found is not None
    wanted = ForeignValue(WHERE, found.digest)
    assert await reader.value(wanted) == b'{"auths":{"ghcr.io":{"auth":"x"}}}'
    kube.put("y")
    assert await reader.value(wanted) is None
    kube._drop(("Secret", "team-a", "regcred"))
    assert await reader.value(wanted) is None


async def test_what_cannot_be_read_is_tried_again_later() -> None:
    kube = Shelf()
    kube.error = KubeError(503, "ServiceUnavailable", "etcd is away")
    with pytest.raises(KubeError, match="etcd is away"):
        await CredentialsReader(kube).look(observed(NAMED))
