"""How Flux and other users of kstatus judge an object of a kind that they do not know."""

from __future__ import annotations

from typing import Any

import cel
import yaml
from tests.unit.pages import ROOT

Manifest = dict[str, Any]

CURRENT, IN_PROGRESS, FAILED = "Current", "InProgress", "Failed"


def kstatus(manifest: Manifest) -> str:
    """By kstatus' rules for custom resources that are not being deleted."""
    status = manifest.get("status", {})
    if "observedGeneration" in status and status["observedGeneration"] != manifest["metadata"]["generation"]:
        return IN_PROGRESS
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    if conditions.get("Reconciling") == "True":
        return IN_PROGRESS
    if conditions.get("Stalled") == "True":
        return FAILED
    return CURRENT if conditions.get("Ready", "True") == "True" else IN_PROGRESS


def expressions() -> dict[str, str]:
    """The health check expressions for NestedDockers in `examples/gitops/flux-daemons.yaml`."""
    kustomization = yaml.safe_load((ROOT / "examples/gitops/flux-daemons.yaml").read_text())
    (check,) = kustomization["spec"]["healthCheckExprs"]
    return {key: value for key, value in check.items() if key not in {"apiVersion", "kind"}}


def health(manifest: Manifest) -> str:
    """By the expressions, in Flux's order; an expression that fails raises."""
    given = expressions()
    if manifest["status"]["observedGeneration"] != manifest["metadata"]["generation"]:
        return IN_PROGRESS
    for key, result in (("inProgress", IN_PROGRESS), ("failed", FAILED), ("current", CURRENT)):
        if cel.evaluate(given[key], manifest):
            return result
    return IN_PROGRESS
