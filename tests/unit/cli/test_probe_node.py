"""The command that a node probe runs: one line of JSON, also as the termination message."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nested_docker.api.v1alpha1.node import ProbedFacts
from nested_docker.cli.app import app
from nested_docker.domain.planning.node_probe import DATA_FOLDER, LONGEST_ANSWER
from nested_docker.idle import termination_log


def test_it_prints_facts_and_leaves_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    monkeypatch.setattr(termination_log.leave, "__defaults__", (log,))
    result = CliRunner().invoke(app, ["probe-node"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == f"{log.read_text()}\n"
    assert len(result.stdout) < LONGEST_ANSWER / 4
    facts = ProbedFacts.model_validate_json(log.read_text())
    assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_its_folder_is_where_the_pod_has_its_volume() -> None:
    help_text = CliRunner().invoke(app, ["probe-node", "--help"], catch_exceptions=False).stdout
    assert DATA_FOLDER in help_text
