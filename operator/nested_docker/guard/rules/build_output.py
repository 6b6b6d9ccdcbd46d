"""The output of a build: which image it has built, without the steps that the guard adds."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from nested_docker.guard.wire.strict_json import encode_json

MAX_LINE = 2**20
"""Bytes of one line; a longer one passes unread."""


class BuildOutput:
    """Reads the output of the classic builder as it passes: lines of JSON, in which the daemon reports the image.

    What a build step prints is a string in such a line, so no step can forge the report. Only in quiet mode, in which
    steps print nothing, the daemon reports the image as a string.

    Args:
        quiet: the client has asked for quiet mode.
        hidden: instructions of the steps that the client does not see.
    """

    def __init__(self, *, quiet: bool, hidden: Collection[str] = ()) -> None:
        self._quiet, self._hidden, self._line, self._long = quiet, hidden, bytearray(), False
        self._image, self._failed = "", False
        self._passed, self._hiding = 0, False

    @property
    def image(self) -> str:
        """ID of the image; empty if the build has failed, or has not ended."""
        return "" if self._failed else self._image

    def feed(self, data: bytes) -> bytes:
        """Read the next part of the output; return what passes of it and of the part before."""
        *ends, rest = data.split(b"\n")
        passing = b"".join([self._finish(each) for each in ends])
        self._line += rest
        if self._long or len(self._line) > MAX_LINE:
            passing, self._long = passing + bytes(self._line), True
            self._line.clear()
        return passing

    def end(self) -> bytes:
        """The rest of the output, which has no line end."""
        return bytes(self._line)

    def _finish(self, end: bytes) -> bytes:
        """The line that ends here, as far as it has not passed."""
        line, read = bytes(self._line) + end, not self._long
        self._line.clear()
        self._long = False
        return self._pass(line) if read else line + b"\n"

    def _pass(self, line: bytes) -> bytes:
        try:
            report = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            report = None
        if not isinstance(report, dict):
            return line + b"\n"
        self._read(report)
        shown = report if self._quiet or not self._hidden else self._shown(report)
        return line + b"\n" if shown is report else encode_json(shown) + b"\r\n" if shown else b""

    def _read(self, report: dict[str, Any]) -> None:
        self._failed = self._failed or "error" in report or "errorDetail" in report
        aux = report.get("aux")
        image = aux.get("ID") if isinstance(aux, dict) else report.get("stream") if self._quiet else None
        if isinstance(image, str) and _ID.fullmatch(image.strip()):
            self._image = image.strip()

    def _shown(self, report: dict[str, Any]) -> dict[str, Any]:
        """What the client gets of a line; empty: nothing."""
        text = report.get("stream")
        if not isinstance(text, str):
            return report
        if step := _STEP.fullmatch(text):
            self._hiding = step[2] in self._hidden
            self._passed += not self._hiding
            return (
                {}
                if self._hiding
                else {"stream": f"Step {self._passed}/{int(step[1]) - len(self._hidden)} : {step[2]}"}
            )
        self._hiding = self._hiding and not text.startswith("Successfully built ")
        return {} if self._hiding else report


_ID = re.compile(r"sha256:[0-9a-f]{64}")
_STEP = re.compile(r"Step [0-9]{1,6}/([0-9]{1,6}) : (.*)", re.DOTALL)
