"""What the status says of a daemon is what the present one says, after whatever replaced the one before."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.fakes import KEY, WatchedKube
from tests.unit.lab import Lab

from nested_docker.api.v1alpha1.nested_docker import EngineStatus

READY_AGAIN = "2026-03-01T00:05:00Z"


class Daemon:
    """A daemon that a test replaces by another version."""

    def __init__(self) -> None:
        self.version, self.asked = "26.1.5", 0

    async def ask(self, *_: Any) -> EngineStatus:
        self.asked += 1
        return EngineStatus(version=self.version)


def serving(mode: str, daemon: Daemon) -> Lab:
    lab = Lab(daemons=daemon)
    put(lab.kube, "NestedDockerClass", "", "standard", modes=[mode])
    grant = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": [mode]}
    put(lab.kube, "NestedDockerPolicy", "", "all", **grant, hostSocket={"guard": {}})
    put(lab.kube, "NestedDocker", *KEY, className="standard")
    lab.kube.put("RuntimeClass", "", "sysbox-runc", handler="sysbox-runc")
    lab.kube.put("Node", "", "node-1", metadata={"labels": {"sysbox-runtime": "running"}})
    return lab


def put(kube: WatchedKube, kind: str, namespace: str, name: str, **spec: Any) -> None:
    kube.put(kind, namespace, name, spec=spec)


def version(lab: Lab) -> str:
    return str(lab.kube.objects["NestedDocker", *KEY]["status"]["engine"]["version"])


def report(lab: Lab, *, restarts: int = 0, ready_since: str = "") -> None:
    """The kubelet reports the state of the pod."""
    (pod,) = lab.pods()
    container = pod["status"]["containerStatuses"][0] | {"ready": True, "restartCount": restarts}
    condition = {"type": "ContainersReady", "status": "True", "lastTransitionTime": ready_since}
    lab.kube.again(pod | {"status": pod["status"] | {"containerStatuses": [container], "conditions": [condition]}})


@pytest.mark.parametrize("mode", ["Dind", "HostSocket", "Sysbox"])
@pytest.mark.parametrize("operator_restarts", [False, True])
async def test_a_restarted_daemon_is_asked_once_again(mode: str, operator_restarts: bool) -> None:
    daemon = Daemon()
    lab = serving(mode, daemon)
    await lab.passes(5)
    assert (version(lab), daemon.asked) == ("26.1.5", 1)
    daemon.version = "29.0.0"
    report(lab, restarts=1)
    if operator_restarts:
        lab.restart()
    await lab.passes(5)
    assert (version(lab), daemon.asked) == ("29.0.0", 2)


@pytest.mark.parametrize("operator_restarts", [False, True])
async def test_a_node_s_daemon_that_was_replaced_is_asked_once_again(operator_restarts: bool) -> None:
    daemon = Daemon()
    lab = serving("HostSocket", daemon)
    await lab.passes(5)
    lab.clock.seconds = 300
    daemon.version = "29.0.0"
    report(lab, ready_since=READY_AGAIN)
    if operator_restarts:
        lab.restart()
    await lab.passes(5)
    assert (version(lab), daemon.asked, lab.ready()) == ("29.0.0", 2, ("True", "Ready"))
    writes = len(lab.kube.writes)
    await lab.passes(5, seconds=60)
    assert (daemon.asked, len(lab.kube.writes)) == (2, writes)
