"""A recording as an animated SVG: the lines of an asciicast appear when they were printed.

It needs no script and no font from elsewhere, so GitHub shows it, and so does a browser without a network. Whoever
prefers no animations sees all lines at once.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from xml.sax.saxutils import escape

FONT_PIXELS, COLUMN_PIXELS, ROW_PIXELS, MARGIN_PIXELS = 14, 8.43, 20, 16
LAST_SECONDS = 6.0
"""How long the whole recording is shown before it begins again."""

FADE_SHARE = 0.01
"""Share of the whole duration in which a line appears."""

STYLE = f"""
rect {{ fill: #16181d; }}
text {{ fill: #d7dae0; font: {FONT_PIXELS}px Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; }}
.command {{ fill: #7fd1ae; font-weight: bold; }}
"""


@dataclass(frozen=True)
class Row:
    """A line of the picture.

    Attributes:
        at: seconds since the start.
        text: what it shows.
        command: whether somebody typed it.
    """

    at: float
    text: str
    command: bool


def svg(cast: str, *, prompt: str = "$ ") -> str:
    """The picture.

    Args:
        cast: an asciicast of version 2 whose events are whole lines.
        prompt: how lines begin that somebody typed.

    Raises:
        ValueError: it is no such asciicast, or moves the cursor.
    """
    head, *events = [json.loads(line) for line in cast.splitlines()]
    if head.get("version") != 2:
        raise ValueError(f"asciicast: version is {head.get('version')}: write one of version 2")
    rows = [row for event in events for row in _rows(event, int(head["width"]), prompt)]
    width = round(head["width"] * COLUMN_PIXELS) + 2 * MARGIN_PIXELS
    height = len(rows) * ROW_PIXELS + 2 * MARGIN_PIXELS
    duration = max((row.at for row in rows), default=0.0) + LAST_SECONDS
    times = sorted({row.at for row in rows if row.at > 0})
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img">\n<title>{escape("; ".join(row.text for row in rows if row.command))}</title>\n',
            f"<style>{STYLE}",
            "@media (prefers-reduced-motion: no-preference) {\n",
            *(_animation(number, at / duration, duration) for number, at in enumerate(times)),
            f'}}\n</style>\n<rect width="{width}" height="{height}" rx="8"/>\n',
            *(_text(number, row, times) for number, row in enumerate(rows)),
            "</svg>\n",
        ]
    )


def _rows(event: list[float | str], width: int, prompt: str) -> list[Row]:
    at, kind, data = event
    text = str(data).removesuffix("\r\n")
    if kind != "o" or any(ord(character) < 32 for character in text):
        raise ValueError(f"asciicast: the event {event} is not one line of output: record without a terminal")
    lines = textwrap.wrap(text, width, subsequent_indent="    ", drop_whitespace=False) or [""]
    return [Row(float(at), line, text.startswith(prompt)) for line in lines]


def _animation(number: int, share: float, duration: float) -> str:
    hidden, shown = f"{100 * share:.2f}%", f"{100 * min(1, share + FADE_SHARE):.2f}%"
    return (
        f"@keyframes k{number} {{ 0%, {hidden} {{ opacity: 0; }} {shown}, 100% {{ opacity: 1; }} }}\n"
        f".t{number} {{ animation: k{number} {duration:.2f}s infinite; }}\n"
    )


def _text(number: int, row: Row, times: list[float]) -> str:
    classes = ["command"] * row.command + ([f"t{times.index(row.at)}"] if row.at in times else [])
    baseline = MARGIN_PIXELS + number * ROW_PIXELS + FONT_PIXELS
    attribute = f' class="{" ".join(classes)}"' if classes else ""
    return f'<text x="{MARGIN_PIXELS}" y="{baseline}"{attribute}>{escape(row.text)}</text>\n'
