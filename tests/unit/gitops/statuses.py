"""NestedDockers as GitOps tools read them: with the status that the operator's own plans write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from tests.support.factory import NOW
from tests.unit.world import World, change

from nested_docker.api.crd import KINDS, definitions
from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.domain.status.conditions import Conditions
from nested_docker.domain.status.reasons import Reason, Type

BUILD = {"restartPolicy": "Never", "containers": [{"name": "b", "image": "docker:29-cli"}]}

Manifest = dict[str, Any]


def created() -> Manifest:
    """As the API server stores it before the operator has seen it."""
    (definition,) = (each for each in definitions() if each["spec"]["names"]["kind"] == KINDS[0].name)
    (version,) = definition["spec"]["versions"]
    default = version["schema"]["openAPIV3Schema"]["properties"]["status"].get("default")
    return _manifest(1) | ({"status": default} if default else {})


def with_ready(reason: Reason) -> Manifest:
    """As it is when its condition Ready has a reason, and the others follow from that."""
    conditions = Conditions((), generation=1, now=NOW)
    conditions.assess(Type.READY, reason, "why", holds=reason in {Reason.READY, Reason.COMPLETED})
    written = [condition.dump() for condition in conditions.complete()]
    return _manifest(1) | {"status": {"observedGeneration": 1, "conditions": written}}


def _manifest(generation: int) -> Manifest:
    metadata = {"name": "build", "namespace": "team-a", "generation": generation}
    return {"apiVersion": API_VERSION, "kind": "NestedDocker", "metadata": metadata, "spec": {}}


def _starting() -> World:
    world = World()
    while world.step():
        pass
    return world


def _ready(spec: Manifest | None = None) -> World:
    world = World(spec)
    world.settle()
    return world


def _restarting() -> World:
    world = _ready()
    world.set_daemon(world.pod(), state={"waiting": {"reason": "CrashLoopBackOff"}}, ready=False, restartCount=1)
    world.settle()
    return world


def _unpullable() -> World:
    world = _starting()
    world.pod()["status"]["phase"] = "Pending"
    world.set_daemon(
        world.pod(), state={"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}, ready=False
    )
    world.settle()
    return world


def _suspended() -> World:
    world = _ready()
    change(world, spec={"mode": "Dind", "suspend": True}, generation=2)
    world.settle()
    return world


def _not_granted() -> World:
    world = World(policies={})
    world.settle()
    return world


def _idle() -> World:
    world = _ready({"mode": "Dind", "idleTimeoutSeconds": 60})
    ended = {"name": "idle-watch", "state": {"terminated": {"exitCode": 0}}}
    world.pod()["status"]["containerStatuses"].append(ended)
    world.settle()
    return world


def _past_its_deadline(spec: Manifest) -> World:
    world = _ready({"mode": "Dind", "activeDeadlineSeconds": 120} | spec)
    world.advance(seconds=121)
    world.settle()
    return world


def _built(code: int) -> World:
    world = _ready({"mode": "Dind", "workload": BUILD})
    ended = [{"name": "b", "state": {"terminated": {"exitCode": code}}}]
    world.pod()["status"] |= {"phase": "Failed" if code else "Succeeded", "containerStatuses": ended}
    world.settle()
    return world


def _edited() -> World:
    """The operator has not seen the last edit."""
    return _ready()


STATES: dict[str, Callable[[], World]] = {
    "starting": _starting,
    "ready": _ready,
    "restarting": _restarting,
    "image cannot be pulled": _unpullable,
    "not granted": _not_granted,
    "suspended": _suspended,
    "stopped when idle": _idle,
    "stopped at its deadline": lambda: _past_its_deadline({}),
    "build completed": lambda: _built(0),
    "build failed": lambda: _built(3),
    "build stopped at its deadline": lambda: _past_its_deadline({"workload": BUILD}),
    "edited a moment ago": _edited,
}


def state(name: str) -> Manifest:
    """The NestedDocker in a state of `STATES`, or "created"."""
    if name == "created":
        return created()
    world = STATES[name]()
    generation = world.base.generation + (name == "edited a moment ago")
    return yaml.safe_load(yaml.safe_dump(_manifest(generation) | {"status": world.status.dump()}))
