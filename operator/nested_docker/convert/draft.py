"""The spec of the NestedDocker, as it grows while the input is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from nested_docker.api.v1alpha1.nested_docker import NestedDockerSpec
from nested_docker.convert.difference import Difference


@dataclass
class SpecDraft:
    """What is carried over, and what differs.

    Attributes:
        spec: fields of a NestedDocker, each of them valid.
        origins: for each field that was set, where its value comes from.
        differences: what is not carried over.
    """

    spec: dict[str, Any] = field(default_factory=dict)
    origins: list[Difference] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    def differs(self, path: str, value: Any, what: str) -> None:
        """Name a difference."""
        self.differences.append(Difference(path, value, what))

    def add(self, other: SpecDraft, moved: Callable[[Difference], Difference] = lambda each: each) -> None:
        """Take up another draft: the fields of its spec win, and lists grow.

        Args:
            other: the draft.
            moved: gives what it names its place in the input.
        """
        self.spec = _merged(self.spec, other.spec)
        self.origins += map(moved, other.origins)
        self.differences += map(moved, other.differences)

    def name_once(self) -> None:
        """Keep one of the differences that read the same, as those of several containers do."""
        self.differences = [*{each.line: each for each in self.differences}.values()]

    def carry(self, target: tuple[str, ...], value: Any, path: str, original: Any) -> None:
        """Set a field of the spec; if the API would reject the value, it becomes a difference.

        Lists grow, and mappings of lists too.
        """
        merged = _merged(self._value(target), value)
        problem = _problem(target, merged)
        name = ".".join(("spec", *target))
        if problem:
            self.differs(path, original, f"{name} does not take it: {problem}; set the field to what you need")
            return
        at = self.spec
        for part in target[:-1]:
            at = at.setdefault(part, {})
        at[target[-1]] = merged
        self.origins.append(Difference(path, original, name))

    def _value(self, target: tuple[str, ...]) -> Any:
        at: Any = self.spec
        for part in target:
            at = at.get(part) if isinstance(at, dict) else None
        return at


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, list) and isinstance(new, list):
        return [*old, *(each for each in new if each not in old)]
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}
    return new


def _problem(target: tuple[str, ...], value: Any) -> str:
    """Why the API rejects a value; empty: it does not."""
    whole = value
    for part in reversed(target):
        whole = {part: whole}
    try:
        NestedDockerSpec.model_validate(whole)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        is_pattern = first["type"] == "string_pattern_mismatch"
        return "it has not the form of such a value" if is_pattern else first["msg"].removeprefix("Value error, ")
    return ""
