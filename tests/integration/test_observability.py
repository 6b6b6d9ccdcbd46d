"""What people and machines are told: Events, metrics, probes, log lines."""

from __future__ import annotations

import asyncio

from tests.integration.conftest import per_module
from tests.integration.world import Lab, World
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy, Refuse
from tests.support.waiting import wait_for

TOLD = [("Normal", "Granted"), ("Warning", "Privileged"), ("Warning", "BindMountsResolveInDaemon"), ("Normal", "Ready")]


@per_module
async def operator(lab: Lab, proxy: Proxy) -> Operator:
    """One that tells all it has to tell."""
    return await lab.new_operator(proxy, LOG_LEVEL="DEBUG")


async def test_events_tell_transitions_only(world: World) -> None:
    await world.create()
    await world.ready()

    async def told() -> bool:
        events = await world.events()
        assert events == TOLD, events
        return True

    await world.until(told, "an Event for each transition")
    await world.annotate(note="x")
    await world.api.delete("Service", world.namespace, "build")
    await world.until(lambda: world.get("Service", "build"), "the Service again")
    await world.quiet(0.5)
    assert await world.events() == TOLD
    await world.edit(suspend=True)
    await world.settles("Suspended")

    async def told_more() -> bool:
        events = await world.events()
        assert events == [*TOLD, ("Normal", "Suspended")], events
        return True

    await world.until(told_more, "an Event for the suspension")


async def test_trouble_is_a_warning(world: World) -> None:
    world.kubelet.script(world.namespace, lambda pod: pod.waiting("ErrImagePull", "not found"))
    await world.create()
    await world.settles("ImagePullFailed")

    async def warned() -> bool:
        events = await world.events()
        assert ("Warning", "ImagePullFailed") in events, "before the hazards, or after them"
        return True

    await world.until(warned, "a Warning")


async def test_probes_and_metrics(world: World) -> None:
    await world.create()
    await world.ready()
    assert await world.operator.http("/healthz") == (200, "ok")
    assert await world.operator.http("/readyz") == (200, "ok")
    status, text = await world.operator.http("/metrics")
    assert status == 200
    assert 'nested_docker_objects{mode="Dind",ready="True",reason="Ready"}' in text
    assert await world.operator.metric("nested_docker_leading") == 1
    assert await world.operator.metric("nested_docker_reconciles_total") >= 2
    assert await world.operator.metric("nested_docker_reconcile_seconds_count") >= 2
    assert await world.operator.metric("nested_docker_api_requests_total") >= 8
    assert await world.operator.metric("nested_docker_events_total") >= len(TOLD)
    for name in ("queue_oldest_seconds", "not_ready_seconds", "hazards", "certificate_expiration_timestamp_seconds"):
        assert f"# TYPE nested_docker_{name} gauge" in text
    assert world.namespace not in text, "a metric with an object's name"
    assert 'outcome="error"' not in text


async def test_it_is_not_ready_before_it_has_read_the_cluster(lab: Lab) -> None:
    async with lab.annex() as annex:  # or it would reconcile for the tests that follow, too
        proxy = await annex.new_proxy()
        with proxy.fault(Refuse(503, lambda call: call.resource == "nesteddockers")):
            starting = asyncio.create_task(annex.new_operator(proxy, LEADER_ELECTION="false"))
            await wait_for(
                lambda: proxy.reads() and proxy.reads()[-1].resource == "nesteddockers", 15, lambda: "a look"
            )
            log = max(annex.folder.iterdir(), key=lambda path: path.stat().st_mtime) / "operator.log"
            await wait_for(lambda: "the initial sync failed" in log.read_text(), 15, log.read_text)
            assert not starting.done()
        assert await (await starting).http("/readyz") == (200, "ok")


async def test_log_lines_are_json_and_hold_no_keys_even_at_debug(world: World) -> None:
    await world.create()
    await world.serves()
    await world.edit(engine={"image": "docker:30-dind"})
    await world.serves()
    world.operator.check_log()
    lines = world.operator.log()
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
    mine = [line for line in lines if line.get("namespace") == world.namespace]
    assert {line["nested_docker"] for line in mine} == {"build"}
    secret = await world.until(world.key_secret, "one key set")
    text = "\n".join(str(line) for line in lines)
    assert not [key for key, value in secret["data"].items() if value[:64] in text]
