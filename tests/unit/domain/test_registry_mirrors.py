"""Mirrors of registries, in the two forms that dockerd reads."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from nested_docker.api.v1alpha1.engine import EngineSpec
from nested_docker.domain.registry_mirrors import hosts_files, hub_mirrors, mirrors_of_image_store

PULL = {"capabilities": ["pull", "resolve"]}


def spec(mirrors: dict[str, list[str]], *insecure: str) -> EngineSpec:
    return EngineSpec.model_validate({"mirrors": mirrors, "insecureRegistries": list(insecure)})


def files(engine: EngineSpec) -> dict[str, dict[str, Any]]:
    """What dockerd reads of each registry's file."""
    texts: dict[str, str] = {}
    for line in hosts_files(engine).splitlines(keepends=True):
        if line.startswith("# "):
            name = line[2:].strip()
        texts[name] = texts.get(name, "") + line
    return {name: tomllib.loads(text) for name, text in texts.items()}


def test_each_registry_has_a_file_with_its_mirrors_in_order() -> None:
    mirrors = {"ghcr.io": ["https://b.example", "https://a.example"], "docker.io": ["http://c.example:5000/"]}
    found = files(spec(mirrors))
    assert found == {
        "docker.io": {"host": {"http://c.example:5000": PULL}},
        "ghcr.io": {"host": {"https://b.example": PULL, "https://a.example": PULL}},
    }
    assert [*found["ghcr.io"]["host"]] == ["https://b.example", "https://a.example"]


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://m.example/v2/hub", True),
        ("https://m.example/v2/hub/", True),
        ("https://m.example/v2", False),
        ("https://m.example/v2/", False),
        ("https://m.example/hub", False),
        ("https://m.example", False),
    ],
)
def test_a_path_after_v2_is_the_whole_path(url: str, whole: bool) -> None:
    host = files(spec({"ghcr.io": [url]}))["ghcr.io"]["host"][url.rstrip("/")]
    assert host == PULL | ({"override_path": True} if whole else {})


@pytest.mark.parametrize(
    ("url", "insecure", "skipped"),
    [
        ("https://m.example", "m.example", True),
        ("https://m.example:5000/v2/x", "m.example:5000", True),
        ("https://m.example:5000", "m.example", False),
        ("https://10.1.2.3:5000", "10.0.0.0/8", True),
        ("https://[fd00::1]:5000", "fd00::/8", True),
        ("https://[fd00::1]", "[fd00::1]", True),
        ("https://11.1.2.3", "10.0.0.0/8", False),
        ("https://m.example", "10.0.0.0/8", False),
        ("https://[1:2:3]", "fd00::/8", False),
        ("http://m.example", "m.example", False),
    ],
)
def test_an_insecure_mirror_is_not_verified(url: str, insecure: str, skipped: bool) -> None:
    host = files(spec({"ghcr.io": [url]}, insecure))["ghcr.io"]["host"][url]
    assert ("skip_verify" in host) is skipped


def test_an_insecure_registry_stays_so_behind_its_mirrors() -> None:
    """With a file of its own, dockerd does not look at insecure-registries."""
    found = files(spec({"r.example:5000": ["https://m.example"]}, "r.example:5000"))["r.example:5000"]
    assert (found["server"], found["skip_verify"]) == ("http://r.example:5000", True)
    assert found["host"] == {"https://m.example": PULL}


def test_without_mirrors_there_is_nothing() -> None:
    for engine in (EngineSpec(), spec({})):
        assert (hosts_files(engine), hub_mirrors(engine), mirrors_of_image_store(engine)) == ("", [], [])


def test_every_engine_takes_mirrors_of_docker_hub_without_a_path() -> None:
    engine = spec(
        {"docker.io": ["https://a.example", "https://b.example/v2/hub", "http://c.example/"], "ghcr.io": ["http://d"]}
    )
    assert hub_mirrors(engine) == ["https://a.example", "http://c.example/"]
    assert mirrors_of_image_store(engine) == ["ghcr.io", "https://b.example/v2/hub"]


@pytest.mark.parametrize(
    "name",
    ["", "GHCR.io", "https://ghcr.io", "ghcr.io/org", "../x", "a b", "r:port", ".io", "x" * 256, 'a"b', "_default"],
)
def test_what_is_no_registry_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="a key of mirrors is a registry as image references name it"):
        spec({name: ["https://m.example"]})


@pytest.mark.parametrize(
    "url",
    [
        "m.example",
        "ftp://m.example",
        "https://",
        "https:///v2",
        "https://user@m.example",
        "https://m.example?a=b",
        'https://m.example/"]',
        "https://m.example/a b",
        "https://[abc",
        "https://m.example/$(X)",
    ],
)
def test_what_is_no_address_of_a_mirror_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="String should match pattern"):
        spec({"ghcr.io": [url]})
