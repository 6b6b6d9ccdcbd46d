"""Credentials of kubeconfigs: exec plugins and files with tokens, as kubectl uses them."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.user_certificates import authority, server_with_client_certificates
from tests.support.user_world import NAMESPACE, UserWorld

from nested_docker.adapters import renewal
from nested_docker.adapters.kubeconfig import KubeconfigError
from nested_docker.adapters.proxies import proxy_of
from nested_docker.adapters.user_cluster import connect_as_user, resolve_context
from nested_docker.domain.ports import KubeError

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
    monkeypatch.setattr(renewal, "REFRESH_SECONDS", 0.0)
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


# --- which context ------------------------------------------------------------------------------------------


def kubeconfig(current: str, **servers: str) -> str:
    """A kubeconfig with a cluster, a user and a context for each server."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "clusters": [{"name": name, "cluster": {"server": server}} for name, server in servers.items()],
        "users": [{"name": f"user-{name}", "user": {"token": f"token-of-{name}"}} for name in servers],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": f"user-{name}", "namespace": f"in-{name}"}}
            for name in servers
        ],
    }
    return yaml.safe_dump(content)


async def test_a_token_of_another_context_is_never_sent(
    world: UserWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(renewal, "AFTER_REFUSAL_SECONDS", 0.0)
    path = tmp_path / "two"
    path.write_text(kubeconfig("a", a=world.server.url, b="http://b.example"))
    cluster = await connect_as_user(str(path))
    await cluster.kube.list("NestedDocker", NAMESPACE)
    path.write_text(kubeconfig("b", a=world.server.url, b="http://b.example"))  # kubectl config use-context b
    await cluster.kube.list("NestedDocker", NAMESPACE)
    assert world.server.authorization == {"Bearer token-of-a"}
    path.write_text(kubeconfig("a", b=world.server.url, a="http://b.example"))  # the name means another cluster
    await cluster.kube.list("NestedDocker", NAMESPACE)
    world.refuse = lambda *_: (401, {"message": "Unauthorized"})
    with pytest.raises(KubeError):
        await cluster.kube.list("NestedDocker", NAMESPACE)
    with pytest.raises(KubeError):
        await cluster.forwarder.connect(NAMESPACE, "no-such-pod", 1)
    assert world.server.authorization == {"Bearer token-of-a"}
    await cluster.close()


@pytest.mark.parametrize("field", ["server", "user", "as"])
async def test_credentials_of_somebody_else_under_the_same_name_are_dropped(
    world: UserWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    monkeypatch.setattr(renewal, "REFRESH_SECONDS", 0.0)
    path = tmp_path / "one"
    content = yaml.safe_load(kubeconfig("a", a=world.server.url))
    path.write_text(yaml.safe_dump(content))
    cluster = await connect_as_user(str(path))
    content["users"][0]["user"]["token"] = "another"
    if field == "server":
        content["clusters"][0]["cluster"]["server"] = "http://b.example"
    elif field == "user":
        content["users"][0]["name"] = content["contexts"][0]["context"]["user"] = "root"
    else:
        content["users"][0]["user"]["as"] = "root"
    path.write_text(yaml.safe_dump(content))
    await cluster.kube.list("NestedDocker", NAMESPACE)
    await cluster.close()
    assert world.server.authorization == {"Bearer token-of-a"}


async def test_a_new_token_of_the_same_user_is_used(
    world: UserWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "REFRESH_SECONDS", 0.0)
    path = tmp_path / "one"
    path.write_text(kubeconfig("a", a=world.server.url))
    cluster = await connect_as_user(str(path))
    after = kubeconfig("b", a=world.server.url, b="http://b.example")  # kubectl config use-context b
    path.write_text(after.replace("token-of-a", "next"))
    await cluster.kube.list("NestedDocker", NAMESPACE)
    await cluster.close()
    assert world.server.authorization == {"Bearer next"}


async def test_of_several_files_the_first_one_chooses_the_context(
    world: UserWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, current in (("first", ""), ("second", "a"), ("third", "b")):
        (tmp_path / name).write_text(kubeconfig(current, **{current or "c": world.server.url}))
    monkeypatch.setenv(
        "KUBECONFIG", os.pathsep.join(str(tmp_path / each) for each in ("first", "none", "second", "third"))
    )
    assert resolve_context().name == "a"
    cluster = await connect_as_user()
    await cluster.kube.list("NestedDocker", NAMESPACE)
    await cluster.close()
    assert (cluster.namespace, world.server.authorization) == ("in-a", {"Bearer token-of-a"})
    assert resolve_context(context="b").namespace == "in-b"


def test_without_a_current_context_the_remedy_is_named(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(kubeconfig("", a="http://a.example"))
    with pytest.raises(KubeconfigError, match="it has no current-context: name one by --context"):
        resolve_context(str(tmp_path / "one"))


async def test_a_kubeconfig_may_be_a_pipe(world: UserWorld) -> None:
    read, write = os.pipe()
    os.write(write, kubeconfig("a", a=world.server.url).encode())
    os.close(write)
    cluster = await connect_as_user(f"/dev/fd/{read}")
    await cluster.kube.list("NestedDocker", NAMESPACE)
    await cluster.close()
    os.close(read)
    assert world.server.authorization == {"Bearer token-of-a"}


# --- impersonation ------------------------------------------------------------------------------------------


async def test_the_kubeconfigs_impersonation_is_sent_with_every_request(world: UserWorld, write: Write) -> None:
    user = {"token": "t", "as": "jane", "as-uid": "4711", "as-groups": ["dev", "ops"]}
    user |= {"as-user-extra": {"example.com/Scopes": ["view", "edit"]}}
    seen: list[list[tuple[str, str]]] = []
    world.server.on_headers = lambda headers: seen.append(
        sorted((name.title(), value) for name, value in headers.items() if name.title().startswith("Impersonate"))
    )
    cluster = await connect_as_user(write(user))
    await cluster.kube.list("NestedDocker", NAMESPACE)
    with pytest.raises(KubeError):
        await cluster.forwarder.connect(NAMESPACE, "no-such-pod", 1)
    await cluster.close()
    assert seen == 2 * [
        [
            ("Impersonate-Extra-Example.Com%2Fscopes", "edit"),
            ("Impersonate-Extra-Example.Com%2Fscopes", "view"),
            ("Impersonate-Group", "dev"),
            ("Impersonate-Group", "ops"),
            ("Impersonate-Uid", "4711"),
            ("Impersonate-User", "jane"),
        ]
    ]


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"as-groups": ["dev"]}, "its user has as-groups without as: add the user name"),
        ({"as": "a\nb"}, "Impersonate-User of its user has characters that a header cannot have"),
    ],
)
async def test_an_impersonation_that_cannot_be_sent(write: Write, user: dict[str, Any], message: str) -> None:
    with pytest.raises(KubeconfigError, match=message):
        await connect_as_user(write({"token": "t"} | user))


