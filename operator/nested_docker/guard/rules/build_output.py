"""The output of a build: which image it has built."""

from __future__ import annotations

import json
import re

MAX_LINE = 2**20
"""Bytes of one line; of a longer one the rest is ignored."""


class BuildOutput:
    """Reads the output of the classic builder as it passes: lines of JSON, in which the daemon reports the image.

    What a build step prints is a string in such a line, so no step can forge the report. Only in quiet mode, in which
    steps print nothing, the daemon reports the image as a string.

    Args:
        quiet: the client has asked for quiet mode.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._line = quiet, bytearray()
        self._image, self._failed = "", False

    @property
    def image(self) -> str:
        """ID of the image; empty if the build has failed, or has not ended."""
        return "" if self._failed else self._image

    def feed(self, data: bytes) -> None:
        """Read the next part of the output."""
        *lines, rest = data.split(b"\n")
        for each in lines:
            self._extend(each)
            self._read(bytes(self._line))
            self._line.clear()
        self._extend(rest)

    def _extend(self, part: bytes) -> None:
        self._line += part[: MAX_LINE - len(self._line)]

    def _read(self, line: bytes) -> None:
        if not (b'"aux"' in line or b'"error' in line or self._quiet):
            return
        try:
            report = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(report, dict):
            return
        self._failed = self._failed or "error" in report or "errorDetail" in report
        aux = report.get("aux")
        image = aux.get("ID") if isinstance(aux, dict) else report.get("stream") if self._quiet else None
        if isinstance(image, str) and _ID.fullmatch(image.strip()):
            self._image = image.strip()


_ID = re.compile(r"sha256:[0-9a-f]{64}")
