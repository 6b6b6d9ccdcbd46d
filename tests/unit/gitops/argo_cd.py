"""Argo CD's health of an object, by the script in `examples/gitops/argocd-cm.yaml`."""

from __future__ import annotations

from typing import Any

import yaml
from lupa.lua51 import LuaRuntime
from tests.unit.pages import ROOT

KEY = "resource.customizations.health.nesteddocker.dev_NestedDocker"
STATUSES = ("Healthy", "Progressing", "Degraded", "Suspended")
"""What a script may return."""

_WITHHELD = ("coroutine", "debug", "dofile", "io", "loadfile", "math", "os", "package", "python", "require", "string")
"""Argo CD gives a script of the ConfigMap the basic functions and `table` only."""


def script() -> str:
    """The script."""
    return yaml.safe_load((ROOT / "examples/gitops/argocd-cm.yaml").read_text())["data"][KEY]


def health(manifest: dict[str, Any]) -> tuple[str, str]:
    """Status and message."""
    lua = LuaRuntime(register_eval=False, register_builtins=False)
    for name in _WITHHELD:
        lua.globals()[name] = None
    lua.globals()["obj"] = lua.table_from(manifest, recursive=True)
    result = dict(lua.execute(script()))
    assert set(result) == {"status", "message"}
    assert result["status"] in STATUSES
    return result["status"], result["message"]
