"""A public name means one thing: no two modules of the package define the same one at their top level."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "operator/nested_docker"

EXCEPTIONS = {
    "logger": "each module has its own logger, as the logging library recommends",
    "NestedDocker": "the Python API's class is for users what the kind is for manifests",
}
"""Names that several modules may define, and why."""


def definitions(source: str) -> Iterator[tuple[str, int]]:
    """Public functions, classes and constants at the top level of a module, each with its line."""
    for statement in ast.parse(source).body:
        for name in _names(statement):
            if not name.startswith("_"):
                yield name, statement.lineno


def duplicates(modules: Mapping[str, str]) -> dict[str, list[str]]:
    """Names that more than one module defines, with the places, sorted by name.

    Args:
        modules: path to source.
    """
    places: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for path, source in modules.items():
        for name, line in definitions(source):
            places[name].setdefault(path, f"{path}:{line}")
    return {name: list(found.values()) for name, found in sorted(places.items()) if len(found) > 1}


def problems(found: Mapping[str, Iterable[str]], exceptions: Mapping[str, str]) -> Iterator[str]:
    """Duplicates that are no exception, and exceptions that are not needed any more."""
    for name, places in found.items():
        if name not in exceptions:
            yield f"{name}: defined in {', '.join(places)}: rename all but one, or import it from there"
    for name in exceptions:
        if name not in found:
            yield f"{name}: only one module defines it: remove it from EXCEPTIONS in hack/check_names.py"


def main() -> int:
    """Print every problem of the package; the exit status is 1 if there is one."""
    modules = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    lines = list(problems(duplicates(modules), EXCEPTIONS))
    print("\n".join(lines), end="\n" if lines else "", file=sys.stderr)
    return 1 if lines else 0


def _names(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield statement.name
        case ast.Assign():
            yield from _stored(statement.targets)
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.If() | ast.Try():
            for inner in statement.body:
                yield from _names(inner)


def _stored(targets: Iterable[ast.expr]) -> Iterator[str]:
    for target in targets:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


if __name__ == "__main__":
    sys.exit(main())
