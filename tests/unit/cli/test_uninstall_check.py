"""`nested-docker uninstall-check`: what is left, how long it waits, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner

from nested_docker.adapters import kube as kube_module
from nested_docker.cli.app import app
from nested_docker.cli.uninstall_check import LINES, left, lines_of, text_of
from nested_docker.domain.ports import KubeError

RUNNER = CliRunner()
FINALIZER = "nesteddocker.dev/cleanup"


def known(name: str, *, pod: str = "", finalizers: tuple[str, ...] = (), **status: Any) -> dict[str, Any]:
    metadata = {"namespace": "ci", "name": name} | ({"finalizers": list(finalizers)} if finalizers else {})
    return {"metadata": metadata, "status": {"mode": "Dind", "podName": pod} | status}


class Cluster:
    """The API server: what is listed by namespace, and in which order answers come."""

    def __init__(self, *answers: list[dict[str, Any]] | KubeError) -> None:
        self.answers, self.asked, self.closed = list(answers), list[str | None](), False

    async def list(self, kind: str, namespace: str | None = None) -> list[Mapping[str, Any]]:
        assert kind == "NestedDocker"
        self.asked.append(namespace)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, KubeError):
            raise answer
        return list(answer)

    async def close(self) -> None:
        self.closed = True


def invoked(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, *arguments: str) -> Any:
    async def connect(_user_agent: str) -> Cluster:
        return cluster

    monkeypatch.setattr(kube_module, "connect_to_cluster", connect)
    result = RUNNER.invoke(app, ["uninstall-check", *arguments])
    assert cluster.closed
    return result


def test_it_lists_who_has_a_daemon_or_a_finalizer_and_nobody_else() -> None:
    lines = lines_of(
        [
            known("b", pod="b-x1", podNamespace="pods", finalizers=(FINALIZER,)),
            known("a", pod="a-x1"),
            known("suspended"),
            {"metadata": {"namespace": "ci", "name": "new"}},
        ]
    )
    assert lines == [
        "ci/a: pod ci/a-x1, mode Dind",
        f"ci/b: pod pods/b-x1, mode Dind; finalizer {FINALIZER}",
    ]


def test_many_are_not_listed_whole() -> None:
    text = text_of(lines_of(known(f"n{number:03}", pod="p") for number in range(LINES + 2)), force=True)
    assert text.splitlines()[0] == f"{LINES + 2} NestedDockers have a daemon or a finalizer:"
    assert text.splitlines()[-1] == "and 2 more"


def test_it_stops_an_uninstall_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoked(monkeypatch, Cluster([known("a", pod="a-x1")]))
    assert result.exit_code == 1
    assert "1 NestedDocker has a daemon or a finalizer:\nci/a: pod ci/a-x1, mode Dind\n" in result.output
    assert "helm uninstall RELEASE --no-hooks" in result.output


@pytest.mark.parametrize("answer", [[], [known("suspended")], KubeError(404, "NotFound", "no such kind")])
def test_nothing_is_left(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    result = invoked(monkeypatch, Cluster(answer))
    assert (result.exit_code, result.output) == (0, "no NestedDocker has a daemon or a finalizer\n")


def test_force_lists_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster([known("a", pod="a-x1")])
    result = invoked(monkeypatch, cluster, "--force", "--wait-seconds=60")
    assert result.exit_code == 0
    assert "ci/a" in result.output
    assert len(cluster.asked) == 1, "it does not wait"


@pytest.mark.parametrize(("arguments", "code"), [((), 1), (("--force",), 0)])
def test_an_api_server_that_rejects_the_question_is_named(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int
) -> None:
    result = invoked(monkeypatch, Cluster(KubeError(403, "Forbidden", "no list")), *arguments)
    assert result.exit_code == code
    assert "could not be listed: 403 Forbidden: no list" in result.output
    assert "--no-hooks" in result.output


def test_it_asks_only_where_the_operator_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster([])
    invoked(monkeypatch, cluster, "--namespace=a", "--namespace=b")
    assert cluster.asked == ["a", "b"]
    everywhere = Cluster([])
    invoked(monkeypatch, everywhere)
    assert everywhere.asked == [None]


class Clock:
    """A clock that a sleep moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.mark.parametrize(("answers", "seconds", "looks"), [(3, 60.0, 3), (99, 12.0, 4)])
async def test_it_waits_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, answers: int, seconds: float, looks: int
) -> None:
    clock, said = Clock(), list[str]()
    cluster = Cluster(*[[known("a", pod="a-x1")]] * (answers - 1), [])

    async def sleep(duration: float) -> None:
        clock.seconds += duration

    monkeypatch.setattr("asyncio.sleep", sleep)
    remaining = await left(lambda: cluster.list("NestedDocker"), seconds, clock, said.append)  # type: ignore[arg-type]
    assert len(cluster.asked) == looks
    assert remaining == ([] if looks == answers else ["ci/a: pod ci/a-x1, mode Dind"])
    assert said[0] == f"1 NestedDockers are left; waiting for at most {seconds:.0f} s"
    assert clock.seconds <= seconds
