import signal
from pathlib import Path

import pytest
from embedded import cli, machine
from embedded.api import objects, schedulable
from embedded.report import ClusterError, UnsupportedMachineError


@pytest.mark.parametrize(
    ("argv", "own", "words"),
    [
        (["kubectl", "get", "pods", "-A"], ["kubectl"], ["get", "pods", "-A"]),
        (["kubectl", "-n", "x", "get", "pods", "--name", "y"], ["kubectl"], ["-n", "x", "get", "pods", "--name", "y"]),
        (["kubectl", "--name", "x", "get"], ["kubectl", "--name", "x"], ["get"]),
        (["exec", "--name=x", "--", "ls", "--", "-l"], ["exec", "--name=x"], ["ls", "--", "-l"]),
        (["exec"], ["exec"], []),
        (["exec", "--vm", "--name", "x", "ls", "--vm"], ["exec", "--vm", "--name", "x"], ["ls", "--vm"]),
        (["kubectl", "--vm"], ["kubectl"], ["--vm"]),
        (["up", "--keep"], ["up", "--keep"], []),
    ],
)
def test_another_programs_words_stay_its_own(argv: list[str], own: list[str], words: list[str]) -> None:
    assert cli.split(argv) == (own, words)


@pytest.mark.parametrize("text", ["9", "KILL", "sigkill", "SIGKILL"])
def test_signals_by_name_and_number(text: str) -> None:
    assert cli.parse_signal(text) == signal.SIGKILL


def test_an_unknown_signal_is_told() -> None:
    with pytest.raises(ClusterError, match="no signal 'NOPE'"):
        cli.parse_signal("NOPE")


def test_where_it_cannot_run_it_names_another_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("NESTED_DOCKER_CLUSTER_HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert cli.main(["up"]) == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "kind create cluster" in capsys.readouterr().err
    with pytest.raises(UnsupportedMachineError, match="root"):
        machine.require()
    assert list(tmp_path.iterdir()) == []


def node(*, ready: str, taints: list[dict[str, str]]) -> dict[str, object]:
    return {"status": {"conditions": [{"type": "Ready", "status": ready}]}, "spec": {"taints": taints}}


def test_a_node_takes_pods_when_ready_and_untainted() -> None:
    assert not schedulable(None)
    assert not schedulable({"items": []})
    assert not schedulable({"items": [node(ready="False", taints=[])]})
    assert not schedulable({"items": [node(ready="True", taints=[{"key": "node.kubernetes.io/not-ready"}])]})
    assert schedulable({"items": [node(ready="True", taints=[])]})


def test_the_runtime_class_says_that_it_is_a_stand_in() -> None:
    [runtime_class] = [manifest for manifest in objects().values() if manifest["kind"] == "RuntimeClass"]
    assert "no isolation at all" in runtime_class["metadata"]["annotations"]["kubernetes.io/description"]
    assert runtime_class["scheduling"] == {"nodeSelector": {"sysbox-runtime": "running"}}
