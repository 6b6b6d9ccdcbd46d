"""Which mode a NestedDocker gets here, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec
from nested_docker.api.v1alpha1.nested_docker_class import ModeSelection
from nested_docker.cli.user.status_text import ISOLATION_MEANINGS
from nested_docker.domain.admission.mode_choice import order
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import Privilege
from nested_docker.domain.objects import Manifest
from nested_docker.domain.shown import one_line
from nested_docker.domain.status.reasons import Reason, Trait


class Choice(StrEnum):
    """What is known about a mode."""

    CHOSEN = "chosen"
    POSSIBLE = "possible"
    NO = "no"


@dataclass(frozen=True)
class ModeAdvice:
    """One mode.

    Attributes:
        mode: its name.
        choice: whether it is possible, or even chosen.
        detail: what isolates its users from the node, or why it is not possible.
    """

    mode: str
    choice: Choice
    detail: str


def advice(class_spec: Manifest, problems: Mapping[str, str]) -> list[ModeAdvice]:
    """All modes: first the possible ones in the order of the choice, then the others.

    Args:
        class_spec: spec of the class; empty: it cannot be read.
        problems: why a mode is not possible, for each that is not.
    """
    possible = [mode for mode in _order(class_spec) if mode not in problems]
    found = [
        ModeAdvice(mode, Choice.POSSIBLE if number else Choice.CHOSEN, _meaning(mode))
        for number, mode in enumerate(possible)
    ]
    return found + [ModeAdvice(mode, Choice.NO, problems[mode]) for mode in Mode if mode in problems]


def advice_of(nested_docker: Manifest) -> list[ModeAdvice]:
    """The mode that a NestedDocker has, and why it has no better one."""
    status = nested_docker.get("status") or {}
    mode = status.get("mode")
    found = [ModeAdvice(mode, Choice.CHOSEN, _meaning(mode))] if mode else []
    others = status.get("modesNotChosen") or []
    return found + [ModeAdvice(each["mode"], Choice.NO, f"{each['reason']}: {each['message']}") for each in others]


def advice_text(found: Sequence[ModeAdvice], why: str) -> str:
    """One line per mode, and the conclusion.

    Args:
        found: the modes.
        why: why it is the chosen one.
    """
    lines = [f"{each.mode:15}{each.choice:10}{one_line(each.detail)}" for each in found]
    return "\n".join([*lines, "", _conclusion(found, why)])


def is_shortcoming(warning: str) -> bool:
    """Whether a warning of the webhook says that the request is not possible now, and may become so."""
    reason = warning.partition(": ")[0]
    return reason in set(Reason) and Reason(reason).has(Trait.MAY_PASS)


def why_chosen(class_spec: Manifest) -> str:
    """Why a new NestedDocker of the class gets the chosen mode."""
    if _is_as_listed(class_spec):
        return "the class prefers it"
    return "no mode with less privilege on the node is possible"


def why_it_has_its_mode(nested_docker: Manifest, class_spec: Manifest) -> str:
    """Why a NestedDocker that exists has its mode."""
    if (nested_docker.get("spec") or {}).get("mode"):
        return "its spec.mode names it"
    if _is_as_listed(class_spec):
        return "the class preferred it when the NestedDocker was new"
    return "no mode with less privilege on the node was possible when the NestedDocker was new"


def _is_as_listed(class_spec: Manifest) -> bool:
    """Whether the order of the class's modes decides, and not their privilege."""
    return bool(class_spec.get("modeSelection") == ModeSelection.AS_LISTED)


def _conclusion(found: Sequence[ModeAdvice], why: str) -> str:
    chosen = next((each.mode for each in found if each.choice is Choice.CHOSEN), None)
    if chosen is None:
        return "No mode is possible here: each line names what would change that."
    text = f"The mode is {chosen}: {why}."
    if chosen in set(Mode) and MODES[Mode(chosen)].privilege is Privilege.NODE:
        others = [mode.value for mode in _order({}) if MODES[mode].privilege is not Privilege.NODE]
        text += f" Run only code there that you trust; for other code ask for a class with mode {', '.join(others)}."
    return text


def _order(class_spec: Manifest) -> list[Mode]:
    listed = [Mode(mode) for mode in class_spec.get("modes") or Mode if mode in set(Mode)]
    selection = ModeSelection.AS_LISTED if _is_as_listed(class_spec) else ModeSelection.LEAST_PRIVILEGED
    return order(NestedDockerClassSpec.model_construct(modes=listed, mode_selection=selection))


def _meaning(mode: str) -> str:
    if mode not in set(Mode):
        return ""
    isolation = MODES[Mode(mode)].isolation
    return ISOLATION_MEANINGS.get(isolation, isolation)
