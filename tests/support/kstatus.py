"""What tools that follow kstatus (Flux, `kubectl rollout`-like waits of CI systems) make of a status.

The rules are those of sigs.k8s.io/cli-utils/pkg/kstatus for kinds that it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def kstatus(generation: int, status: Mapping[str, Any]) -> str:
    """`Current`, `InProgress` or `Failed`; only InProgress is not final."""
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    if status.get("observedGeneration", generation) != generation or conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"
