"""Which image a build has built, from its output."""

from __future__ import annotations

import json

import pytest

from nested_docker.guard.rules.build_output import MAX_LINE, BuildOutput

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def image(*lines: object, quiet: bool = False, size: int = 7) -> str:
    """The image after these lines, which arrive in parts of that size."""
    data = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\r\n" for line in lines)
    output = BuildOutput(quiet=quiet)
    for start in range(0, len(data), size):
        output.feed(data[start : start + size])
    return output.image


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_the_image_is_the_last_that_the_daemon_reports(size: int) -> None:
    assert image({"stream": "x"}, {"aux": {"ID": ONE}}, {"aux": {"ID": TWO}}, {"stream": "built\n"}, size=size) == TWO
    assert image({"stream": f"{ONE}\n"}, quiet=True, size=size) == ONE


@pytest.mark.parametrize(
    "line",
    [
        {"stream": f"{ONE}\n"},
        {"stream": json.dumps({"aux": {"ID": ONE}})},
        {"stream": f'"aux" {ONE}'},
        {"aux": {"ID": f"{ONE}0"}},
        {"aux": ONE},
        {"aux": {"ID": [ONE]}},
        [{"aux": {"ID": ONE}}],
        b'"aux',
        b'{"aux": ' + b"[" * 100_000,
    ],
)
def test_what_a_step_prints_is_no_image(line: object) -> None:
    assert image(line, size=4096) == ""


@pytest.mark.parametrize("error", [{"error": "x"}, {"errorDetail": {"message": "x"}}])
def test_a_failed_build_has_no_image(error: object) -> None:
    assert image({"aux": {"ID": ONE}}, error) == ""
    assert image({"stream": ONE}, error, quiet=True) == ""


def test_a_line_without_an_end_is_bounded() -> None:
    output = BuildOutput(quiet=False)
    for _ in range(40):
        output.feed(b"x" * 65536)
    output.feed(b"\n" + json.dumps({"aux": {"ID": ONE}}).encode() + b"\n")
    assert output.image == ONE
    assert MAX_LINE < 40 * 65536
