"""What AppArmor denies dockerd, and who says what to do about it."""

from __future__ import annotations

from tests.e2e.environment import Environment
from tests.e2e_vm.conftest import ABSENT, PROFILE
from tests.e2e_vm.node import SLOW


def test_a_profile_that_the_node_lacks_is_named_with_the_remedy(env: Environment) -> None:
    env.nested_docker("build", className="absent")
    message = env.settles("build", "PodStartFailed", timeout=90 * SLOW)
    assert f"its node does not have the AppArmor profile {ABSENT}: load it on each node" in message


def test_a_profile_that_denies_mounts_is_named_with_the_remedy(env: Environment) -> None:
    env.nested_docker("build", className="confined")
    message = env.settles("build", "DaemonCrashed", timeout=60 * SLOW)
    assert f"AppArmor profile {PROFILE} denies mounts, so no container could start" in message
    assert "set the mode's appArmorProfile to type Unconfined, or to a profile that allows mount" in message
    assert "ConfinedDaemon" in [hazard["type"] for hazard in env.get("nd", "build")["status"]["hazards"]]
