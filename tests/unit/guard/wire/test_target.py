"""Request targets have one canonical form, or are denied."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.target import MAX_TARGET, parse_target


@pytest.mark.parametrize(
    ("target", "version", "path", "query"),
    [
        ("/_ping", None, "/_ping", ""),
        ("/v1.24/_ping", (1, 24), "/_ping", ""),
        ("/v1.56/containers/json?all=1", (1, 56), "/containers/json", "all=1"),
        ("/images/registry.example.com:5000/team/app:1.0/json", None, None, ""),
        ("/images/app%40sha256%3aabc/json", None, "/images/app@sha256:abc/json", ""),
        ("/volumes/v1.45", None, "/volumes/v1.45", ""),
        ("/v1.32/images/testcontainers%2Fryuk:0.12.0/json", (1, 32), "/images/testcontainers/ryuk:0.12.0/json", ""),
        ("/images/registry.example.com%3a5000%2fteam%2Fapp/json", None,
         "/images/registry.example.com:5000/team/app/json", ""),
        ("/containers%2Fx%2fjson", None, "/containers/x/json", ""),
        ("/events?a=/../b", None, "/events", "a=/../b"),
        ("/containers/version/json", None, "/containers/version/json", ""),
    ],
)  # fmt: skip
def test_canonical_targets_are_parsed(
    target: str, version: tuple[int, int] | None, path: str | None, query: str
) -> None:
    read = parse_target(target.encode())
    assert (read.version, read.path, read.query) == (version, path or target, query)


@pytest.mark.parametrize(
    "target",
    [
        *("", "*", "containers/json", "http://docker/containers/json", "//containers/json", "/containers//json"),
        *("/", "/containers/json/", "/./containers/json", "/containers/../containers/json", "/containers/x/..", "/.."),
        *("/containers/%2e%2e/json", "/containers/x%2f", "/containers/%2Fjson", "/%2fcontainers/json"),
        *("/containers%2f..%2fjson", "/containers/x%2F.", "/v1.45%2f/containers", "/v1.45%2f..%2Fcontainers/json"),
        *("/containers/%252e%252e/json", "/containers/x%252fjson", "/%63ontainers/json", "/containers/%00/json"),
        *("/containers/x%/json", "/containers/x%2/json", "/containers/x%zz/json", "/containers/x%u002f/json"),
        *("/containers;a=b/json", "/containers/x;y/json", "/containers\\json", "/containers/json#x"),
        *("/containers/x\tjson", "/containers/x\x00/json", "/containers/x json", "/containers/x\r\nHost: y/json"),
        *("/v1.45.1/containers/json", "/v1/containers/json", "/v1.4/containers/json", "/v01.45/containers/json"),
        *("/v1.045/containers/json", "/V1.45/containers/json", "/v1.45x/containers/json", "/v1.45", "/v1.45/"),
        *("/v2.0/containers/json", "/v1.23/containers/json", "/v1.57/containers/json", "/v1.99/containers/json"),
        *("/v1.45//containers/json", "/v1.45/../containers/json", "/v-1.45/_ping/x|y", "/containers/$(x)/json"),
        *("/" + "a" * MAX_TARGET, "/containers/x'y/json", '/containers/x"y/json', "/containers/~x/json"),
    ],
)
def test_ambiguous_input_is_denied(target: str) -> None:
    with pytest.raises(GuardDenied) as denied:
        parse_target(target.encode("latin-1"))
    assert denied.value.status in {400, 414}


@pytest.mark.parametrize("target", ["/containers/\u00e9/json", "/containers/\uff0e\uff0e/json", "/\u212a/json"])
def test_names_beyond_ascii_are_denied(target: str) -> None:
    with pytest.raises(GuardDenied):
        parse_target(target.encode())


PIECES = st.sampled_from(
    [
        *("/", "//", ".", "..", "%2e", "%2F", "%252f", "%40", "v1.45", "v1.45.1", "containers", "json", "x", ":", "@"),
        *("?", ";", "#", "\\", "%", "a=b", "&", "%3A", "+", "~", "é", "\x01"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join).map(lambda text: "/" + text))
@example("/containers/x%40y/json?z=%2e%2e")
def test_another_parser_reads_the_same_path(target: str) -> None:
    try:
        read = parse_target(target.encode())
    except GuardDenied:
        return
    path = urlsplit(target).path
    assert posixpath.normpath(unquote(path)) == unquote(path) == unquote(unquote(path))
    prefix = "" if read.version is None else f"/v{read.version[0]}.{read.version[1]}"
    assert f"{prefix}{read.path}" == unquote(path)
    assert re.sub(r"^/v[0-9.]+(?=/)", "", unquote(path)) == read.path
    assert read.query == target.partition("?")[2]
    assert parse_target(f"{prefix}{read.path}".encode()).segments == read.segments
