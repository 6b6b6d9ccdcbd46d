"""Which image a build has built, from its output, and what of the output passes."""

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


LABELS = ("LABEL nesteddocker.dev/uid=", "LABEL nesteddocker.dev/image-uid=one")


def shown(*texts: str, size: int = 7, quiet: bool = False, end: bytes = b"") -> list[str]:
    """The texts that pass of these, which arrive in parts of that size."""
    data = b"".join(json.dumps({"stream": text}).encode() + b"\r\n" for text in texts) + end
    output = BuildOutput(quiet=quiet, hidden=LABELS)
    passed = b"".join([output.feed(data[start : start + size]) for start in range(0, len(data), size)]) + output.end()
    assert passed.endswith(end)
    lines = passed[: len(passed) - len(end)].split(b"\r\n")
    assert lines.pop() == b""
    return [json.loads(line)["stream"] for line in lines]


STEP = (" ---> Using cache\n", " ---> 0123\n")
BUILT = ("Successfully built 0123\n", "Successfully tagged x:1\n")


@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize(
    ("sent", "passing"),
    [
        (
            ("Step 1/3 : FROM x", "\n", *STEP, f"Step 2/3 : {LABELS[1]}", "\n", *STEP,
             f"Step 3/3 : {LABELS[0]}", "\n", *STEP, *BUILT),
            ("Step 1/1 : FROM x", "\n", *STEP, *BUILT),
        ),
        (
            (f"Step 1/4 : {LABELS[1]}", *STEP, f"Step 2/4 : {LABELS[0]}", *STEP, "Step 3/4 : LABEL z=1", *STEP,
             "Step 4/4 : LABEL zz=1", *BUILT),
            ("Step 1/2 : LABEL z=1", *STEP, "Step 2/2 : LABEL zz=1", *BUILT),
        ),
        (("Step 1/3 : LABEL nesteddocker.dev/uid=x", *STEP), ("Step 1/1 : LABEL nesteddocker.dev/uid=x", *STEP)),
        (("Step 1/3 : RUN a\nb", *STEP), ("Step 1/1 : RUN a\nb", *STEP)),
        ((f"{LABELS[0]}\n", "Step x"), (f"{LABELS[0]}\n", "Step x")),
        (("---> a\u00fc\u2028\n",), ("---> a\u00fc\u2028\n",)),
    ],
    ids=["no labels", "labels that come later", "another label", "several lines", "no step", "characters"],
)  # fmt: skip
def test_the_guard_s_own_steps_do_not_pass(sent: tuple[str, ...], passing: tuple[str, ...], size: int) -> None:
    assert shown(*sent, size=size) == [*passing]


def test_in_quiet_mode_everything_passes() -> None:
    assert shown(f"Step 1/3 : {LABELS[0]}", f"{ONE}\n", quiet=True) == [f"Step 1/3 : {LABELS[0]}", f"{ONE}\n"]


@pytest.mark.parametrize("rest", [b"", b"{", b'{"stream":"a"}', b"no JSON\nrest"])
def test_what_has_no_line_end_passes_at_the_end(rest: bytes) -> None:
    assert shown("Step 1/3 : FROM x", end=rest) == ["Step 1/1 : FROM x"]


def test_an_error_in_a_hidden_step_passes() -> None:
    output = BuildOutput(quiet=False, hidden=LABELS)
    error = json.dumps({"errorDetail": {"message": "no space left"}, "error": "no space left"}).encode() + b"\r\n"
    assert output.feed(json.dumps({"stream": f"Step 2/3 : {LABELS[1]}"}).encode() + b"\r\n") == b""
    assert output.feed(error) == error
    assert output.image == ""


def test_a_line_that_is_too_long_passes_unread() -> None:
    output = BuildOutput(quiet=False, hidden=LABELS)
    long = b"x" * (2 * MAX_LINE) + b"\n"
    passed = b"".join([output.feed(long[start : start + 65536]) for start in range(0, len(long), 65536)])
    assert passed == long
    assert (
        output.feed(json.dumps({"stream": "Step 1/3 : FROM x"}).encode() + b"\n")
        == b'{"stream":"Step 1/1 : FROM x"}\r\n'
    )
