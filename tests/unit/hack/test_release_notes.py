"""What a release says of itself, and that it is refused while its files disagree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack.release_notes import ROOT, disagreements, main, notes

from nested_docker import __version__

CHANGELOG = """# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-01

### Added

- A thing.

## [0.1.0] - 2026-11-25

- The first one.

[0.1.0]: https://example.test/0.1.0
"""


def test_a_section_ends_where_the_next_one_or_the_links_begin() -> None:
    assert notes(CHANGELOG, "0.2.0") == "### Added\n\n- A thing."
    assert notes(CHANGELOG, "0.1.0") == "- The first one."


@pytest.mark.parametrize("version", ["0.3.0", "0.2", "0.2.0-rc.1", "Unreleased"])
def test_a_version_without_a_section_is_refused(version: str) -> None:
    with pytest.raises(SystemExit, match=r"CHANGELOG\.md has no section"):
        notes(CHANGELOG, version)


def test_package_and_chart_have_one_version() -> None:
    assert disagreements(ROOT, __version__) == []


def test_a_tag_of_another_version_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["v99.0.0"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"operator/nested_docker/__init__.py has version {__version__}, and the tag 99.0.0"
    assert len(said) == 4


def test_the_section_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "operator/nested_docker").mkdir(parents=True)
    (tmp_path / "operator/nested_docker/__init__.py").write_text('__version__ = "0.2.0"\n')
    (tmp_path / "charts/nested-docker").mkdir(parents=True)
    (tmp_path / "charts/nested-docker/Chart.yaml").write_text(
        'version: 0.2.0\nappVersion: "0.2.0"\n      image: nested-docker-operator:0.2.0\n'
    )
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    assert main(["v0.2.0"], tmp_path) == 0
    assert capsys.readouterr().out == "### Added\n\n- A thing.\n"


@pytest.mark.parametrize("arguments", [[], ["0.1.0"], ["v1"], ["v1.0.0", "v2.0.0"]])
def test_without_a_tag_it_says_how_to_use_it(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Usage: hack/release_notes.py TAG" in capsys.readouterr().err
