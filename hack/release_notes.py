"""Prints what CHANGELOG.md says of a version, if package and chart have that version too.

Usage: hack/release_notes.py TAG     for example v0.2.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = {
    "operator/nested_docker/__init__.py": r'^__version__ = "(.+)"$',
    "charts/nested-docker/Chart.yaml": r"^version: (\S+)$",
    "charts/nested-docker/Chart.yaml, appVersion": r"^appVersion: (\S+)$",
    "charts/nested-docker/Chart.yaml, image": r"^      image: nested-docker-operator:(\S+)$",
}
"""Where a version stands, and how."""


def notes(changelog: str, version: str) -> str:
    """The changelog's section of a version, without its heading.

    Raises:
        SystemExit: there is none, or nothing is in it.
    """
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$"
    found = re.search(rf"{heading}\n(.*?)(?=^## |^\[[^\]]+\]: |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if not found or not found[1].strip():
        raise SystemExit(f"CHANGELOG.md has no section `## [{version}] - YYYY-MM-DD` with something in it: write one")
    return found[1].strip()


def disagreements(root: Path, version: str) -> list[str]:
    """Places that have another version."""
    found = []
    for place, pattern in PLACES.items():
        match = re.search(pattern, (root / place.partition(",")[0]).read_text(encoding="utf-8"), re.MULTILINE)
        stated = match[1].strip('"') if match else "none"
        if stated != version:
            found.append(f"{place} has version {stated}, and the tag {version}")
    return found


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Check and print; the exit status."""
    if len(arguments) != 1 or not re.fullmatch(r"v\d+\.\d+\.\d+(-[0-9a-z.]+)?", arguments[0]):
        print(__doc__, file=sys.stderr)
        return 2
    version = arguments[0].removeprefix("v")
    if wrong := disagreements(root, version):
        print("\n".join(wrong), file=sys.stderr)
        return 1
    print(notes((root / "CHANGELOG.md").read_text(encoding="utf-8"), version))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
