"""Projects of docker compose."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.guard.owner import Owner

SLEEP = ["sleep", "300"]


@dataclass(frozen=True)
class Project:
    """A project in a separate folder, and the owner whose socket it uses.

    Attributes:
        owner: of the socket.
        name: the project's, and the folder's.
        folder: what compose runs in.
        env: variables for the docker CLI.
    """

    owner: Owner
    name: str
    folder: Path
    env: dict[str, str]

    def write(self, document: dict[str, Any]) -> None:
        (self.folder / "compose.yaml").write_text(json.dumps(document))  # YAML takes in JSON

    def run(self, *args: str) -> subprocess.CompletedProcess[bytes]:
        return self.owner.run(
            "compose", "--project-name", self.name, "--project-directory", str(self.folder), *args, env=self.env
        )

    def compose(self, *args: str) -> str:
        ran = self.run(*args)
        assert ran.returncode == 0, f"docker compose {args}: {ran.stderr.decode()}"
        return ran.stdout.decode().strip()

    def refused(self, service: dict[str, Any], **top: Any) -> str:
        """The error of compose for a service that the rules do not allow."""
        self.write({"services": {"one": {"image": "busybox", "command": SLEEP, **service}}, **top})
        ran = self.run("up", "-d")
        assert ran.returncode != 0, ran
        return ran.stderr.decode()
