"""What the modes have in common whose pods have a user namespace."""

from __future__ import annotations

import pytest

from nested_docker.api.meta import Mode
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.unprivileged import explained, shared_kernel
from nested_docker.domain.status.reasons import Reason

FAILURES = (("no space", Reason.POD_START_FAILED, "a disk is full"), ("space", Reason.DAEMON_CRASHED, "something else"))


def test_the_first_pattern_counts_and_the_nodes_words_stay() -> None:
    assert explained(" no space left\n", FAILURES) == (
        Reason.POD_START_FAILED,
        "a disk is full (the node said: no space left)",
    )
    assert explained("much space", FAILURES) == (Reason.DAEMON_CRASHED, "something else (the node said: much space)")
    assert explained("no disk", FAILURES) is None


def test_a_shared_kernel_is_a_hazard_with_a_remedy() -> None:
    hazard = shared_kernel("A wall isolates", "Keep it high")
    assert hazard.message == "A wall isolates; the kernel is the node's, and a vulnerability in it is a way out."
    assert hazard.remedy == "Keep it high; for untrusted code use dedicated nodes."


@pytest.mark.parametrize("mode", [Mode.SYSBOX, Mode.USER_NAMESPACE, Mode.ROOTLESS])
def test_a_kubelet_without_free_user_ids_is_explained_alike(mode: Mode) -> None:
    found = MODES[mode].explain("could not find an empty slot to allocate a user namespace")
    assert found is not None
    assert "the kubelet has no free range of user IDs left" in found[1]
