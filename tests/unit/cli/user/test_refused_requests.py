"""Each request of each command is refused once: one line and a remedy, a documented exit code, never a defect."""

from __future__ import annotations

import pytest
from tests.support.user_world import Answer, UserWorld
from tests.unit.cli.user.terminal import Cli, Ended

from nested_docker.cli.user.exit_codes import EXIT_CODE_MEANINGS, ExitCode


def status(code: int, reason: str) -> Answer:
    return code, {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": f"it is {reason}"}


ANSWERS: dict[str, Answer] = {
    "forbidden": status(403, "Forbidden"),
    "not found": status(404, "NotFound"),
    "unavailable": status(503, "ServiceUnavailable"),
    "a page": (200, "<html>log in</html>"),
    "other JSON": (200, '{"login": "https://sso.example.com"}'),
    "an object without a name": (200, '{"metadata": {}, "items": [{"metadata": null}]}'),
}
COMMANDS: dict[str, list[str]] = {
    "create": ["new", "--timeout=1s", "--progress=quiet"],
    "run": ["--progress=quiet", "--timeout=1s", "--", "true"],
    "shell": ["--progress=quiet", "--timeout=1s", "build"],
    "ls": [],
    "status": ["build"],
    "why": ["build"],
    "explain": ["build"],
    "logs": ["build"],
    "rm": ["build", "--timeout=1s"],
    "prune": ["--filter=ready=true", "--force"],
    "du": ["build"],
    "doctor": [],
}
MOST_REQUESTS = 40
LISTS_OF_RESULTS = {"doctor"}
"""Commands that go on after an error, and print each."""


def check(command: str, ended: Ended, code_of_answer: int) -> None:
    assert ended.code in EXIT_CODE_MEANINGS
    assert ended.code != ExitCode.DEFECT, ended
    assert "Traceback" not in ended.err
    lines = [line.partition(":")[0] for line in ended.err.splitlines() if line.startswith(("error: ", "hint: "))]
    if command not in LISTS_OF_RESULTS:
        assert lines == (["error", "hint"] if ended.code else lines), (code_of_answer, ended)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_request_once(
    world: UserWorld, cli: Cli, monkeypatch: pytest.MonkeyPatch, command: str, answer: str
) -> None:
    monkeypatch.setattr("nested_docker.client.patience.FIRST_PAUSE_SECONDS", 0.01)
    for refused in range(MOST_REQUESTS):
        world.objects.clear()
        world.nested_docker("build")
        before = len(world.requests)

        def refuse(_method: str, _path: str, wanted: int = before + refused) -> Answer | None:
            return ANSWERS[answer] if len(world.requests) - 1 == wanted else None

        world.refuse = refuse
        check(command, cli(command, *COMMANDS[command]), ANSWERS[answer][0])
        if len(world.requests) - before <= refused:
            assert refused, "it asks at least once"
            return
    raise AssertionError(f"{command} makes more than {MOST_REQUESTS} requests")
