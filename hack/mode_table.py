"""The table of modes in docs/modes.md, made of the facts that tests observe and keep in docs/modes.json."""

from __future__ import annotations

import json
from pathlib import Path

from nested_docker.domain.modes import MODES

ROOT = Path(__file__).parents[1]
PAGE, FACTS = ROOT / "docs/modes.md", ROOT / "docs/modes.json"
BEGIN, END = "<!-- modes: made by hack/mode_table.py of docs/modes.json -->\n", "<!-- end of modes -->\n"

ROWS = {
    "privilege": "what the pod requests of the node",
    "podSecurity": "strictest Pod Security level that admits the pod",
    "dockerPs": "`docker ps` shows",
    "build": "`docker build` uses",
    "publish": "a port that a client publishes answers at",
    "bind": "a path in `docker run -v` is of",
    "limit": "`docker run -m`",
    "cgroup": "inner containers are in a cgroup of",
    "escapes": "attempts to get onto the node that succeed",
}
"""Fact in docs/modes.json → the row's title."""

UNTESTED = {
    ("HostSocket", "escapes"): "see [the guard's attacks](guard.md)",
    ("Sysbox", "escapes"): "not tested: the tests have no Sysbox",
}
"""(mode, fact) → what the table says where no test observes it."""


def mode_table() -> str:
    """Markdown: a column for each mode, a row for each fact.

    Raises:
        KeyError: a fact is missing in docs/modes.json.
    """
    facts, modes = json.loads(FACTS.read_text()), [mode.value for mode in MODES]
    lines = [["", *(f"`{mode}`" for mode in modes)], ["---"] * (len(modes) + 1)]
    for fact, title in ROWS.items():
        cells = [UNTESTED.get((mode, fact)) or facts[mode][fact] for mode in modes]
        lines.append([title, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page() -> str:
    """docs/modes.md with the table of today.

    Raises:
        ValueError: the page does not have both markers.
    """
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"docs/modes.md needs the lines {BEGIN.strip()!r} and {END.strip()!r} around the table")
    return before + begin + mode_table() + end + after
