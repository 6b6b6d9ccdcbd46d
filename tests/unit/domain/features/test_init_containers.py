"""Init containers of a workload: after the daemon, before the workload, and by its rules."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import WORKLOAD, policy_spec
from tests.unit.world import World, message, ready

FETCH = {"name": "fetch", "image": "alpine/git:2", "args": ["clone", "https://example.com/x", "."]}
SPEC: dict[str, Any] = {"mode": "Dind", "workload": WORKLOAD | {"initContainers": [FETCH]}}


def settled(mode: str = "Dind", **fields: Any) -> World:
    world = World(SPEC | {"mode": mode} | fields, policies={"p": policy_spec()})
    world.settle()
    return world


@pytest.mark.parametrize("mode", ["Dind", "Sysbox", "HostSocket"])
def test_they_run_after_the_daemon_has_started(mode: str) -> None:
    spec = settled(mode, idleTimeoutSeconds=60).pod()["spec"]
    assert [each["name"] for each in spec["initContainers"]] == ["daemon", "idle-watch", "fetch"]
    assert [each["name"] for each in spec["containers"]] == ["builder"]
    assert spec["initContainers"][2].get("restartPolicy") is None, "it ends before the workload starts"


def test_they_have_what_the_workload_has() -> None:
    spec = settled().pod()["spec"]
    fetch, builder = spec["initContainers"][-1], spec["containers"][0]
    for part in ("volumeMounts", "workingDir", "imagePullPolicy"):
        assert fetch[part] == builder[part]
    assert fetch["env"] == [each for each in builder["env"] if each["name"] != "A"]
    assert "securityContext" not in fetch


def test_a_failed_one_is_named() -> None:
    world = settled()
    pod = world.pod()
    failed = {"name": "fetch", "state": {"terminated": {"exitCode": 128}}}
    pod["status"]["initContainerStatuses"] = [
        *(each for each in pod["status"].get("initContainerStatuses", []) if each["name"] != "fetch"),
        failed,
    ]
    pod["status"]["phase"] = "Failed"
    world.step()
    assert ready(world) == ("False", "WorkloadFailed")
    assert message(world).startswith("container fetch exited with code 128; see kubectl logs build-")
    assert message(world).endswith("--container fetch")
    assert [result.name for result in world.status.results] == ["fetch"]


def test_an_image_that_somebody_changes_is_replaced() -> None:
    world = settled(workload=WORKLOAD | {"restartPolicy": "Always", "initContainers": [FETCH]})
    world.pod()["spec"]["initContainers"][-1]["image"] = "evil:1"
    world.settle()
    assert len(world.created_pods) == 2
    assert world.pod()["spec"]["initContainers"][-1]["image"] == "alpine/git:2"


def test_a_webhooks_image_is_judged_by_the_policy() -> None:
    def rewrite(_operation: str, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["kind"] == "Pod":
            manifest["spec"]["initContainers"][-1]["image"] = "evil:1"
        return manifest

    rules = policy_spec(workload={"allowed": True, "images": {"patterns": ["docker", "alpine/git"]}})
    world = World(SPEC, policies={"p": rules})
    world.server.webhook = rewrite
    world.settle()
    assert ready(world) == ("False", "ImageNotAllowed")
    assert "container fetch from alpine/git:2 to evil:1" in message(world)


def test_its_limits_count() -> None:
    limits = {"limits": {"cpu": "1", "memory": "1Gi"}}
    containers = [{"name": "builder", "image": "docker:29-cli", "resources": limits}]
    workload = {"containers": containers, "initContainers": [FETCH]}
    rules = policy_spec(max={"cpu": "4", "memory": "8Gi"}, workload={"allowed": True, "images": {"patterns": ["**"]}})
    world = World({"mode": "Dind", "resources": limits, "workload": workload}, policies={"p": rules})
    world.settle()
    assert ready(world) == ("False", "NotGranted"), "an init container without a limit"
    granted = workload | {"initContainers": [FETCH | {"resources": limits}]}
    world = World({"mode": "Dind", "resources": limits, "workload": granted}, policies={"p": rules})
    world.settle()
    assert ready(world) == ("True", "Ready")
