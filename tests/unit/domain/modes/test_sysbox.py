"""What messages of the kubelet, of Sysbox and of the start script mean."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.domain.modes.sysbox import Sysbox
from nested_docker.domain.planning.pod_state import PodState
from nested_docker.domain.status.reasons import Reason

NO_HANDLER = "install Sysbox on the nodes (sysbox-deploy-k8s) or choose another mode"
NO_USER_NAMESPACE = "the pod has probably no user namespace, although it asks for one by hostUsers: false"
MANAGER_DOWN = "Sysbox's service sysbox-mgr on the pod's node is down, so no container can start there"
FILESYSTEM_DOWN = "Sysbox's service sysbox-fs on the pod's node is down, so no container can start there"
LOST = "containers that are older cannot mount: the daemon ends, and the kubelet starts its container again"

SAID = {
    'can\'t set `spec.hostUsers: false`, RuntimeClass handler "sysbox-runc" does not support user namespaces: '
    'the handler "sysbox-runc" is not known': NO_HANDLER,
    'can\'t set `spec.hostUsers: false`, RuntimeClass handler "own" does not support user namespaces: '
    'the handler "own" is not known': NO_HANDLER,
    "can't set `spec.hostUsers: false`, runtime does not support user namespaces: "
    'the handler "" is not known': "upgrade to Sysbox 0.7 and containerd 2.0.5 or newer",
    'can\'t set `spec.hostUsers: false`, RuntimeClass handler "old" does not support user namespaces: '
    'the handler "old" is not known': "a containerd before 2.0 names none of its handlers, and has to be upgraded",
    'failed to create sandbox: RuntimeHandler "sysbox-runc" not supported': NO_HANDLER,
    'failed to get sandbox runtime: no runtime for "sysbox-2" is configured': NO_HANDLER,
    'can\'t set `spec.hostUsers: false`, RuntimeClass handler "sysbox-runc" does not support user namespaces': (
        "upgrade to Sysbox 0.7 and containerd 2.0.5 or newer"
    ),
    "could not find an empty slot to allocate a user namespace": "the kubelet has no free range of user IDs left",
    "failed to get config from sysbox-fs: rpc error: dial unix /run/sysbox/sysfs.sock: connect: no such file": (
        FILESYSTEM_DOWN
    ),
    "failed to register with sysbox-mgr: dial unix /run/sysbox/sysmgr.sock: connect: connection refused": MANAGER_DOWN,
    "open sysctl net.ipv4.ip_unprivileged_port_start file: permission denied": NO_USER_NAMESPACE,
    'error mounting "sysfs" to rootfs at "/sys": mount through procfd: operation not permitted': NO_USER_NAMESPACE,
    "failed to allocate IDs: not enough unused IDs": NO_USER_NAMESPACE,
    "no available user ID": NO_USER_NAMESPACE,
    "nested-docker: mount(2) is not implemented any more, so no inner container can start": LOST,
    "error creating overlay mount to /var/lib/docker/overlay2/x/merged: function not implemented": LOST,
    "failed to mount /tmp/containerd-mount1: function not implemented": LOST,
}


@pytest.mark.parametrize(("said", "meaning"), SAID.items())
def test_a_message_is_explained_with_its_remedy(said: str, meaning: str) -> None:
    explained = Sysbox().explain(f"Error: {said} ")
    assert explained is not None
    reason, message = explained
    assert meaning in message
    assert said in message
    assert reason == (Reason.DAEMON_RESTARTING if meaning == LOST else Reason.POD_START_FAILED)


@pytest.mark.parametrize(
    "said",
    ["", "unknown option nonsense", "exec: function not implemented", "mount: permission denied", "no space left"],
)
def test_what_is_not_sysboxs_is_left_alone(said: str) -> None:
    assert Sysbox().explain(said) is None


def ended(code: int, message: str, **state: Any) -> PodState:
    """A pod whose daemon has ended before."""
    last = {"terminated": {"exitCode": code, "message": message}}
    daemon = {"name": "daemon", "lastState": last, "state": state}
    return PodState({"metadata": {"name": "build"}, "status": {"containerStatuses": [daemon]}})


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_daemon_that_ended_itself_says_why_it_restarts(code: int) -> None:
    message = "nested-docker: mount(2) is not implemented any more, so no inner container can start"
    reason, text = ended(code, f"{message}\n").failure(Sysbox(), "")
    assert reason == Reason.DAEMON_RESTARTING
    assert LOST in text
    assert text.endswith(f"(the node said: {message})")


def test_a_service_that_is_down_comes_before_why_the_daemon_ended() -> None:
    """After sysbox-fs has ended, the container cannot start again until it is back."""
    waiting = {"reason": "RunContainerError", "message": "failed to get config from sysbox-fs: /run/sysbox/sysfs.sock"}
    state = ended(0, "nested-docker: mount(2) is not implemented any more", waiting=waiting)
    reason, text = state.failure(Sysbox(), "")
    assert reason == Reason.POD_START_FAILED
    assert FILESYSTEM_DOWN in text
    assert "look at systemctl status sysbox-fs on the node" in text
