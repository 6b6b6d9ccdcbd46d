"""A recording becomes the same picture each time, and shows each line when it was printed."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from hack.recording.drawing import svg
from tests.unit.pages import DOCS

CAST = DOCS / "images/run.cast"
SVG = "{http://www.w3.org/2000/svg}"
MAX_BYTES = 100_000


def cast(*events: tuple[float, str], width: int = 40, version: int = 2) -> str:
    head = json.dumps({"version": version, "width": width, "height": 1})
    return "\n".join([head, *(json.dumps([at, "o", data]) for at, data in events)])


def test_the_picture_of_the_docs_is_small_and_has_every_line() -> None:
    picture = svg(CAST.read_text())
    assert picture == svg(CAST.read_text())
    assert len(picture.encode()) < MAX_BYTES
    lines = [json.loads(line)[2].removesuffix("\r\n") for line in CAST.read_text().splitlines()[1:]]
    assert [element.text for element in ElementTree.fromstring(picture).iter(f"{SVG}text")] == lines


def test_it_loads_nothing() -> None:
    picture = svg(CAST.read_text()).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not any(word in picture for word in ("http", "@import", "url(", "<script", "href"))


def test_a_line_appears_when_it_was_printed() -> None:
    picture = svg(cast((0, "$ a\r\n"), (2, "b\r\n"), (4, "c\r\n")))
    assert "@keyframes k0 { 0%, 20.00% { opacity: 0; } 21.00%, 100% { opacity: 1; } }" in picture
    assert ".t1 { animation: k1 10.00s infinite; }" in picture
    assert [element.get("class") for element in ElementTree.fromstring(picture).iter(f"{SVG}text")] == [
        "command",
        "t0",
        "t1",
    ]


def test_long_lines_are_continued_and_markup_is_text() -> None:
    picture = svg(cast((0, "aaaa <bbb> & c\r\n"), width=8))
    assert [element.text for element in ElementTree.fromstring(picture).iter(f"{SVG}text")] == [
        "aaaa ",
        "    <bbb",
        "    > & ",
        "    c",
    ]


@pytest.mark.parametrize("data", ["a\r\nb\r\n", "\x1b[2Kprogress\r\n", "50%\r100%\r\n"])
def test_what_moves_the_cursor_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match="is not one line of output: record without a terminal"):
        svg(cast((0, data)))


def test_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version is 3: write one of version 2"):
        svg(cast(version=3))
