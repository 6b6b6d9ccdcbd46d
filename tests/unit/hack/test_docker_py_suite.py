"""The comparison of two runs of the SDK's integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack import docker_py_suite as suite

REPORT = """<?xml version="1.0"?>
<testsuites><testsuite name="pytest">
  <testcase classname="tests.integration.a.A" name="test_passes"/>
  <testcase classname="tests.integration.a.A" name="test_fails"><failure message="APIError: 403&#10;more">text</failure>
  </testcase>
  <testcase classname="tests.integration.a.A" name="test_fails"><error message="teardown"/></testcase>
  <testcase classname="tests.integration.a.A" name="test_errs"><error message=""/></testcase>
  <testcase classname="tests.integration.a.A" name="test_skips"><skipped type="pytest.skip" message="no swarm"/>
  </testcase>
</testsuite></testsuites>"""
FOUND = {
    "tests.integration.a.A.test_passes": suite.Outcome("passed"),
    "tests.integration.a.A.test_fails": suite.Outcome("failed", "APIError: 403"),
    "tests.integration.a.A.test_errs": suite.Outcome("error"),
    "tests.integration.a.A.test_skips": suite.Outcome("skipped", "no swarm"),
}


def test_a_report_has_the_outcome_of_each_test() -> None:
    assert suite.outcomes(REPORT) == FOUND
    assert suite.summary(FOUND) == "1 error, 1 failed, 1 passed, 1 skipped"


def test_the_same_results_are_no_difference_whatever_their_reasons() -> None:
    other = {**FOUND, "tests.integration.a.A.test_fails": suite.Outcome("failed", "APIError: 500")}
    assert suite.differences(FOUND, other) == []


@pytest.mark.parametrize(
    ("ours", "plain", "expected"),
    [
        (
            {"a": suite.Outcome("failed", "403")},
            {"a": suite.Outcome("passed")},
            "failed: 403\n    plain daemon: passed",
        ),
        ({"a": suite.Outcome("passed")}, {"a": suite.Outcome("failed", "x")}, "passed\n    plain daemon: failed: x"),
        (
            {"a": suite.Outcome("error", "e")},
            {"a": suite.Outcome("failed", "e")},
            "error: e\n    plain daemon: failed: e",
        ),
        ({}, {"a": suite.Outcome("passed")}, "absent\n    plain daemon: passed"),
        ({"a": suite.Outcome("passed")}, {}, "passed\n    plain daemon: absent"),
    ],
)
def test_another_result_is_a_difference(
    ours: dict[str, suite.Outcome], plain: dict[str, suite.Outcome], expected: str
) -> None:
    same = {"b": suite.Outcome("passed")}
    assert suite.differences({**ours, **same}, {**plain, **same}) == [f"a\n    NestedDocker: {expected}"]


def test_the_plain_daemon_has_no_tls() -> None:
    ours = {"DOCKER_HOST": "tcp://build:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs", "PATH": "/bin"}
    assert suite.plain_environment(ours, "unix:///run/d.sock") == {"DOCKER_HOST": "unix:///run/d.sock", "PATH": "/bin"}


@pytest.mark.parametrize(
    ("arguments", "host"), [([], "tcp://x"), (["folder"], "tcp://x"), (["folder", "unix:///x"], "")]
)
def test_the_usage_is_shown(
    arguments: list[str], host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert suite.main(arguments) == 2
    assert "Usage: hack/docker_py_suite.py FOLDER PLAIN" in capsys.readouterr().err


def test_a_suite_is_run_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tests = tmp_path / "tests/integration"
    tests.mkdir(parents=True)
    (tests / "test_host.py").write_text(
        "import os\n"
        "def test_same(): pass\n"
        "def test_plain(): assert os.environ['DOCKER_HOST'] == 'unix:///plain', 'not plain'\n"
    )
    monkeypatch.setenv("DOCKER_HOST", "tcp://build:2376")
    assert suite.main([str(tmp_path), "unix:///plain"]) == 1
    shown = capsys.readouterr().out
    assert "NestedDocker: 1 failed, 1 passed\nplain daemon: 2 passed\ndifferences: 1\n" in shown
    assert "tests.integration.test_host.test_plain\n    NestedDocker: failed: AssertionError: not plain" in shown


def test_a_folder_without_the_suite_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://build:2376")
    with pytest.raises(SystemExit, match=r"pytest cannot run the tests in .* \(exit code 4\)"):
        suite.main([str(tmp_path), "unix:///plain"])
