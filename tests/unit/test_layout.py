"""The test of a module is found by the module's path, and test modules are not libraries."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE, UNIT = ROOT / "operator/nested_docker", ROOT / "tests/unit"
MIRRORED = ("domain", "controller")

ELSEWHERE = {
    "controller/key_sets": "domain/features/test_renewal.py, and test_reconciler.py",
    "domain/ports": "protocols; the real ones are met by the slow rings, the doubles by every test of controller/",
    "domain/planning/admitted": "features/test_other_admission.py",
    "domain/planning/blocked": "controller/test_rejected_writes.py",
    "domain/planning/contested": "controller/test_contested_writes.py",
    "domain/planning/exposure": "controller/test_rejected_writes.py",
    "domain/planning/planned": "types",
    "domain/planning/status": "whole statuses in planning/test_plan.py",
    "domain/planning/waiting": "features/test_other_admission.py and planning/test_brake.py",
    "domain/admission/authorization": "controller/test_admission_reviewer.py",
    "domain/admission/grant_request": "admission/test_policy.py",
    "domain/admission/pod_security": "features/test_governing.py",
    "domain/manifests/network_policy": "whole manifests in manifests/test_pod.py and features/test_pod_namespace.py",
    "domain/manifests/secrets": "whole manifests in manifests/test_pod.py and features/test_pod_namespace.py",
    "domain/manifests/service": "whole manifests in manifests/test_pod.py and features/test_pod_namespace.py",
    "domain/manifests/storage": "whole manifests in manifests/test_pod.py",
    "domain/kube_types": "types",
    "domain/partial": "a type; adapters/test_bounded_json.py makes its objects",
    "domain/modes/base": "types",
    "domain/modes/dind": "whole pods in manifests/test_pod.py, hazards in modes/test_hazards.py",
    "domain/modes/dockerd": "whole pods in manifests/test_pod.py, hazards in modes/test_hazards.py",
    "domain/modes/pod_user_namespace": "of both modes, in modes/test_user_namespace.py and modes/test_rootless.py",
    "domain/modes/host_socket": "whole pods in manifests/test_pod.py, and features/test_guarded_socket.py",
}
"""Modules without a test file of their name, and where they are tested instead."""


def modules() -> Iterator[str]:
    for folder in MIRRORED:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            if path.name != "__init__.py":
                yield path.relative_to(PACKAGE).with_suffix("").as_posix()


def has_test(module: str) -> bool:
    where = UNIT / module
    return where.with_name(f"test_{where.name}.py").exists()


@pytest.mark.parametrize("module", [*modules()])
def test_a_module_has_its_test_at_the_same_path(module: str) -> None:
    where = f"tests/unit/{module.rpartition('/')[0]}/test_{module.rpartition('/')[2]}.py"
    assert has_test(module) or module in ELSEWHERE, f"write {where}, or say in ELSEWHERE where {module} is tested"
    assert not (has_test(module) and module in ELSEWHERE), f"{where} exists: remove {module} from ELSEWHERE"


def test_what_is_tested_elsewhere_exists() -> None:
    assert ELSEWHERE.keys() <= {*modules()}, "remove from ELSEWHERE what does not exist"


def imported(path: Path) -> Iterator[str]:
    """Modules that a file imports, with the names that it imports from packages."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_test_module_is_imported() -> None:
    files = [path for folder in ("tests", "bench", "hack") for path in (ROOT / folder).rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)} imports {name}: move what it needs into a module beside it"
        for path in files
        for name in imported(path)
        if is_test_module(name)
    ]
    assert not found, "\n".join(found)


def is_test_module(name: str) -> bool:
    return name.startswith("tests.") and any(part.startswith("test_") for part in name.split("."))