# --- proxies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "no_proxy", "proxy"),
    [
        ("https://10.1.2.3:6443", "", "http://proxy:3128"),
        ("https://10.1.2.3:6443", "example.com, 10.0.0.0/8", ""),
        ("https://10.1.2.3:6443", "10.2.0.0/16", "http://proxy:3128"),
        ("https://10.1.2.3:6443", "a/b", "http://proxy:3128"),
        ("https://[fd00::1]:6443", "fd00::/8", ""),
        ("https://api.example.com:6443", "example.com", ""),
        ("https://api.example.com:6443", "10.0.0.0/8", "http://proxy:3128"),
        ("https://127.0.0.1:6443", "", ""),
        ("https://localhost:6443", "", ""),
    ],
)
def test_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch, server: str, no_proxy: str, proxy: str) -> None:
    for name in ("no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_of(server, "") == proxy
    assert proxy_of(server, "http://other:1") == "http://other:1"


@pytest.mark.parametrize(
    ("proxy", "what"), [("socks5://127.0.0.1:1080", "the scheme socks5"), ("127.0.0.1:3128", "no scheme")]
)
async def test_a_proxy_of_another_scheme_is_named(write: Write, proxy: str, what: str) -> None:
    with pytest.raises(KubeconfigError, match=rf"the kubeconfig's proxy-url has {what}: use a proxy with http://"):
        await connect_as_user(write({"token": "t"}, {"proxy-url": proxy}))


# --- credentials that the API server does not accept any more -----------------------------------------------


async def test_after_a_refusal_the_credentials_are_read_again(
    world: UserWorld, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "AFTER_REFUSAL_SECONDS", 0.0)
    ends = {"expirationTimestamp": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    user = plugin(world.folder, f"echo x >> {world.folder}/calls\n{answer(token='t', **ends)}")
    refused: list[str] = []

    def refuse(_: str, path: str) -> tuple[int, dict[str, str]] | None:
        refused.append(path)
        return (401, {"message": "Unauthorized"}) if len(refused) == 1 else None

    world.refuse = refuse
    cluster = await connect_as_user(write(user))
    assert await cluster.kube.list("NestedDocker", NAMESPACE) == []
    await cluster.close()
    assert len((world.folder / "calls").read_text().split()) == 2


async def test_certificates_of_a_plugin_are_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [authority(f"user-{number}") for number in (1, 2)]
    server_keys = authority("127.0.0.1")
    for number, (certificate, key) in enumerate(keys, 1):
        (tmp_path / f"answer-{number}").write_text(
            json.dumps(
                {"apiVersion": API_VERSION, "kind": "ExecCredential",
                 "status": {"clientCertificateData": certificate, "clientKeyData": key}}
            )
        )  # fmt: skip
    script = f"cd {tmp_path}; echo x >> calls; cat answer-$(wc -l < calls)"
    (tmp_path / "ca").write_text(server_keys[0])
    async with server_with_client_certificates(tmp_path, server_keys, [each for each, _ in keys]) as (url, seen):
        content = yaml.safe_load(kubeconfig("a", a=url))
        content["clusters"][0]["cluster"]["certificate-authority"] = "ca"
        content["users"][0]["user"] = plugin(tmp_path, script)
        (tmp_path / "config").write_text(yaml.safe_dump(content))
        cluster = await connect_as_user(str(tmp_path / "config"), private_directory=str(tmp_path))
        await cluster.kube.list("NestedDocker", NAMESPACE)
        monkeypatch.setattr(renewal, "REFRESH_SECONDS", 0.0)
        await cluster.kube.list("NestedDocker", NAMESPACE)
        await cluster.close()
    assert seen == ["user-1", "user-2"]
