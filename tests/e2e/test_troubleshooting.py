"""What clients say when something is wrong, as docs/troubleshooting.md quotes it."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.e2e.environment import Environment, until
from tests.e2e.installation import namespace_of
from tests.e2e.terminal import Terminal, terminal_in
from tests.support.cluster import CommandFailed

NOBODY = 65534


@pytest.fixture(scope="module")
def team(cluster: Environment) -> Iterator[Environment]:
    with namespace_of(cluster) as team:
        yield team


@pytest.fixture(scope="module")
def terminal(team: Environment) -> Iterator[Terminal]:
    """The terminal, after it has created NestedDocker `build`."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        terminal = terminal_in(Path(folder), team)
        terminal.succeeds("create", "build", "--progress=quiet")
        yield terminal


@pytest.fixture
def port(terminal: Terminal, team: Environment) -> Iterator[str]:
    """A port of this machine that leads to the daemon's. kubectl gives it up when a connection breaks off."""
    pod = team.kubectl("get", "nesteddocker", "build", "-o", "jsonpath={.status.podName}")
    with terminal.start("kubectl", "port-forward", f"pod/{pod}", ":2376") as process:
        assert process.stdout is not None
        forwarded = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert forwarded
        yield forwarded[1]
        process.terminate()


@pytest.fixture(scope="module")
def files(terminal: Terminal) -> Path:
    """The client's files of `build`, and in folders beside them what does not belong there."""
    folder, other = terminal.folder / "files", trustme.CA()
    own = {}
    for name in ("ca", "cert", "key"):
        path = f"jsonpath={{.data.{name}\\.pem}}"
        encoded = terminal.run("kubectl", "get", "secret", "build-docker", "-o", path).out
        own[name] = terminal.run("base64", "-d", stdin=encoded).out.encode()
    kinds = {"own": own, "other-authority": own | {"ca": other.cert_pem.bytes()}}
    for kind, content in kinds.items():
        (folder / kind).mkdir(parents=True)
        for name, pem in content.items():
            (folder / kind / f"{name}.pem").write_bytes(pem)
    return folder


def says(terminal: Terminal, *command: str, **variables: str) -> str:
    """What a command says that fails."""
    ended = terminal.run("env", *(f"{name}={value}" for name, value in variables.items()), *command)
    assert ended.code, ended
    return ended.err


def test_no_daemon_at_the_address(terminal: Terminal) -> None:
    assert "Cannot connect to the Docker daemon at " in says(terminal, "docker", "ps", DOCKER_HOST="tcp://127.0.0.1:1")
    socket_ = "unix:///nowhere/docker.sock"
    assert "failed to connect to the docker API at " in says(terminal, "docker", "ps", DOCKER_HOST=socket_)
    unknown = says(terminal, "docker", "ps", DOCKER_HOST="tcp://build.nowhere.svc:2376")
    assert "no such host" in unknown


def test_without_tls(terminal: Terminal, port: str) -> None:
    said = says(terminal, "docker", "ps", DOCKER_HOST=f"tcp://localhost:{port}")
    assert "Client sent an HTTP request to an HTTPS server" in said


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nowhere", "ca.pem: no such file or directory"),
        ("other-authority", "x509: certificate signed by unknown authority"),
    ],
)
def test_wrong_files(terminal: Terminal, port: str, files: Path, kind: str, message: str) -> None:
    variables = {"DOCKER_HOST": f"tcp://localhost:{port}", "DOCKER_TLS_VERIFY": "1"}
    assert message in says(terminal, "docker", "ps", **variables, DOCKER_CERT_PATH=str(files / kind))


def test_a_certificate_of_another_authority(team: Environment) -> None:
    """In the cluster: kubectl's forwarding may break off before the daemon's answer is through."""
    certificate = trustme.CA().issue_cert("client")
    pems = {"cert": certificate.cert_chain_pems[0].bytes(), "key": certificate.private_key_pem.bytes()}
    team.client("client", "build")
    team.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    team.exec("client", "cp", "-rL", "/certs/client", "/tmp/other")
    for name, pem in pems.items():
        team.exec("client", "sh", "-c", f"echo '{pem.decode()}' >/tmp/other/{name}.pem")
    with pytest.raises(CommandFailed, match="remote error: tls: "):
        team.exec("client", "env", "DOCKER_CERT_PATH=/tmp/other", "docker", "ps")


def test_the_right_files(terminal: Terminal, port: str, files: Path) -> None:
    variables = (f"DOCKER_HOST=tcp://localhost:{port}", "DOCKER_TLS_VERIFY=1", f"DOCKER_CERT_PATH={files}/own")
    ended = terminal.run("env", *variables, "docker", "ps")
    assert ended.code == 0, ended


def test_buildx_without_a_context(terminal: Terminal, port: str, files: Path) -> None:
    variables = {"DOCKER_HOST": f"tcp://localhost:{port}", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": f"{files}/own"}
    said = says(terminal, "docker", "buildx", "create", **variables)
    assert "could not create a builder instance with TLS data loaded from environment" in said


def test_a_socket_that_is_for_others(terminal: Terminal) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name, socket.socket(socket.AF_UNIX) as listening:
        folder = Path(name)
        folder.chmod(0o755)
        docker = shutil.which("docker", path=terminal.variables["PATH"])
        assert docker
        shutil.copy(docker, folder / "docker")
        listening.bind(f"{folder}/docker.sock")
        (folder / "docker.sock").chmod(0o600)
        as_nobody = ("setpriv", f"--reuid={NOBODY}", "--clear-groups", f"{folder}/docker", "ps")
        said = says(terminal, *as_nobody, HOME=name, DOCKER_HOST=f"unix://{folder}/docker.sock")
    assert "permission denied while trying to connect to the docker API at " in said


def test_a_registry_that_the_daemon_does_not_find(terminal: Terminal) -> None:
    ended = terminal.cli("run", "--progress=quiet", "--name=build", "--", "docker", "pull", "registry.invalid/x")
    assert ended.code
    assert "failed to resolve reference " in ended.err
    assert "no such host" in ended.err


def test_another_version_of_the_api(team: Environment) -> None:
    manifest = {"apiVersion": "nesteddocker.dev/v0", "kind": "NestedDocker", "metadata": {"name": "x"}}
    with pytest.raises(CommandFailed, match='no matches for kind "NestedDocker"'):
        team.apply(manifest)


def test_labels_of_the_operator(team: Environment) -> None:
    labels = {"app.kubernetes.io/managed-by": "nested-docker-operator"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "x", "labels": labels},
        "spec": {"ports": [{"port": 1}]},
    }
    with pytest.raises(CommandFailed) as denied:
        team.apply(service)
    assert "ValidatingAdmissionPolicy 'nested-docker-operator-" in str(denied.value)
    assert " denied request" in str(denied.value)


def test_a_pod_that_names_no_nested_docker(team: Environment) -> None:
    mounts = [{"name": "docker", "mountPath": "/certs/client"}]
    container = {"name": "client", "image": "busybox", "imagePullPolicy": "Never", "volumeMounts": mounts}
    volume = {"name": "docker", "secret": {"secretName": "nobody-docker"}}
    spec = {"containers": [container], "volumes": [volume], "terminationGracePeriodSeconds": 0}
    team.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lost"}, "spec": spec})
    until(
        lambda: 'secret "nobody-docker" not found' in team.kubectl("get", "events"),
        60,
        lambda: team.kubectl("get", "events"),
    )
    team.kubectl("delete", "pod", "lost", "--wait=false")
