"""An owner: the process of a guarded relay, and its clients."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docker
import trustme

from nested_docker.relay import upstream

START_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """A response to a client."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


@dataclass
class Owner:
    """One NestedDocker's socket.

    Attributes:
        uid: the NestedDocker's.
        folder: for its files.
        rules: the guard's.
    """

    uid: str
    folder: Path
    rules: dict[str, Any]
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self, daemon: Path) -> None:
        authority = trustme.CA()
        server = authority.issue_cert("localhost")
        server.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        server.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))
        authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        (self.folder / "rules.json").write_text(json.dumps(self.rules))
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "nested_docker", "relay", f"--upstream={daemon}"),
                    *("--listen-tls=127.0.0.1:0", f"--listen-unix={self.socket}", f"--certificates={self.folder}"),
                    *(f"--health-port={_free_port()}", f"--guard-rules={self.folder / 'rules.json'}"),
                    f"--owner-uid={self.uid}",
                ],
                env=os.environ | {"PYTHONPATH": str(Path(upstream.__file__).parents[2])},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.socket.exists():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def memory(self) -> int:
        """Resident bytes of the guard's process."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def open_files(self) -> int:
        """Open files of the guard's process."""
        assert self._process is not None
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(30)
        client.connect(str(self.socket))
        return client

    def raw(self, data: bytes) -> bytes:
        """Send bytes, close the client's direction, and return all that comes back."""
        with self.connect() as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

    def request(self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """Send one request without changes; a body that is not bytes is encoded as JSON."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = {"Host": "docker", "Connection": "close"} | (headers or {})
        if data:
            head = {"Content-Type": "application/json", "Content-Length": str(len(data))} | head
        lines = [f"{method} {target} HTTP/1.1", *(f"{key}: {value}" for key, value in head.items()), "", ""]
        with self.connect() as client:
            client.sendall("\r\n".join(lines).encode("latin-1") + data)
            return parse(read_all(client))

    def docker(self, *args: str, stdin: str | bytes | None = None, env: dict[str, str] | None = None) -> str:
        """Run the docker CLI through the guard."""
        ran = self.run(*args, stdin=stdin, env=env)
        assert ran.returncode == 0, f"docker {args}: {ran.stderr.decode()}"
        return ran.stdout.decode().strip()

    def run(
        self, *args: str, stdin: str | bytes | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        return subprocess.run(
            ["docker", "--host", f"unix://{self.socket}", *args],
            input=given if given is not None else b"",
            capture_output=True,
            check=False,
            timeout=120,
            env=os.environ | {"DOCKER_BUILDKIT": "0"} | (env or {}),
        )

    def sdk(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=f"unix://{self.socket}", timeout=60)


def read_all(client: socket.socket) -> bytes:
    received = bytearray()
    try:
        while data := client.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return bytes(received)


def parse(data: bytes) -> Answer:
    """The last response in the received bytes; status 0 if the connection was closed without one."""
    head, _, body = data.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    if not head:
        return Answer(0, {}, b"")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return Answer(int(first.split(" ")[1]), headers, body)


def filters(**values: list[str]) -> str:
    return quote(json.dumps({key.replace("__", "!"): each for key, each in values.items()}))


def _unchunked(data: bytes) -> bytes:
    whole = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            break
        whole, data = whole + rest[:length], rest[length + 2 :]
    return whole


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
