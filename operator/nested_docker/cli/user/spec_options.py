"""The spec of a NestedDocker from options."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from nested_docker.cli.user.durations import parse_duration


def spec_from_options(
    *, cpu: str = "", memory: str = "", idle_timeout: str = "", lifetime: str = "", fields: Iterable[str] = ()
) -> dict[str, Any]:
    """The fields that options set; `fields` are `path=value` with values in YAML, and override the others.

    Raises:
        ValueError: a duration or a field has another form; the message says which one is right.
    """
    spec: dict[str, Any] = {}
    limits = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    if limits:
        spec["resources"] = {"limits": limits}
    if idle_timeout:
        spec["idleTimeoutSeconds"] = parse_duration(idle_timeout)
    if lifetime:
        spec["activeDeadlineSeconds"] = parse_duration(lifetime)
    for each in fields:
        _set(spec, each)
    return spec


def _set(spec: dict[str, Any], assignment: str) -> None:
    import yaml

    path, equals, text = assignment.partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise ValueError(f"{assignment!r} is not FIELD=VALUE, such as engine.image=docker:29-dind")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {text!r} is not YAML: {' '.join(str(error).split())}") from error
    try:
        _check_json(value, path)
    except RecursionError:
        raise ValueError(f"{path}: the value contains itself: nest it less") from None
    here = spec
    for key in keys[:-1]:
        inner = here.setdefault(key, {})
        if isinstance(inner, dict):
            here = inner
        else:
            raise ValueError(f"{path}: {key} is set to {inner!r} already, which has no fields")  # noqa: TRY004
    here[keys[-1]] = value


def _check_json(value: Any, path: str) -> None:
    """Reject what YAML has and JSON has not, such as dates."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{path}: the key {key} is no string: write it in quotes")  # noqa: TRY004
            _check_json(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _check_json(each, f"{path}[{number}]")
    elif not (value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))):
        raise ValueError(
            f"{path}: YAML takes {value} for a {type(value).__name__}: write it in quotes, as '\"{value}\"'"
        )
