"""Whole manifests against files; UPDATE_SNAPSHOTS=1 writes them anew, for review in the diff."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nested_docker.yaml_text.writing import to_yaml

FOLDER = Path(__file__).parent / "snapshots"


def matches_snapshot(name: str, *documents: dict[str, Any]) -> None:
    path = FOLDER / f"{name}.yaml"
    text = to_yaml(documents)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text)
    assert path.exists(), f"{path} is missing: run UPDATE_SNAPSHOTS=1 make unit and review it"
    assert text == path.read_text()
