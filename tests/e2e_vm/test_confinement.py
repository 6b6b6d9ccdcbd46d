"""What AppArmor denies dockerd, and who says what to do about it."""

from __future__ import annotations

from tests.e2e.environment import Environment
from tests.e2e_vm.conftest import PROFILE
from tests.e2e_vm.node import RUNTIME_CLASS, SLOW


def test_a_profile_is_named_with_the_remedy_where_it_is_missing_and_where_it_denies_mounts(env: Environment) -> None:
    env.nested_docker("build", className="confined")
    message = env.settles("build", "PodStartFailed", timeout=90 * SLOW)
    assert f"its node does not have the AppArmor profile {PROFILE}: load it on each node" in message

    # containerd loads its default profile for the first container that has it
    container = {
        "name": "unprivileged",
        "image": "busybox:1.37",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "3600"],
    }
    fields = {"runtimeClassName": RUNTIME_CLASS, "terminationGracePeriodSeconds": 0, "containers": [container]}
    env.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "unprivileged"}, "spec": fields})
    env.kubectl("wait", "--for=condition=Ready", "pod/unprivileged", "--timeout=300s", timeout=330)
    message = env.settles("build", "DaemonCrashed", timeout=60 * SLOW)
    assert f"AppArmor profile {PROFILE} denies mounts, so no container could start" in message
    assert "set the mode's appArmorProfile to type Unconfined, or to a profile that allows mount" in message
    assert "ConfinedDaemon" in [hazard["type"] for hazard in env.get("nd", "build")["status"]["hazards"]]
