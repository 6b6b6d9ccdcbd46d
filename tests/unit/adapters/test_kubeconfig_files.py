"""Kubeconfigs that are none: each has one message, which says where, and quotes no credential."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nested_docker.adapters.kubeconfig import KubeconfigError
from nested_docker.adapters.user_cluster import connect_as_user

TOKEN = "s3cr3t"
GOOD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
    "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True}}],
    "users": [{"name": "u", "user": {"token": TOKEN, "as": "x", "as-groups": ["g"], "as-user-extra": {"a": ["b"]}}}],
}
WRONG: tuple[Any, ...] = (None, 7, "x", [], {}, [1], ["x"], {"x": 1}, [{"x": 1}], [None])
PYTHON = ("object", "Node", "iterable", "subscriptable", "indices", "NoneType", "instance of", "argument")
"""Words of messages that are about this program."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def spoiled(path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    whole = copy.deepcopy(GOOD)
    at = whole
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return whole


async def message(text: str, folder: Path) -> str:
    """Why a kubeconfig cannot be used; empty: it can."""
    path = folder / "kubeconfig"
    path.write_text(text)
    try:
        cluster = await connect_as_user(str(path))
    except KubeconfigError as error:
        return str(error).removeprefix(f"kubeconfig {path} cannot be used: ")
    await cluster.close()
    return ""


@pytest.mark.parametrize("path", [*places(GOOD)], ids=lambda path: ".".join(map(str, path)) or "whole")
async def test_a_value_of_another_type_is_named(path: tuple[Any, ...], tmp_path: Path) -> None:
    for value in WRONG:
        said = await message(yaml.safe_dump(spoiled(path, value)), tmp_path)
        assert TOKEN not in said
        assert not any(word in said for word in PYTHON), said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"users: [{{name: u, user: {{token: {TOKEN}", "line 2 is not YAML"),
        (f"token: {TOKEN}\n\ttoken: x", "line 2 is not YAML"),
        (f"users:\n- {{name: u, user: {{token: !!int {TOKEN}}}}}", "line 2 is not YAML"),
        ("[]", "the file: Input should be a mapping"),
        ("", "it has no current-context: name one by --context"),
        (
            yaml.safe_dump(spoiled(("users", 0, "user", "token"), 7)),
            "users.0.user.token: Input should be a valid string",
        ),
        (yaml.safe_dump(spoiled(("current-context",), "x")), "it has no context x, but c"),
        (yaml.safe_dump(spoiled(("contexts",), [])), "it has no context c, but none at all"),
        (yaml.safe_dump(spoiled(("contexts", 0, "context"), None)), "its context c names no cluster"),
        (yaml.safe_dump(spoiled(("clusters",), None)), "its context c names cluster k, which it does not have"),
        (yaml.safe_dump(spoiled(("clusters", 0, "cluster"), {})), "its cluster k has no server"),
        (yaml.safe_dump(spoiled(("users",), [])), "its context c names user u, which it does not have"),
        (yaml.safe_dump(spoiled(("contexts", 0, "context", "user"), None)), ""),
        (yaml.safe_dump(GOOD), ""),
    ],
)
async def test_what_is_wrong_is_said(text: str, said: str, tmp_path: Path) -> None:
    assert await message(text, tmp_path) == said


async def test_what_looks_like_a_time_is_text(tmp_path: Path) -> None:
    text = yaml.safe_dump(spoiled(("contexts", 0, "context", "namespace"), "DATE")).replace("DATE", "2026-11-27")
    assert await message(text, tmp_path) == ""
