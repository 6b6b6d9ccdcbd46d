"""The facts of each mode in `docs/modes.json`, from which `make generate` writes the table of `docs/modes.md`."""

from __future__ import annotations

import json
import os

from tests.support.cluster import ROOT

FILE = ROOT / "docs/modes.json"
UPDATE = "UPDATE_MODE_TABLE"


def check(mode: str, **observed: str) -> None:
    """Compare what a test has observed of a mode with the table, or record it if UPDATE_MODE_TABLE is set.

    Args:
        mode: as in the API.
        observed: fact → its cell of the table.

    Raises:
        AssertionError: the table says something else.
    """
    table = json.loads(FILE.read_text())
    if os.environ.get(UPDATE):
        table.setdefault(mode, {}).update(observed)
        FILE.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n")
        return
    shown = {fact: table.get(mode, {}).get(fact, "nothing") for fact in observed}
    assert observed == shown, f"docs/modes.json differs for mode {mode}: set {UPDATE}=1 if the new facts are right"
