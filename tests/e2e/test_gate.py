"""The gate: clients applied first, twenty times, and never a failed first try."""

from __future__ import annotations

from tests.e2e.environment import Environment

ROUNDS = 20
AT_ONCE = 4


def test_a_client_applied_first_works_at_the_first_try_twenty_of_twenty(env: Environment) -> None:
    for start in range(0, ROUNDS, AT_ONCE):
        names = [f"gate-{number}" for number in range(start, start + AT_ONCE)]
        for name in names:
            env.client(f"{name}-client", name, "docker version --format '{{.Server.Version}}'")
        for name in names:
            env.nested_docker(name, mode="Dind")
        for name in names:
            assert env.output(f"{name}-client", timeout=120).strip()
            assert env.get("pod", f"{name}-client")["status"]["containerStatuses"][0]["restartCount"] == 0
        env.kubectl("delete", "nd", *names, "--wait=false")
