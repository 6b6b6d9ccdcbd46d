"""JSON of a daemon that may send anything."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.docker_api.answer import Answer, array, printable, string
from nested_docker.docker_api.errors import DockerApiError

SOURCE = "the daemon: GET /info"


def answer(body: bytes, status: int = 200) -> Answer:
    return Answer(SOURCE, status, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": 1} x',
        b"NaN",
        b'{"a": -Infinity}',
        b"\xff\xfe{\x00}\x00",
        b'\xef\xbb\xbf{"a": 1}',
        b'"\xff"',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(DockerApiError, match=f"^{SOURCE} is answered with invalid JSON: "):
        answer(body).as_object()


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"{}"', b"true"])
def test_an_object_is_an_object(body: bytes) -> None:
    assert answer(b'{"a": [1]}').as_object() == {"a": [1]}
    with pytest.raises(DockerApiError, match=f"^{SOURCE} is not answered with a JSON object$"):
        answer(body).as_object()


@pytest.mark.parametrize("body", [b"{}", b"null", b"1", b'"[]"', b"true"])
def test_a_list_is_a_list(body: bytes) -> None:
    assert answer(b'[{"a": 1}]').as_list() == [{"a": 1}]
    with pytest.raises(DockerApiError, match=f"^{SOURCE} is not answered with a JSON list$"):
        answer(body).as_list()


@pytest.mark.parametrize("status", [204, 301, 403, 500])
def test_another_status_is_no_document(status: int) -> None:
    for read in (answer(b"{}", status).as_object, answer(b"[]", status).as_list):
        with pytest.raises(DockerApiError, match=f"^{SOURCE} is answered with status {status}$"):
            read()


def test_strings_are_short_and_printable() -> None:
    text = "1\x1b[31m\r\n\x00\u202e\u2028\ud800\x85é" + "x" * 100
    assert string({"Version": text}, "Version", 10) == "1[31méxxxx"
    assert printable("a b", 9) == "a b"
    assert string({"Version": None}, "Version", 10) == string({}, "Version", 10) == ""


@pytest.mark.parametrize("value", [1, True, 0.5, ["1"], {"a": "b"}])
def test_another_type_is_an_error(value: Any) -> None:
    with pytest.raises(DockerApiError, match="has a Version that is not a string"):
        string({"Version": value}, "Version", 10)


def test_arrays() -> None:
    assert array({"a": [1]}, "a") == [1]
    assert array({"a": None}, "a") == array({}, "a") == []
    with pytest.raises(DockerApiError, match="has a a that is not a list"):
        array({"a": "text"}, "a")
