"""A recording has the commands and what they print, with pauses in between, and no failure."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hack.recording.drawing import svg
from hack.recording.record import cast, events
from tests.unit.pages import ROOT


def test_commands_and_their_output_are_recorded() -> None:
    ticks = itertools.count()
    lines = list(events(["echo one; echo two >&2", "echo three"], clock=lambda: float(next(ticks))))
    assert lines == [
        (1.0, "$ echo one; echo two >&2"),
        (2.0, "one"),
        (3.0, "two"),
        (5.0, "$ echo three"),
        (6.0, "three"),
    ]


def test_a_failure_is_not_recorded() -> None:
    with pytest.raises(SystemExit, match="'exit 3' ended with status 3: record commands that succeed"):
        list(events(["exit 3"]))


def test_what_is_recorded_can_be_drawn() -> None:
    recorded = cast(events(["echo x"]))
    assert json.loads(recorded.splitlines()[0]) == {"version": 2, "width": 96, "height": 2}
    assert ">x</text>" in svg(recorded)


def test_the_recording_of_the_docs_has_the_commands_of_the_makefile() -> None:
    recorded = [json.loads(line)[2] for line in (ROOT / "docs/images/run.cast").read_text().splitlines()[1:]]
    typed = [line.removeprefix("$ ").rstrip() for line in recorded if line.startswith("$ ")]
    recipe = (ROOT / "Makefile").read_text().partition("\nrecording:")[2].partition("\n\n")[0]
    assert re.findall(r'^\t\t"(.*)"', recipe, re.MULTILINE) == typed
