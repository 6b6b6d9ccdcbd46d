"""Which NestedDockers `prune` deletes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from nested_docker.cli.user.durations import parse_duration, parse_moment
from nested_docker.client.progress import condition
from nested_docker.domain.objects import Manifest

FILTERS = "finished=true|false, ready=true|false, age=DURATION, label=KEY or label=KEY=VALUE"


def selected(nested_dockers: Iterable[Manifest], filters: Sequence[str], now: datetime) -> list[Manifest]:
    """Those that match every filter; without filters, those that have finished.

    Args:
        nested_dockers: all.
        filters: as FILTERS lists them.
        now: the time that ages are relative to.

    Raises:
        ValueError: a filter has another form; the message says which ones there are.
    """
    wanted = [_parsed(each) for each in filters or ["finished=true"]]
    return [each for each in nested_dockers if all(_matches(each, key, value, now) for key, value in wanted)]


def _parsed(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    flag = key in {"finished", "ready"} and value in {"true", "false"}
    if not flag and not (key in {"age", "label"} and value):
        raise ValueError(f"{text!r} is not a filter: use {FILTERS}")
    if key == "age":
        parse_duration(value)
    return key, value


def _matches(nested_docker: Manifest, key: str, value: str, now: datetime) -> bool:
    metadata, status = nested_docker["metadata"], nested_docker.get("status") or {}
    if key == "finished":
        return bool(status.get("completionTime")) == (value == "true")
    if key == "ready":
        return (condition(nested_docker, "Ready").get("status") == "True") == (value == "true")
    if key == "age":
        created = parse_moment(metadata.get("creationTimestamp"))
        return created is not None and (now - created).total_seconds() >= parse_duration(value)
    name, equals, wanted = value.partition("=")
    labels = metadata.get("labels") or {}
    return name in labels and (not equals or labels[name] == wanted)
