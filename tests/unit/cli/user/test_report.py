"""`report` has the objects, and none of their secrets."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.support.user_world import UserWorld
from tests.unit.cli.user.terminal import Cli

from nested_docker.cli.user.redaction import redacted

CANARY = "hunter2-canary"


@pytest.mark.parametrize(
    "manifest",
    [
        {"kind": "Secret", "data": {"key.pem": CANARY}},
        {"kind": "Secret", "stringData": {"password": CANARY}},
        {"kind": "Pod", "spec": {"containers": [{"env": [{"name": "PASSWORD", "value": CANARY}]}]}},
        {"kind": "Pod", "spec": {"initContainers": [{"args": ["--password", CANARY]}]}},
        {"kind": "Pod", "spec": {"containers": [{"command": ["sh", "-c", f"login {CANARY}"]}]}},
        {"kind": "NestedDocker", "spec": {"workload": {"containers": [{"env": [{"name": "A", "value": CANARY}]}]}}},
        {"kind": "Pod", "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": CANARY}}},
        {"kind": "NestedDocker", "spec": {"engine": {"proxy": {"httpsProxy": f"http://jane:{CANARY}@proxy:3128"}}}},
        {"kind": "NestedDocker", "spec": {"engine": {"config": {"a": f"x http://{CANARY}@p/ y http://q"}}}},
        {"kind": "Pod", "metadata": {"annotations": {"a": f'{{"proxy":"socks5://j:{CANARY}@x@proxy"}}'}}},
        {
            "kind": "Pod",
            "spec": {
                "containers": [
                    {
                        "livenessProbe": {
                            "httpGet": {"httpHeaders": [{"name": "Authorization", "value": f"Bearer {CANARY}"}]}
                        }
                    }
                ]
            },
        },
        {"kind": "Pod", "metadata": {"managedFields": [{"fieldsV1": {CANARY: {}}}]}},
    ],
)
def test_secrets_are_redacted_wherever_they_are(manifest: dict[str, Any]) -> None:
    assert CANARY not in json.dumps(redacted(manifest))


def test_the_rest_stays() -> None:
    manifest = {
        "kind": "Secret",
        "metadata": {"name": "build-docker", "annotations": {"a": "b"}},
        "type": "Opaque",
        "data": {"host": "abcd"},
    }
    assert redacted(manifest) == manifest | {"data": {"host": "redacted (4 characters)"}}
    url = {"kind": "Pod", "metadata": {}, "spec": {"image": "r.example/a@sha256:0", "url": "https://p:3128/a@b"}}
    assert redacted(url) == url
    variable = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}
    pod = {"kind": "Pod", "metadata": {}, "spec": {"containers": [{"name": "c", "env": [variable]}]}}
    assert redacted(pod) == pod


def test_a_report_has_all_kinds_and_no_key(world: UserWorld, cli: Cli, tmp_path: Path) -> None:
    world.nested_docker("build")
    path = tmp_path / "report.zip"
    world.refuse = lambda _method, where: (403, {"message": "no"}) if where.endswith("/pods") else None
    ended = cli("report", "--file", str(path))
    assert (ended.code, ended.out) == (0, f"{path} written; look at it before you send it\n"), ended.err
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert json.loads(files["NestedDocker.json"])[0]["metadata"]["name"] == "build"
    assert "Pod.error.txt" in files
    secret = world.objects[world.path("secrets", "build-docker")]
    whole = "".join(files.values())
    assert "build-docker" in files["Secret.json"]
    assert not [key for key, value in secret["data"].items() if value in whole]
    again = cli("report", "--file", str(path))
    assert (again.code, again.err.splitlines()[0]) == (2, f"error: {path} exists")
