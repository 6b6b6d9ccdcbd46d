"""Writes the files that are made from the models, or with --check tells which are out of date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import chart_readme
from cli_reference import cli_reference
from metrics_reference import metrics_reference
from mode_table import PAGE, page
from nested_docker.api import crd
from nested_docker.yaml_text.writing import to_yaml
from recording.drawing import svg
from reference import api_reference, conditions_reference

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "docs/images/run.cast"
CRD_FOLDERS = (ROOT / "crds", ROOT / "charts/nested-docker/files/crds")


def outputs() -> Iterator[tuple[Path, str]]:
    """Every generated file with what it should hold."""
    for definition in crd.definitions():
        for folder in CRD_FOLDERS:
            yield folder / f"{definition['metadata']['name']}.yaml", to_yaml([definition])
    yield ROOT / "docs/api-reference.md", api_reference()
    yield ROOT / "docs/conditions.md", conditions_reference()
    yield ROOT / "docs/cli-reference.md", cli_reference()
    yield ROOT / "docs/metrics.md", metrics_reference()
    yield chart_readme.PAGE, chart_readme.chart_readme()
    yield PAGE, page()
    yield RECORDING.with_suffix(".svg"), svg(RECORDING.read_text())


def main() -> int:
    """Write or check."""
    outdated = [(path, text) for path, text in outputs() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        for path, _ in outdated:
            print(f"{path.relative_to(ROOT)} is out of date: run make generate", file=sys.stderr)
        return 1 if outdated else 0
    for path, text in outdated:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
