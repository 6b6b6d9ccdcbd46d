"""The spec of a NestedDocker from options."""

from __future__ import annotations

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
    from nested_docker.yaml_text.reading import UnreadableError, parse_document

    path, equals, text = assignment.partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise ValueError(f"{assignment!r} is not FIELD=VALUE, such as engine.image=docker:29-dind")
    try:
        value = parse_document(text)
    except UnreadableError as error:
        raise ValueError(f"{path}: {text!r} is not YAML: {error}") from error
    here = spec
    for key in keys[:-1]:
        inner = here.setdefault(key, {})
        if isinstance(inner, dict):
            here = inner
        else:
            raise ValueError(f"{path}: {key} is set to {inner!r} already, which has no fields")  # noqa: TRY004
    here[keys[-1]] = value
