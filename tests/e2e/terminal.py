"""A person outside the cluster with `nested-docker`, docker and kubectl, who reaches only the API server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from tests.e2e.environment import Environment
from tests.support.cluster import HOME, KUBECTL

NESTED_DOCKER = [sys.executable, "-m", "nested_docker"]
OPERATOR = Path(__file__).parents[2] / "operator"


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Terminal:
    """Runs commands with the rights of one user.

    Attributes:
        folder: private to this user: the kubeconfig, docker's settings and the runtime directory.
        kubeconfig: the user's.
    """

    folder: Path
    kubeconfig: Path

    @property
    def runtime(self) -> Path:
        """Where commands keep files while they run."""
        return self.folder / "run"

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of commands."""
        path = [KUBECTL.parent, Path(sys.executable).parent, os.environ["PATH"], HOME / "roots/docker/usr/bin"]
        return {
            "PATH": ":".join(map(str, path)),
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": str(OPERATOR),
            "SHELL": "/bin/bash",
            "XDG_RUNTIME_DIR": str(self.runtime),
        }

    @contextmanager
    def start(self, *command: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
        """Start a program, and wait for its end; it is killed if that fails."""
        with subprocess.Popen(
            command,
            env=self.variables,
            cwd=self.folder,
            text=True,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise

    def run(self, *command: str, stdin: str | None = None, timeout: float = 120) -> Ended:
        """Run a program to its end."""
        with self.start(*command, stdin=subprocess.PIPE) as process:
            out, err = process.communicate(stdin, timeout=timeout)
        return Ended(process.returncode, out, err)

    def cli(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> Ended:
        """Run `nested-docker`."""
        return self.run(*NESTED_DOCKER, *arguments, stdin=stdin, timeout=timeout)

    def succeeds(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run `nested-docker`, which has to succeed; its standard output."""
        ended = self.cli(*arguments, stdin=stdin, timeout=timeout)
        assert ended.code == 0, ended
        return ended.out

    def fails(self, code: int, *arguments: str) -> str:
        """Run `nested-docker`, which has to fail with that code and one error; its standard error."""
        ended = self.cli(*arguments)
        assert ended.code == code, ended
        assert "Traceback" not in ended.err
        assert sum(line.startswith("error: ") for line in ended.err.splitlines()) == 1, ended.err
        return ended.err

    def as_user(self, name: str, user: Mapping[str, object]) -> Terminal:
        """The same terminal with other credentials, in the form that a kubeconfig has them."""
        content = yaml.safe_load(self.kubeconfig.read_text())
        content["users"] = [{"name": name, "user": dict(user)}]
        content["contexts"][0]["context"]["user"] = name
        path = self.folder / f"kubeconfig-{name}"
        path.write_text(yaml.safe_dump(content))
        return replace(self, kubeconfig=path)


def terminal_in(folder: Path, env: Environment) -> Terminal:
    """A terminal of an admin, whose context has the namespace of the test."""
    content = yaml.safe_load(Path(env.kubeconfig).read_text())
    content["contexts"][0]["context"]["namespace"] = env.namespace
    terminal = Terminal(folder, folder / "kubeconfig")
    terminal.kubeconfig.write_text(yaml.safe_dump(content))
    terminal.runtime.mkdir(mode=0o700)
    plugins = folder / ".docker/cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(HOME / "bin/docker-buildx")
    return terminal
