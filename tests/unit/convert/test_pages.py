"""Each command on the pages of docs/migration makes what the page says of what it shows before."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml
from tests.unit.convert.conftest import Convert
from tests.unit.convert.pages import EXAMPLES, PAGES, Example


def test_the_pages_are_those_of_the_ways_that_convert_knows() -> None:
    subjects = {"buildx-kubernetes", "dind-sidecar", "docker-socket", "kubedock", "ci-systems"}
    assert {page.stem for page in PAGES} == {each.page for each in EXAMPLES} == subjects
    sections = {"## What differs", "## How to go back"}
    assert all(sections <= {*page.read_text().splitlines()} for page in PAGES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each.page} {' '.join(each.arguments)[:40]}")
def test_before_becomes_after(
    convert: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: Example
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / (example.file or "before.yaml")).write_text(example.before)
    ended = convert(*example.arguments)
    assert ended.code == 0, ended.err
    if example.file == "Jenkinsfile":
        assert ended.out == example.after
    else:
        is_toml = example.file.endswith(".toml")
        assert ([tomllib.loads(ended.out)] if is_toml else [*yaml.safe_load_all(ended.out)]) == example.documents
    assert "differs: " in ended.err
