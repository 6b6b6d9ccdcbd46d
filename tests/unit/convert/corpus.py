"""Hand-written daemons in the shapes that the documentation of CI systems has, as files."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
PIPELINES = frozenset({"gitlab-ci"})
CORPUS = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
ONLY_DAEMONS = frozenset({"daemon-of-its-own", "buildkit-of-buildx"})
"""Nothing is left in these that could have the label."""
NAMELESS = frozenset({"jenkins-pod"})


def forms(name: str) -> list[list[str]]:
    """Options with which a file can be converted."""
    label = ["--as", "label", "--class", "standard"]
    if name in PIPELINES:
        return [label]
    return [[]] if name in ONLY_DAEMONS else [[], label]


CASES = [(name, form) for name in CORPUS for form in forms(name)]


def case_id(case: object) -> str:
    return case if isinstance(case, str) else "label" if case else "nesteddocker"
