import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded import node_client
from embedded.layout import Cluster, Home
from embedded.node_client import Component, Node
from embedded.report import ClusterError
from embedded.supervisor import describe

PACKAGE = Path(node_client.__file__).parent.parent
SERVE = """
import sys
from pathlib import Path
from embedded.report import Clock
from embedded.supervisor import Supervisor, listen
state = Path(sys.argv[1])
listener = listen(state / "control.sock")
Supervisor(state, Clock()).serve(listener)
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A supervisor without namespaces, at a path longer than a Unix socket's address."""
    cluster = Cluster(Home(tmp_path / ("long" * 30)), "default", 0)
    cluster.state.mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(cluster.state)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield awaited(cluster)
    finally:
        process.terminate()
        process.wait(10)
    assert Node.find(cluster) is None, "the socket's file is still there, the process isn't"


def awaited(cluster: Cluster) -> Node:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := Node.find(cluster):
            return found
        time.sleep(0.01)
    raise AssertionError("no supervisor")


def ended(node: Node) -> list[Component]:
    deadline = time.monotonic() + 10
    while not (components := node.ended()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return components


def test_a_component_that_ends_is_told_until_it_is_restarted(node: Node) -> None:
    [started] = node.ask("start", "sleeper", argv=["sleep", "1000"])
    assert started.ended == ""
    node.ask("signal", "sleeper", signal=int(signal.SIGKILL))
    [component] = ended(node)
    assert (component.name, component.ended) == ("sleeper", "killed by SIGKILL")
    [restarted] = node.ask("restart", "sleeper")
    assert restarted.ended == ""
    assert restarted.pid != started.pid
    assert node.ask("stop", "sleeper") == []


def test_what_ignores_sigterm_is_killed(node: Node) -> None:
    node.ask("start", "stubborn", argv=["sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.05; done"])
    log = node.cluster.state / "stubborn.log"
    deadline = time.monotonic() + 10
    while not log.exists() or "on" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert node.ask("stop", "stubborn", patience=0.1) == []


def test_the_exit_status_is_told(node: Node) -> None:
    node.ask("start", "short", argv=["sh", "-c", "exit 3"])
    [component] = ended(node)
    assert component.ended == "exit status 3"


@pytest.mark.parametrize(
    ("verb", "name", "message"),
    [
        ("start", "absent", "No such file"),
        ("signal", "nobody", "no component 'nobody'"),
        ("dance", "", "no verb 'dance'"),
    ],
)
def test_what_makes_no_sense_is_refused(node: Node, verb: str, name: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        node.ask(verb, name, argv=["/absent/program"])
    assert node.ask("status") == []


def test_starting_twice_is_refused(node: Node) -> None:
    node.ask("start", "one", argv=["sleep", "1000"])
    with pytest.raises(ClusterError, match="one is running already"):
        node.ask("start", "one", argv=["sleep", "1000"])


def test_noise_on_the_socket_is_answered_and_survived(node: Node) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        folder = os.open(node.cluster.state, os.O_PATH)
        connection.connect(f"/proc/self/fd/{folder}/control.sock")
        os.close(folder)
        connection.sendall(b"not json\n")
        assert "error" in json.loads(connection.makefile("r").readline())
    assert node.ask("status") == []


def test_the_socket_of_the_last_run_may_go_while_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(Home(tmp_path), "default", 0)
    cluster.state.mkdir(parents=True)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    assert Node.find(cluster) is None


def test_ends_in_words() -> None:
    assert describe(-signal.SIGSEGV) == "killed by SIGSEGV"
    assert describe(0) == "exit status 0"
