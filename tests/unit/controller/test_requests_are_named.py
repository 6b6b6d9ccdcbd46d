"""Each request of a pass is named when it fails, so that the status can say which one it was."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CONTROLLER = Path(__file__).parents[3] / "operator/nested_docker/controller"
VERBS = {"create", "apply", "apply_status", "replace", "set_finalizers", "get", "list", "delete"}
OTHERS = {
    "admission_reviewer.py": "answers an admission review, and has no NestedDocker yet",
    "leader.py": "the lease of the replica",
    "lease_fence.py": "passes requests on",
    "node_prober.py": "is about a node, and has no NestedDocker",
    "resync.py": "lists for everybody, and counts what fails",
    "root_key.py": "before the operator starts",
    "status_writer.py": "the status itself",
}
NAMED_BY_CALLER = {
    "cleaner.py": {"_start": "becomes a CleanupRejectedError"},
    "executor.py": {
        "_ask_again": "still_rejected",
        "_dry_run": "still_rejected",
        "_put": "_act",
        "_delete_to_recreate": "_act",
        "_look_at_existing": "_act",
    },
    "finalizer.py": {"_write": "Executor._act", "_remaining": "Executor._act"},
}
"""Functions whose callers name the request."""


def unnamed(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Function and line of each request outside of `with requesting(...)`."""

    def walk(node: ast.AST, function: str, *, named: bool) -> Iterator[tuple[str, int]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function, named = node.name, False
        if isinstance(node, ast.With):
            calls = [item.context_expr for item in node.items]
            named = named or any(
                isinstance(each, ast.Call) and ast.unparse(each.func) == "requesting" for each in calls
            )
        kube = isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"self._kube", "self.kube", "kube"}
        if isinstance(node, ast.Attribute) and kube and node.attr in VERBS and not named:
            yield function, node.lineno
        for child in ast.iter_child_nodes(node):
            yield from walk(child, function, named=named)

    return walk(tree, "", named=False)


@pytest.mark.parametrize("path", sorted(CONTROLLER.glob("*.py")), ids=lambda path: path.name)
def test_a_request_is_named(path: Path) -> None:
    if path.name in OTHERS:
        return
    known = NAMED_BY_CALLER.get(path.name, {})
    found = [(name, line) for name, line in unnamed(ast.parse(path.read_text())) if name not in known]
    assert found == [], "put the request in `with requesting(verb, identity):`"


def test_the_exceptions_exist() -> None:
    for name in OTHERS:
        assert [*unnamed(ast.parse((CONTROLLER / name).read_text()))], f"remove {name} from OTHERS"
    for name, functions in NAMED_BY_CALLER.items():
        found = {function for function, _ in unnamed(ast.parse((CONTROLLER / name).read_text()))}
        assert functions.keys() <= found, f"remove from NAMED_BY_CALLER what does not exist in {name}"


def test_a_new_one_is_found() -> None:
    tree = ast.parse("async def f(self):\n    with other():\n        await self._kube.get('Pod', 'a', 'b')\n")
    assert [*unnamed(tree)] == [("f", 3)]
