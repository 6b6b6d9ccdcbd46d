"""Which mode of its class a NestedDocker without `spec.mode` gets, and why not a better one."""

from __future__ import annotations

from collections.abc import Mapping

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec
from nested_docker.api.v1alpha1.nested_docker import ModeNotChosen
from nested_docker.api.v1alpha1.nested_docker_class import ModeSelection
from nested_docker.domain.modes import MODES
from nested_docker.domain.shown import shorten
from nested_docker.domain.status.reasons import Reason

WHY_LENGTH = 1023
"""Characters of why a mode was not chosen: with the ellipsis, as many as the status may have."""

NOT_PREFERRED = "NotPreferred"
"""Reason of a mode that nobody has tried, because the class prefers another one."""


def order(class_spec: NestedDockerClassSpec) -> list[Mode]:
    """The class's modes, the one to try first at the front."""
    if class_spec.mode_selection == ModeSelection.AS_LISTED:
        return list(class_spec.modes)
    return sorted(class_spec.modes, key=lambda mode: MODES[mode].privilege)  # stable: equals stay as listed


def not_chosen(
    class_spec: NestedDockerClassSpec, chosen: Mode, reasons: Mapping[Mode, tuple[Reason, str]]
) -> tuple[ModeNotChosen, ...]:
    """The modes that come before the chosen one, and those with less privilege after it.

    Args:
        class_spec: the class, which offers them.
        chosen: the mode.
        reasons: why not, with a message, for each mode that was tried; the chosen one may be among them.
    """
    tried = [mode for mode in order(class_spec) if mode in reasons and mode != chosen]
    untried = [
        mode
        for mode in order(class_spec)
        if mode not in reasons and mode != chosen and MODES[mode].privilege < MODES[chosen].privilege
    ]
    why = {mode: (reason.value, message) for mode, (reason, message) in reasons.items()}
    preferred = (
        NOT_PREFERRED,
        f"the class has modeSelection: {class_spec.mode_selection}, and {chosen} before this mode in modes; "
        "to get it, create the NestedDocker again with spec.mode",
    )
    return tuple(
        ModeNotChosen(mode=mode, reason=reason, message=shorten(message, WHY_LENGTH))
        for mode in (*tried, *untried)
        for reason, message in [why.get(mode, preferred)]
    )
