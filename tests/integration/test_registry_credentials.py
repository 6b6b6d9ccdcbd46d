"""Registry credentials for clients, on a real API server: read where they are, published, and named when unusable."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.integration.world import World

AUTH = base64.b64encode(b"alice:secret").decode()
NAMED = {"registryCredentials": {"name": "regcred"}}


def secret(world: World, registry: str) -> dict[str, Any]:
    entry = {"username": "alice", "password": "secret", "auth": AUTH}
    content = json.dumps({"auths": {registry: entry}}).encode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "regcred", "namespace": world.namespace},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(content).decode()},
    }


async def published(world: World) -> Any:
    env = await world.get("Secret", "build-docker-env")
    return json.loads(base64.b64decode(env["data"]["DOCKER_AUTH_CONFIG"])) if env else None


async def test_they_are_published_in_the_form_that_clients_take(world: World) -> None:
    await world.api.create(secret(world, "ghcr.io"))
    await world.create(connection=NAMED)
    await world.ready()
    assert await published(world) == {"auths": {"ghcr.io": {"auth": AUTH}}}
    await world.check_consistency()
    assert len(await world.quiet(2.0)) == 8, "as many writes as without credentials"
    read = {str(call) for call in world.proxy.reads(world.namespace)}
    assert read == {"get secrets/regcred"}


async def test_a_missing_secret_is_named_until_it_is_there(world: World) -> None:
    await world.create(connection=NAMED)
    message = await world.settles("CredentialsUnusable")
    assert "Secret regcred of spec.connection.registryCredentials does not exist" in message
    assert await world.get("Secret", "build-docker-env") is None
    await world.api.create(secret(world, "quay.io"))
    await world.annotate(note="look")
    await world.ready()
    assert await published(world) == {"auths": {"quay.io": {"auth": AUTH}}}
