"""A denial rests on what the API server says now, and not on a watch that lags behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.factory import DEFAULTS
from tests.unit.fakes import KEY, FakeClock, WatchedKube, reconciler_of, taken
from tests.unit.lab import pods_run

from nested_docker.controller.fresh_look import NODES_SECONDS, FreshLook
from nested_docker.controller.observer import Observer
from nested_docker.controller.routing import Router
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.conditions import timestamp

GRACE = 30.0
CLASS = ("NestedDockerClass", "", "standard")
POLICY = ("NestedDockerPolicy", "", "all")
NAMESPACE = ("Namespace", "", "team-a")
DAEMONS = ("Namespace", "", "daemons")
RUNTIME = ("RuntimeClass", "", "sysbox-runc")
NODE = ("Node", "", "node-1")
SELECTOR = {"sysbox-runtime": "running"}


class Lab:
    """A cluster with what a NestedDocker needs; each test decides what the watch has brought of it."""

    def __init__(self, *, grace: float = GRACE, mode: str = "Dind", remote: bool = False) -> None:
        self.kube, self.clock = WatchedKube(), FakeClock()
        self.reconciler = reconciler_of(
            self.kube, clock=self.clock, answers=True, defaults=replace(DEFAULTS, denial_grace_seconds=grace)
        )
        selector = {"matchLabels": {"ci": "true"}}
        grant = {"namespaceSelector": selector, "allowedClasses": ["standard"], "allowedModes": [mode]}
        spec = {"modes": [mode]} | ({"podNamespace": "daemons"} if remote else {})
        self.kube.put(*CLASS, spec=spec)
        self.kube.put(*POLICY, spec=grant)
        self.kube.put(*NAMESPACE, metadata={"labels": {"ci": "true"}})
        self.kube.put(*DAEMONS)
        self.kube.put(*RUNTIME, handler="sysbox-runc", scheduling={"nodeSelector": SELECTOR})
        self.kube.put(*NODE, metadata={"labels": SELECTOR})
        self.kube.put("NestedDocker", *KEY, spec={"className": "standard"})

    def miss(self, location: tuple[str, str, str]) -> None:
        """The watch has not brought an object yet; it was created again."""
        obj = self.kube.objects.pop(location)
        self.kube.cache.remove(obj, location[0])
        del obj["metadata"]["uid"]
        self.kube._store("", location, obj)

    def miss_label(self, location: tuple[str, str, str], labels: dict[str, str]) -> None:
        """The watch has not brought the labels that an object has now."""
        now = self.kube.objects[location]
        self.kube.again(now | {"metadata": now["metadata"] | {"labels": labels}})
        self.kube._store("", location, now)

    def miss_change(self, location: tuple[str, str, str], **before: Any) -> None:
        """The watch has not brought what an object has now; before, it had these fields."""
        now = self.kube.objects[location]
        self.kube.again(now | before)
        self.kube._store("", location, now)

    def offer(self, *modes: str, **fields: Any) -> None:
        """The class offers these modes, and the policy grants all of them."""
        self.kube.put(*CLASS, spec={"modes": list(modes), **fields})
        policy = self.kube.objects[POLICY]["spec"]
        self.kube.put(*POLICY, spec=policy | {"allowedModes": list(modes)})

    def mode(self) -> tuple[str, str]:
        """The pinned mode, and whether the pod is of Sysbox."""
        (pod,) = [obj for (kind, _, _), obj in self.kube.objects.items() if kind == "Pod"]
        return self.kube.objects["NestedDocker", *KEY]["status"]["mode"], pod["spec"].get("runtimeClassName", "")

    def drop(self, location: tuple[str, str, str]) -> None:
        """Somebody deletes an object."""
        self.kube._drop(location)

    async def work(self, passes: int = 4) -> None:
        for _ in range(passes):
            await self.reconciler.reconcile(KEY)
            await pods_run(self.kube)

    def pods(self) -> list[str]:
        return [name for kind, _, name in self.kube.objects if kind == "Pod"]

    def reason(self, type_: str = "Accepted") -> tuple[str, str]:
        condition = self.kube.conditions()[type_]
        return condition["status"], condition["reason"]


LAGS: dict[str, tuple[dict[str, Any], Callable[[Lab], None]]] = {
    "class": ({}, lambda lab: lab.miss(CLASS)),
    "policy": ({}, lambda lab: lab.miss(POLICY)),
    "the namespace's label": ({}, lambda lab: lab.miss_label(NAMESPACE, {})),
    "the namespace's Pod Security level": (
        {},
        lambda lab: lab.miss_label(NAMESPACE, {"ci": "true", "pod-security.kubernetes.io/enforce": "baseline"}),
    ),
    "pod namespace": ({"remote": True}, lambda lab: lab.miss(DAEMONS)),
    "class and its pod namespace": ({"remote": True}, lambda lab: (lab.miss(CLASS), lab.miss(DAEMONS))[0]),
    "RuntimeClass": ({"mode": "Sysbox"}, lambda lab: lab.miss(RUNTIME)),
}


@pytest.mark.parametrize("name", [*LAGS])
async def test_a_new_request_is_not_denied_because_the_watch_lags(name: str) -> None:
    fields, lag = LAGS[name]
    lab = Lab(**fields)
    lag(lab)
    lab.kube.writes.clear()
    await lab.work()
    assert lab.reason() == ("True", "Granted"), f"{name}: the API server has it"
    assert len(lab.pods()) == 1


@pytest.mark.parametrize("grace", [0.0, GRACE])
@pytest.mark.parametrize("name", [*LAGS])
async def test_what_runs_is_not_denied_because_the_watch_lags(name: str, grace: float) -> None:
    fields, lag = LAGS[name]
    lab = Lab(grace=grace, **fields)
    await lab.work()
    assert lab.reason("Ready") == ("True", "Ready")
    before = lab.pods()
    lag(lab)
    lab.kube.writes.clear()
    await lab.work()
    assert (lab.pods(), lab.kube.writes) == (before, []), f"{name}: not even the status is written"


OTHER_NODE = {"metadata": {"labels": {}}}
PINS: dict[str, tuple[list[str], Callable[[Lab], None]]] = {
    "the label of a node": (["Sysbox", "Dind"], lambda lab: lab.miss_label(NODE, {})),
    "a node, beside one that cannot": (
        ["Sysbox", "Dind"],
        lambda lab: (lab.kube.put("Node", "", "node-2", **OTHER_NODE), lab.miss(NODE))[1],
    ),
    "the handlers of a node": (
        ["Sysbox", "Dind"],
        lambda lab: lab.miss_change(NODE, status={"runtimeHandlers": [{"name": ""}]}),
    ),
    "the kernel of a node": (
        ["Sysbox", "Dind"],
        lambda lab: lab.miss_change(NODE, status={"nodeInfo": {"kernelVersion": "5.4"}}),
    ),
    "RuntimeClass": (["Dind", "Sysbox"], lambda lab: lab.miss(RUNTIME)),
    "policy": (
        ["Dind", "Sysbox"],
        lambda lab: lab.miss_change(POLICY, spec=lab.kube.objects[POLICY]["spec"] | {"allowedModes": ["Dind"]}),
    ),
}


@pytest.mark.parametrize("name", [*PINS])
async def test_no_mode_is_pinned_because_the_watch_lags(name: str) -> None:
    modes, lag = PINS[name]
    lab = Lab()
    lab.offer(*modes)
    lag(lab)
    await lab.work()
    assert lab.mode() == ("Sysbox", "sysbox-runc"), f"{name}: the API server has it"


async def test_a_mode_that_the_class_prefers_is_looked_for_whatever_its_privilege() -> None:
    lab = Lab()
    lab.offer("Dind", "Sysbox", modeSelection="AsListed")
    lab.miss_change(POLICY, spec=lab.kube.objects[POLICY]["spec"] | {"allowedModes": ["Sysbox"]})
    await lab.work()
    assert lab.mode()[0] == "Dind"


async def test_a_choice_is_confirmed_once_and_a_first_choice_not_at_all() -> None:
    lab = Lab()
    lab.offer("Sysbox", "Dind")
    lab.kube.put(*NODE, metadata={"labels": {}})
    await lab.work()
    assert lab.mode()[0] == "Dind"
    assert lab.kube.reads.count("list Node") == 1
    assert lab.kube.reads.count("list RuntimeClass") == 1
    first = Lab()
    first.offer("Sysbox", "Dind")
    await first.work()
    assert first.mode()[0] == "Sysbox"
    assert not [read for read in first.kube.reads if read.startswith("list")]


async def test_many_choices_at_once_share_a_list_of_nodes() -> None:
    lab, seconds = Lab(), [0.0]
    look = FreshLook(lab.kube, lab.kube.cache, Router(lab.kube.cache, WorkQueue()), lambda: seconds[0])
    observed = Observer(lab.kube.cache).observe(KEY)
    assert observed is not None
    for expected, after in ((1, 0.0), (1, NODES_SECONDS - 1), (2, 1.0)):
        seconds[0] += after
        await asyncio.gather(*(look.look(observed, nodes=True) for _ in range(50)))
        assert lab.kube.reads.count("list Node") == expected


async def test_without_nodes_no_second_choice_is_pinned() -> None:
    lab = Lab()
    lab.offer("Sysbox", "Dind")
    lab.miss_label(NODE, {})
    lab.kube.failing = {"list Node"}
    for _ in range(2):
        with pytest.raises(KubeError):
            await lab.work(1)
    status = lab.kube.objects["NestedDocker", *KEY]["status"]
    assert (status.get("mode"), lab.pods()) == (None, [])
    assert "cannot list the objects of kind Node" in lab.kube.conditions()["Provisioned"]["message"]
    lab.kube.failing = set()
    await lab.work()
    assert lab.mode()[0] == "Sysbox"


async def test_without_permission_for_nodes_the_watch_decides() -> None:
    lab = Lab()
    lab.offer("Sysbox", "Dind")
    lab.kube.put(*NODE, metadata={"labels": {}})
    lab.kube.forbidden = {"list Node"}
    await lab.work()
    assert lab.mode()[0] == "Dind"


async def test_before_the_end_of_the_grace_time_the_api_server_is_asked_again() -> None:
    lab = Lab()
    await lab.work()
    before, policy = lab.pods(), lab.kube.objects[POLICY]
    lab.drop(POLICY)
    await lab.work()
    assert lab.reason() == ("False", "NotGranted")
    del policy["metadata"]["uid"]
    lab.kube._store("", POLICY, policy)
    lab.clock.seconds += GRACE
    await lab.work()
    assert (lab.pods(), lab.reason()) == (before, ("True", "Granted"))


async def test_what_is_gone_is_stopped_when_the_grace_time_ends() -> None:
    lab = Lab()
    await lab.work()
    lab.drop(POLICY)
    await lab.work()
    assert len(lab.pods()) == 1
    lab.clock.seconds += GRACE
    await lab.work()
    assert lab.pods() == []


async def test_a_settled_denial_reads_nothing() -> None:
    lab = Lab()
    await lab.work()
    lab.drop(POLICY)
    for seconds in (0, GRACE):
        lab.clock.seconds += seconds
        await lab.work()
        lab.kube.reads.clear()
        lab.kube.writes.clear()
        await lab.work()
        assert (lab.kube.reads, lab.kube.writes) == ([], [])


async def test_a_look_that_fails_stops_nothing_and_is_repeated() -> None:
    lab = Lab(grace=0)
    await lab.work()
    lab.drop(POLICY)
    lab.kube.failure = KubeError(503, "ServiceUnavailable", "try later")
    with pytest.raises(KubeError):
        await lab.work()
    lab.kube.failure = None
    assert len(lab.pods()) == 1
    await lab.work()
    assert lab.pods() == []


async def test_a_look_without_permission_lets_nothing_run_on() -> None:
    lab = Lab(grace=0)
    await lab.work()
    lab.drop(POLICY)
    lab.kube.forbidden = {"list NestedDockerPolicy"}
    await lab.work()
    assert lab.pods() == []


async def test_statuses_that_cannot_be_written_do_not_restart_the_clock() -> None:
    lab = Lab()
    await lab.work()
    write = lab.kube.apply_status

    async def fails(_manifest: dict[str, Any]) -> dict[str, Any]:
        raise KubeError(500, "InternalError", "the webhook is dead")

    lab.kube.apply_status = fails  # type: ignore[method-assign]
    lab.drop(POLICY)
    for _ in range(6):
        with pytest.raises(KubeError):
            await lab.work()
        lab.clock.seconds += GRACE / 5
    assert lab.pods() == []
    lab.kube.apply_status = write  # type: ignore[method-assign]
    await lab.work()
    assert lab.reason() == ("False", "NotGranted")
    assert lab.kube.objects["NestedDocker", *KEY]["status"]["denial"]["since"] == timestamp(FakeClock().now())


async def test_what_is_read_concerns_everybody() -> None:
    lab = Lab()
    lab.kube.put("NestedDocker", "team-a", "other", spec={"className": "standard"})
    queue = WorkQueue()
    look = FreshLook(lab.kube, lab.kube.cache, Router(lab.kube.cache, queue))
    lab.miss(POLICY)
    observed = Observer(lab.kube.cache).observe(KEY)
    assert observed is not None
    await look.look(observed)
    assert sorted(await taken(queue)) == ["build", "other"]


async def test_looks_at_the_same_time_share_a_read_that_began_after_them() -> None:
    lab = Lab()
    look = FreshLook(lab.kube, lab.kube.cache, Router(lab.kube.cache, WorkQueue()))
    observed = Observer(lab.kube.cache).observe(KEY)
    assert observed is not None
    lab.kube.stall = asyncio.Event()
    lab.kube.reads.clear()
    looks = [asyncio.create_task(look.look(observed)) for _ in range(20)]
    for _ in range(5):
        await asyncio.sleep(0)
    lab.kube.stall.set()
    await asyncio.gather(*looks)
    assert lab.kube.reads.count("list NestedDockerPolicy") == 2, "the one that was under way, and one for all others"
