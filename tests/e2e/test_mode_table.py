"""The table of docs/modes.md, on the embedded cluster's own node."""

from __future__ import annotations

import pytest
from tests.e2e.environment import Environment
from tests.e2e.images import give_busybox
from tests.e2e.mode_facts import facts
from tests.e2e.node_docker import NODE_DOCKER
from tests.support import mode_table


@pytest.mark.parametrize(("mode", "class_name"), [("Dind", "standard"), ("HostSocket", "host"), ("Sysbox", "standard")])
def test_a_mode_is_what_the_table_says(env: Environment, mode: str, class_name: str) -> None:
    env.nested_docker("build", className=class_name, mode=mode)
    env.client("client", "build")
    env.ready("build")
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    if mode != "HostSocket":
        give_busybox(env, "client")
    bystander = env.node(*NODE_DOCKER, "run", "-d", "busybox", "sleep", "3600").strip()
    try:
        observed = facts(
            env,
            "build",
            "client",
            lambda script, *arguments: env.node("sh", "-ec", script, "sh", *arguments),
            lambda: env.node(*NODE_DOCKER, "ps", "-q", "--no-trunc"),
        )
    finally:
        env.node(*NODE_DOCKER, "rm", "-f", bystander)
    mode_table.check(mode, **observed)
