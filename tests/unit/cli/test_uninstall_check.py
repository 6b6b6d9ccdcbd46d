"""`nested-docker uninstall-check`: what is left, how long it waits, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner

from nested_docker.adapters import kube as kube_module
from nested_docker.cli.app import app
from nested_docker.cli.uninstall_check import LEFT, LINES, NEVERTHELESS, left, lines_of, text_of
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.ports import KubeError

RUNNER = CliRunner()
FINALIZER = "nesteddocker.dev/cleanup"


def known(name: str, *, pod: str = "", finalizers: tuple[str, ...] = (), **status: Any) -> dict[str, Any]:
    metadata = {"namespace": "ci", "name": name} | ({"finalizers": list(finalizers)} if finalizers else {})
    return {"kind": "NestedDocker", "metadata": metadata, "status": {"mode": "Dind", "podName": pod} | status}


def client(name: str, phase: str = "Running", *, sidecar: bool = False, gated: bool = False) -> dict[str, Any]:
    """A pod that asks for a daemon by its label."""
    gates = [{"name": "nesteddocker.dev/daemon"}] if gated else []
    annotations = {"nesteddocker.dev/inject-form": "Sidecar"} if sidecar else {}
    metadata = {"namespace": "ci", "name": name, "labels": {"nesteddocker.dev/inject": "standard"}}
    containers = [{"name": "nested-docker"}] if sidecar else []
    return {
        "kind": "Pod",
        "metadata": metadata | {"annotations": annotations},
        "spec": {"initContainers": containers, "schedulingGates": gates},
        "status": {"phase": phase},
    }


class Cluster:
    """The API server: what is listed by namespace, and in which order answers come."""

    def __init__(self, *answers: list[dict[str, Any]] | KubeError) -> None:
        self.answers, self.asked, self.closed = list(answers), list[str | None](), False
        self.pods: list[dict[str, Any]] = []

    async def list(self, kind: str, namespace: str | None = None, *, labels: str = "") -> list[Mapping[str, Any]]:
        if kind == CLIENT_POD:
            assert labels == "nesteddocker.dev/inject"
            return list(self.pods)
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
            {"kind": "NestedDocker", "metadata": {"namespace": "ci", "name": "new"}},
            client("job-1", sidecar=True),
            client("job-2", "Pending", gated=True),
            client("ended", "Succeeded", sidecar=True),
            client("remote"),
        ]
    )
    assert lines == [
        "ci/a: pod ci/a-x1, mode Dind",
        f"ci/b: pod pods/b-x1, mode Dind; finalizer {FINALIZER}",
        "ci/job-1: pod; its daemon is a sidecar",
        "ci/job-2: pod; it waits behind its scheduling gate",
    ]


def test_many_are_not_listed_whole() -> None:
    text = text_of(lines_of(known(f"n{number:03}", pod="p") for number in range(LINES + 2)), force=True)
    assert text.splitlines()[0] == f"NestedDockers and pods of which each {LEFT}: {LINES + 2}"
    assert f"\nand 2 more\n{NEVERTHELESS}" in text


def test_it_stops_an_uninstall_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoked(monkeypatch, Cluster([known("a", pod="a-x1")]))
    assert result.exit_code == 1
    assert f"NestedDockers and pods of which each {LEFT}: 1\nci/a: pod ci/a-x1, mode Dind\n" in result.output
    assert "helm uninstall RELEASE --no-hooks" in result.output


@pytest.mark.parametrize("answer", [[], [known("suspended")], KubeError(404, "NotFound", "no such kind")])
def test_nothing_is_left(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    result = invoked(monkeypatch, Cluster(answer))
    assert (result.exit_code, result.output) == (0, f"no NestedDocker and no pod {LEFT}\n{NEVERTHELESS}\n")


@pytest.mark.parametrize("answer", [[], KubeError(404, "NotFound", "no such kind")], ids=["none", "no kind"])
def test_pods_with_a_sidecar_stop_an_uninstall_too(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    cluster = Cluster(answer)
    cluster.pods = [client("job", sidecar=True)]
    result = invoked(monkeypatch, cluster)
    assert result.exit_code == 1
    assert "ci/job: pod; its daemon is a sidecar" in result.output


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
    assert said[0] == f"1 NestedDockers and pods are left; waiting for at most {seconds:.0f} s"
    assert clock.seconds <= seconds


@pytest.mark.parametrize(("status", "seconds", "looks"), [(503, 60.0, 3), (0, 60.0, 3), (503, 0.0, 1), (403, 60.0, 1)])
async def test_an_api_server_that_does_not_answer_is_asked_again_while_it_waits(
    monkeypatch: pytest.MonkeyPatch, status: int, seconds: float, looks: int
) -> None:
    clock, said = Clock(), list[str]()
    failure = KubeError(status, "Busy", "try again")
    cluster = Cluster(failure, failure, [])

    async def sleep(duration: float) -> None:
        clock.seconds += duration

    monkeypatch.setattr("asyncio.sleep", sleep)
    if looks == 1:
        with pytest.raises(KubeError):
            await left(lambda: cluster.list("NestedDocker"), seconds, clock, said.append)  # type: ignore[arg-type]
    else:
        assert await left(lambda: cluster.list("NestedDocker"), seconds, clock, said.append) == []  # type: ignore[arg-type]
        assert said[0].startswith(f"the API server cannot list them now ({status} Busy: try again); waiting for")
    assert len(cluster.asked) == looks
