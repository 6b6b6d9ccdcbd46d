"""Commands run at the same time, each line has its command's name, and no failure is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from hack import side_by_side
from tests.support.cluster import ROOT

SCRIPT = str(ROOT / "hack/side_by_side.py")


def start(*arguments: str) -> subprocess.Popen[str]:
    """The script, as a shell starts it."""
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_commands_run_at_the_same_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("pipes")
    os.mkfifo(folder / "pipe")
    output, _ = start(f"reader=cat {folder}/pipe", f"writer=sh -c 'echo met > {folder}/pipe'").communicate(timeout=30)
    assert output == "reader | met\n"


def test_each_line_has_the_name_of_its_command() -> None:
    process = start("a=printf 'one\\ntwo\\n'", "long=sh -c 'echo three >&2'")
    output, _ = process.communicate(timeout=30)
    assert sorted(output.splitlines()) == ["a    | one", "a    | two", "long | three"]
    assert process.returncode == 0


def test_a_failure_ends_no_other_command_and_is_the_last_line() -> None:
    process = start("bad=sh -c 'exit 3'", "killed=sh -c 'kill -9 $$'", "good=sh -c 'sleep 0.5; echo done'")
    output, _ = process.communicate(timeout=30)
    lines = output.splitlines()
    assert (lines[0], lines[-1]) == ("good   | done", "failed: bad, killed")
    assert process.returncode == 1


def test_the_last_lines_of_a_failure_are_printed_once_more() -> None:
    process = start("bad=sh -c 'seq 100; exit 3'", "good=sh -c 'sleep 0.5; seq 200'")
    output, _ = process.communicate(timeout=30)
    lines = output.splitlines()
    assert lines[300] == "the last lines of bad, which has failed:"
    assert lines[301:] == [*(f"bad  | {number}" for number in range(71, 101)), "failed: bad"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_each_command_and_waits_for_its_end(number: signal.Signals) -> None:
    process = start("a=sh -c 'trap \"echo ended; exit 1\" INT; echo begun; while :; do sleep 0.1; done'")
    assert process.stdout is not None
    assert process.stdout.readline() == "a | begun\n"
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    lines = output.splitlines()
    assert (lines[0], lines[-1]) == ("a | ended", "failed: a")


@pytest.mark.parametrize("argument", ["unit", "=pytest", "unit=", "unit='pytest"])
def test_a_wrong_argument_is_an_error_with_an_example(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert side_by_side.main([argument]) == 2
    error = capsys.readouterr().err
    assert "unit='pytest tests/unit'" in error or "No closing quotation" in error


def test_without_commands_it_prints_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert side_by_side.main([]) == 2
    assert "Usage: side_by_side.py" in capsys.readouterr().err
