"""The Go program at both ends of the guard's benchmark (`load/`): building it, and running it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "operator"), str(ROOT / "hack/cluster")]

from embedded.golang import toolchain  # noqa: E402
from embedded.layout import Home  # noqa: E402
from embedded.report import Clock  # noqa: E402

SOURCES = Path(__file__).with_name("load")
TIMEOUT = 60.0


@dataclass(frozen=True)
class Requests:
    """What a run of small requests came to; times are milliseconds."""

    answered: int
    errors: int
    error: str
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Load:
    """The program, and the key set by which it speaks TLS."""

    program: Path
    certificates: Path

    @classmethod
    def build(cls, folder: Path, certificates: Path) -> Load:
        go = toolchain(Home.from_environment(), Clock())
        subprocess.run(
            [go, "build", "-buildvcs=false", "-o", folder / "load", "."],
            cwd=SOURCES,
            env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""},
            check=True,
        )
        return cls(folder / "load", certificates)

    def daemon(self, unix: Path, tcp: str, *, owner: str) -> list[str]:
        """The command of a daemon whose objects are all of one owner."""
        listens = [f"--unix={unix}", f"--tcp={tcp}", f"--certificates={self.certificates}"]
        return [str(self.program), "serve", *listens, f"--owner={owner}"]

    def requests(self, to: str, what: str, clients: int, seconds: float, *, rate: float = 0) -> Requests:
        """Small requests for some seconds; with a rate by the clock, else each client as fast as it is answered."""
        given = {"what": what, "clients": clients, "during": f"{seconds}s", "rate": rate}
        return Requests(**self._run("requests", to, given))

    def stream(self, to: str, what: str, size: int) -> float:
        """Bytes per second of a stream of that size; 0: it broke, or stood still."""
        try:
            passed = self._run("stream", to, {"what": what, "bytes": size})
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"{to} {what}: {error} {error.stderr or ''}", file=sys.stderr)
            return 0.0
        return float(passed["bytes"] / passed["seconds"])

    def _run(self, command: str, to: str, given: dict[str, Any]) -> dict[str, Any]:
        flags = [f"--{name}={value}" for name, value in ({"to": to, "certificates": self.certificates} | given).items()]
        ran = subprocess.run(
            [self.program, command, *flags], capture_output=True, check=True, text=True, timeout=TIMEOUT
        )
        result: dict[str, Any] = json.loads(ran.stdout)
        return result
