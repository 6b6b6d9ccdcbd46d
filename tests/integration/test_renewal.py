"""Certificates of clients near their end: new ones, while the pod runs on and the old ones are still accepted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.integration.world import World

from nested_docker.domain.names import ANNOTATION_NOT_AFTER
from nested_docker.domain.status.conditions import timestamp


async def near_their_end(world: World, **time: int) -> str:
    """Have the certificates expire then, by the annotation that says so, as if a year had passed; that time."""
    name = (await world.key_secret())["metadata"]["name"]
    end = timestamp(datetime.now(UTC) + timedelta(**time))
    await world.api.patch("Secret", world.namespace, name, {"metadata": {"annotations": {ANNOTATION_NOT_AFTER: end}}})
    return end


async def test_clients_get_a_new_pair_and_the_pod_runs_on(world: World) -> None:
    await world.create()
    await world.serves()
    (pod,), before = await world.pods(), await world.files()
    end = await near_their_end(world, days=10)

    async def renewed() -> bool:
        files = await world.files()
        assert files["key.pem"] != before["key.pem"]
        assert files["ca.pem"] == before["ca.pem"]
        assert (await world.status())["certificateExpirationTime"] > end
        return True

    await world.until(renewed, "the new pair")
    await world.serves()
    assert [each["metadata"]["uid"] for each in await world.pods()] == [pod["metadata"]["uid"]]
    assert await world.connect(files=before) == "28.1.1", "who has read the old pair is still let in"
    assert "replacement" not in await world.status()
    writes = len(await world.quiet(0.5))
    assert len(await world.quiet(0.5)) == writes


async def test_where_the_secret_is_immutable_the_pod_is_replaced_at_the_end(world: World) -> None:
    await world.create()
    await world.serves()
    (pod,), before = await world.pods(), await world.files()
    secret = (await world.key_secret())["metadata"]["name"]
    await world.api.patch("Secret", world.namespace, secret, {"immutable": True})
    await near_their_end(world, days=10)
    pending = await world.until_condition({"status": "True", "reason": "CertificateExpiring"}, "UpdatePending")
    assert "the operator replaces the pod before its certificates expire" in pending["message"]
    assert await world.files() == before
    assert [each["metadata"]["uid"] for each in await world.pods()] == [pod["metadata"]["uid"]]
    assert await world.connect() == "28.1.1"
    await near_their_end(world, minutes=10)
    await world.gone("Pod", pod["metadata"]["name"], timeout=60)
    await world.serves(timeout=40)
    assert (await world.files())["key.pem"] != before["key.pem"]
