"""Credentials of kubeconfigs: exec plugins and files with tokens, as kubectl uses them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.user_world import NAMESPACE, UserWorld

from nested_docker.adapters import user_cluster
from nested_docker.adapters.user_cluster import KubeconfigError, connect_as_user

Write = Callable[..., str]
API_VERSION = "client.authentication.k8s.io/v1"


@pytest.fixture
def write(tmp_path: Path, world: UserWorld) -> Write:
    """Writes a kubeconfig whose user has these credentials; its path."""

    def write(user: dict[str, Any], cluster: dict[str, Any] | None = None) -> str:
        content = yaml.safe_load(world.kubeconfig.read_text())
        content["users"][0]["user"] = user
        content["clusters"][0]["cluster"] |= cluster or {}
        path = tmp_path / "other"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write


@pytest.fixture
def world(tmp_path: Path) -> Any:
    with UserWorld(tmp_path) as world:
        yield world


def plugin(folder: Path, script: str, **settings: Any) -> dict[str, Any]:
    """A user whose credentials come from a shell script beside the kubeconfig."""
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"exec": {"apiVersion": API_VERSION, "command": "./plugin", **settings}}


def answer(**status: str) -> str:
    return f"echo '{json.dumps({'apiVersion': API_VERSION, 'kind': 'ExecCredential', 'status': status})}'"


async def authorization(world: UserWorld, kubeconfig: str, requests: int = 1) -> set[str]:
    cluster = await connect_as_user(kubeconfig)
    for _ in range(requests):
        await cluster.kube.list("NestedDocker", NAMESPACE)
    await cluster.close()
    return world.server.authorization


async def test_a_plugin_gives_a_token(
    world: UserWorld, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f'{answer(token="of-plugin")}\nprintf "%s|%s|" "$1" "$WHO" >> {tmp_path}/calls'
    user = plugin(tmp_path, script, args=["get"], env=[{"name": "WHO", "value": "jane"}], interactiveMode="Never")
    monkeypatch.chdir("/")
    assert await authorization(world, write(user)) == {"Bearer of-plugin"}
    assert (tmp_path / "calls").read_text() == "get|jane|"


async def test_a_plugin_that_wants_it_gets_the_cluster(world: UserWorld, write: Write, tmp_path: Path) -> None:
    script = f'echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info\n{answer(token="x")}'
    (tmp_path / "ca").write_text("authority")
    extension = [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}}]
    cluster = {"certificate-authority": "ca", "extensions": extension}
    await authorization(world, write(plugin(tmp_path, script, provideClusterInfo=True), cluster))
    spec = json.loads((tmp_path / "info").read_text())["spec"]
    assert spec["interactive"] is False
    assert spec["cluster"]["server"] == world.server.url
    assert base64.b64decode(spec["cluster"]["certificate-authority-data"]) == b"authority"
    assert spec["cluster"]["config"] == {"audience": "a"}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'log in first' >&2; exit 3", "its exec plugin ./plugin failed with exit code 3"),
        ("echo '{'", "its exec plugin ./plugin did not print an ExecCredential"),
        ("echo '[]'", "its exec plugin ./plugin did not print an ExecCredential"),
        ("true", "its exec plugin ./plugin did not print an ExecCredential"),
        (answer(), "printed neither a token nor a certificate with its key"),
        (answer(clientCertificateData="x"), "printed neither a token nor a certificate with its key"),
        (answer(token="x", expirationTimestamp="soon"), "its exec plugin ./plugin did not print an ExecCredential"),
        (answer(token="x\\ny"), "its token has characters that a header cannot have"),
    ],
)
async def test_a_plugin_without_credentials_ends_it(
    world: UserWorld, write: Write, capfd: pytest.CaptureFixture[str], script: str, message: str
) -> None:
    with pytest.raises(KubeconfigError, match=message):
        await connect_as_user(write(plugin(world.folder, script)))
    assert world.requests == []
    shown = capfd.readouterr().err
    assert ("log in first" in shown) == ("log in first" in script), "as kubectl does: people log in there"


async def test_a_plugin_that_is_missing_has_its_hint(write: Write) -> None:
    user = {"exec": {"apiVersion": API_VERSION, "command": "no-such-plugin", "installHint": "install it by apt"}}
    with pytest.raises(KubeconfigError, match="no-such-plugin cannot be run: No such file or directory; install it by"):
        await connect_as_user(write(user))


@pytest.mark.parametrize(("ends", "calls"), [(timedelta(hours=1), 1), (timedelta(seconds=-1), 4), (None, 4)])
async def test_a_plugin_runs_again_when_its_token_may_have_expired(
    world: UserWorld, write: Write, monkeypatch: pytest.MonkeyPatch, ends: timedelta | None, calls: int
) -> None:
    monkeypatch.setattr(user_cluster, "REFRESH_SECONDS", 0.0)
    expires = {"expirationTimestamp": (datetime.now(UTC) + ends).isoformat()} if ends else {}
    user = plugin(world.folder, f"echo x >> {world.folder}/calls\n{answer(token='t', **expires)}")
    await authorization(world, write(user), requests=3)
    assert len((world.folder / "calls").read_text().split()) == calls


async def test_the_line_break_of_a_token_file_is_not_part_of_the_token(
    world: UserWorld, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("from-file\n")
    assert await authorization(world, write({"tokenFile": "token"})) == {"Bearer from-file"}


@pytest.mark.parametrize("token", ["a\nb", "a\x00b", "ä"])
async def test_a_token_that_no_header_can_have(write: Write, token: str) -> None:
    with pytest.raises(KubeconfigError, match="its token has characters that a header cannot have"):
        await connect_as_user(write({"token": token}))
