"""The cluster under test: the embedded one, or one that the environment names; never one of somebody's own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "hack/cluster/cluster"
HOME = Path(os.environ.get("NESTED_DOCKER_CLUSTER_HOME", Path.home() / ".cache/nested-docker/cluster"))
KUBECTL = HOME / "bin" / os.environ.get("NESTED_DOCKER_KUBERNETES", "") / "kubectl"
"""The embedded cluster's kubectl, of its version."""

VARIABLE = "NESTED_DOCKER_TEST_KUBECONFIG"
NAME = "test"
OWNER = "make"
"""Owner of every cluster that a test starts: `make down` ends those of this owner."""

OURS = re.compile(r"(nested-docker|kind)-[a-z0-9.-]+")


class CommandFailed(AssertionError):
    """A command ended with another status than 0."""


def run(*command: str, stdin: str | None = None, timeout: float = 60, env: dict[str, str] | None = None) -> str:
    """A command's standard output.

    Raises:
        CommandFailed: with what the command printed.
    """
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, env=env, check=False)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)[:300]}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


@dataclass(frozen=True)
class Cluster:
    """A cluster that tests may do anything to."""

    kubeconfig: str
    program: str

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl; its standard output."""
        environment = {**os.environ, "KUBECONFIG": self.kubeconfig}
        return run(self.program, *arguments, stdin=stdin, timeout=timeout, env=environment)

    def apply(self, *manifests: dict[str, object]) -> None:
        """Apply manifests server-side."""
        text = yaml.safe_dump_all(manifests, sort_keys=False)
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


@contextmanager
def obtain() -> Iterator[Cluster]:
    """The cluster that the environment names, else the embedded one, which ends again if it was down before."""
    named = os.environ.get(VARIABLE)
    if named:
        refuse_strangers(named)
        with alone(named):
            yield Cluster(named, _kubectl())
        return
    with alone(NAME):
        was_up = subprocess.run([TOOL, "status", "--name", NAME], capture_output=True, check=False).returncode == 0
        start = ("kubeconfig",) if was_up else ("up", "--docker", "--owner", OWNER)
        kubeconfig = run(str(TOOL), *start, "--name", NAME, timeout=1800).strip()
        refuse_strangers(kubeconfig)
        try:
            yield Cluster(kubeconfig, _kubectl())
        finally:
            if not was_up:
                run(str(TOOL), "down", "--name", NAME, timeout=120)


@contextmanager
def alone(cluster: str) -> Iterator[None]:
    """Keep a second test session off the cluster: the operators of both would work on the same objects.

    Raises:
        AssertionError: there is another one.
    """
    digest = hashlib.sha256(cluster.encode()).hexdigest()[:12]
    with Path(tempfile.gettempdir(), f"nested-docker-tests-{digest}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AssertionError(
                f"another test session uses the cluster {cluster}: wait for it, or name another one in {VARIABLE}"
            ) from None
        yield


def refuse_strangers(kubeconfig: str) -> None:
    """Stop before a cluster that was not made for tests.

    Raises:
        AssertionError: the file is missing, or its current context is neither ours nor kind's.
    """
    path = Path(kubeconfig)
    assert path.is_file(), f"{VARIABLE}: there is no file {kubeconfig}"
    context = (yaml.safe_load(path.read_text()) or {}).get("current-context", "")
    assert OURS.fullmatch(context), (
        f"{kubeconfig}: the current context is {context!r}. These tests create, break and delete things, so they run "
        f"only against contexts nested-docker-* (made by {TOOL.relative_to(ROOT)} up) and kind-*"
    )


def _kubectl() -> str:
    program = str(KUBECTL) if KUBECTL.exists() else shutil.which("kubectl")
    assert program, f"there is no kubectl: run `{TOOL.relative_to(ROOT)} build`, or put one on the PATH"
    return program
