"""Runs the integration tests of the SDK for Python against a NestedDocker and a plain daemon; lists the differences.

Usage: hack/docker_py_suite.py FOLDER PLAIN

FOLDER is a checkout of github.com/docker/docker-py. DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH are those of
the NestedDocker, from its env Secret and the mounted TLS Secret, as in examples/client-pod.yaml. PLAIN is the
DOCKER_HOST of another daemon with the same version and the same images, without TLS, such as
unix:///run/plain/docker.sock.

The tests leave objects behind: use daemons that nobody else needs. The exit code is 1 if there are differences.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PASSED = "passed"
CLIENT_ONLY = ("--ignore=tests/integration/credentials", "--ignore=tests/integration/context_api_test.py")
"""Tests that need no daemon, and that change the client's configuration for those that follow."""

TLS_VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one test.

    Attributes:
        result: `passed`, `failed`, `error` or `skipped`.
        reason: the first line of the message; empty: there is none.
    """

    result: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.result}: {self.reason}" if self.reason else self.result


ABSENT = Outcome("absent")


def outcomes(report: str) -> dict[str, Outcome]:
    """The outcome of each test in a JUnit report of pytest.

    A test that fails and whose cleanup also fails is in a report twice; the first one counts.
    """
    found: dict[str, Outcome] = {}
    for case in ET.fromstring(report).iter("testcase"):  # noqa: S314 - pytest has just written it
        name = f"{case.get('classname')}.{case.get('name')}"
        found.setdefault(name, _outcome(case))
    return found


def differences(ours: Mapping[str, Outcome], plain: Mapping[str, Outcome]) -> list[str]:
    """A line for each test with another result; tests with the same result and another reason are the same."""
    lines = []
    for name in sorted(ours.keys() | plain.keys()):
        here, there = ours.get(name, ABSENT), plain.get(name, ABSENT)
        if here.result != there.result:
            lines.append(f"{name}\n    NestedDocker: {here}\n    plain daemon: {there}")
    return lines


def summary(found: Mapping[str, Outcome]) -> str:
    """How many tests have each result."""
    results = [each.result for each in found.values()]
    return ", ".join(f"{results.count(each)} {each}" for each in sorted(set(results)))


def run_suite(folder: Path, environment: Mapping[str, str]) -> dict[str, Outcome]:
    """Run the tests.

    Raises:
        SystemExit: pytest cannot run them.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "tests/integration", *CLIENT_ONLY, f"--junit-xml={report}"]
        ran = subprocess.run(command, cwd=folder, env=dict(environment), check=False)
        if ran.returncode not in {0, 1}:
            raise SystemExit(f"pytest cannot run the tests in {folder} (exit code {ran.returncode})")
        return outcomes(report.read_text(encoding="utf-8"))


def plain_environment(environment: Mapping[str, str], host: str) -> dict[str, str]:
    """The environment for a daemon without TLS."""
    return {key: value for key, value in environment.items() if key not in TLS_VARIABLES} | {"DOCKER_HOST": host}


def main(arguments: list[str]) -> int:
    """Run, compare and print; the exit status."""
    if len(arguments) != 2 or not os.environ.get("DOCKER_HOST"):
        print(__doc__, file=sys.stderr)
        return 2
    folder, host = Path(arguments[0]), arguments[1]
    ours = run_suite(folder, os.environ)
    plain = run_suite(folder, plain_environment(os.environ, host))
    found = differences(ours, plain)
    print(f"NestedDocker: {summary(ours)}\nplain daemon: {summary(plain)}\ndifferences: {len(found)}")
    print("\n".join(found))
    return 1 if found else 0


def _outcome(case: ET.Element) -> Outcome:
    for kind, result in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
        if (element := case.find(kind)) is not None:
            return Outcome(result, (element.get("message") or "").strip().partition("\n")[0][:200])
    return Outcome(PASSED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
