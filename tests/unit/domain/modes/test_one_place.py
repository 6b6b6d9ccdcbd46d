"""Which mode it is, is asked in the modes alone: a new mode changes nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import nested_docker
from nested_docker.api.meta import Mode

PACKAGE = Path(nested_docker.__file__).parent
ELSEWHERE = [path for path in sorted(PACKAGE.rglob("*.py")) if PACKAGE / "domain/modes" not in path.parents]
MEMBERS, VALUES = {mode.name for mode in Mode}, {mode.value for mode in Mode}


def asks_for_a_mode(source: str) -> list[str]:
    """Expressions that name a mode, or compare something that is called a mode with its name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in MEMBERS and ast.unparse(node.value).endswith("Mode"):
            found.append(node)
        if isinstance(node, ast.Compare | ast.match_case | ast.Subscript) and any(
            isinstance(part, ast.Constant) and part.value in VALUES for part in ast.walk(node)
        ):
            found.append(node)
    return [f"line {getattr(node, 'lineno', '?')}: {ast.unparse(node)}" for node in found]


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_but_a_mode_asks_which_mode_it_is(path: Path) -> None:
    assert asks_for_a_mode(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "if mode == Mode.DIND: pass",
        "meta.Mode.SYSBOX",
        "if effective.mode == 'HostSocket': pass",
        "mode in {'Dind', 'Sysbox'}",
        "match mode:\n    case 'Dind': pass",
        "MODES['Dind']",
        "MODES[Mode.HOST_SOCKET]",
    ],
)
def test_the_check_finds_what_it_looks_for(source: str) -> None:
    assert asks_for_a_mode(source)
