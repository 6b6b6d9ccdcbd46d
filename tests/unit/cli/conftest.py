"""The command line, run in this process, on files of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from nested_docker.cli.app import app

Run = Callable[..., Result]
Write = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `nested-docker policy` in the test's directory."""
    monkeypatch.chdir(tmp_path)

    def policy(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, ["policy", *arguments], input=stdin, catch_exceptions=False)

    return policy


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes documents, or text as it is, into the test's directory; returns the name."""

    def to_file(name: str, *documents: dict[str, Any] | str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = [document if isinstance(document, str) else yaml.safe_dump(document) for document in documents]
        path.write_text("---\n".join(texts))
        return name

    return to_file
