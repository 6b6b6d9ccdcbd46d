"""The time of each ring, and what the rings that need a cluster share. The unit ring uses none of the latter."""

from __future__ import annotations

import signal
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from tests.support import failures, rings
from tests.support.api import Api
from tests.support.cluster import Cluster, obtain

from nested_docker.api import crd


def pytest_configure() -> None:
    """Let the programs that tests start receive signals, which what nohup or a shell runs in the background ignores.

    A program inherits that a signal is ignored, but not a handler.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, lambda *_: None)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Print the time of each ring and the slowest tests, and what has failed in short as the last thing of all."""
    reports = [each for group in terminalreporter.stats.values() for each in group if hasattr(each, "duration")]
    if reports:
        terminalreporter.section("time per ring, and the slowest tests")
        for line in rings.summary(reports):
            terminalreporter.write_line(line)
    yield
    if failed := [(each.nodeid, _message(each)) for each in reports if each.failed]:
        terminalreporter.section("what has failed, in short")
        for line in failures.summary(failed):
            terminalreporter.write_line(line)


def _message(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster that tests may do anything to."""
    with obtain() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def crds(cluster: Cluster) -> list[str]:
    """Names of our CustomResourceDefinitions, which are there."""
    definitions = list(crd.definitions())
    cluster.apply(*definitions)
    names = [definition["metadata"]["name"] for definition in definitions]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *(f"crd/{name}" for name in names))
    return names


@pytest.fixture
def kubectl(cluster: Cluster, crds: list[str]) -> Callable[..., str]:
    """Runs the cluster's kubectl; returns what it prints."""
    return cluster.kubectl


@pytest.fixture
def namespace(cluster: Cluster, crds: list[str]) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def api(cluster: Cluster, crds: list[str]) -> AsyncIterator[Api]:
    """A raw client of the API server."""
    async with Api.connect(cluster.kubeconfig) as api:
        yield api
