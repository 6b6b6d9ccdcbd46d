"""A Jenkinsfile whose agents are pods, written as YAML in it, as one whose pods get a daemon by their label."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from nested_docker.convert.connection import GivenConnection, of_class
from nested_docker.convert.conversion import Conversion, ConversionOptions
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, objects_at
from nested_docker.convert.pod_template import converted_template, has_daemon
from nested_docker.convert.recognition import Replaced, replaced_kind

SUFFIXES = (".groovy", ".jenkinsfile")
HEAD = "Jenkinsfile: "
_STRING = re.compile(r"(?P<quotes>'''|\"\"\")(?P<text>.*?)(?P=quotes)", re.DOTALL)
_CONTAINERS = re.compile(r"^\s*containers\s*:", re.MULTILINE)
_TEMPLATE = re.compile(
    r"containerTemplate\s{0,9}\(?[^()]{0,500}?image\s{0,9}:\s{0,9}['\"](?P<image>[^'\"]{1,500})['\"][^()]{0,500}\)?"
)
_VOLUME = re.compile(r"hostPathVolume\s{0,9}\([^()]{0,500}docker\.sock[^()]{0,500}\)")
USE_OF_AGENTS = (
    "Jenkins makes the pods, so its ServiceAccount, or that of the pods, needs the permission to use the class"
)
NOT_READ = "it is not read: write the agent's pod as `yaml`, and convert again"
STEPS_ARE_GONE = (
    "the container is gone, and so are its steps: run them in another container, whose image has the docker command"
)

ReadYaml = Callable[[str, str], Mapping[str, Any] | None]
"""The mapping in a text that is named by its place; None: it is none.

Raises:
    UnconvertibleError: it is YAML that nobody can read.
"""
WriteYaml = Callable[[dict[str, Any]], str]


@dataclass(frozen=True)
class _Embedded:
    """A string of the file with a pod.

    Attributes:
        pod: what it says.
        text: the string.
        start: position in the file.
        path: of the pod, for messages.
    """

    pod: Mapping[str, Any]
    text: str
    start: int
    path: str


def is_jenkinsfile(name: str) -> bool:
    """Whether a file is one, by its name."""
    file = PurePath(name).name
    return file.startswith("Jenkinsfile") or file.endswith(SUFFIXES)


def convert_jenkinsfile(source: str, options: ConversionOptions, read: ReadYaml, write: WriteYaml) -> Conversion:
    """Replace the daemon of each pod in the file; the rest of it stays as it is, letter by letter.

    Args:
        source: the file.
        options: what the user chose.
        read: reads YAML.
        write: writes YAML.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    options.require_label(f"{HEAD.rstrip(' :')} has no NestedDocker beside it")
    connection = replace(options.connection(), names_clients=True)
    draft, converted, at, count = SpecDraft(), "", 0, 0
    for each in _embedded(source, read):
        if not has_daemon(each.pod, each.path):
            continue
        count += 1
        converted += source[at : each.start] + _replaced(each, connection, source, draft, write)
        at = each.start + len(each.text)
    _name_unread(source, draft)
    if count:
        draft.differs(HEAD.rstrip(" :"), options.class_name, USE_OF_AGENTS)
    differences = [*draft.differences, *of_class(draft, options.class_name)]
    return Conversion([], differences, count, text=converted + source[at:])


def _embedded(source: str, read: ReadYaml) -> Iterator[_Embedded]:
    for found in _STRING.finditer(source):
        line = source.count("\n", 0, found.start()) + 1
        path = f"Jenkinsfile, line {line}: "
        if _CONTAINERS.search(found["text"]) and (pod := read(found["text"], path)) is not None:
            yield _Embedded(pod, found["text"], found.start("text"), path)


def _replaced(each: _Embedded, connection: GivenConnection, source: str, draft: SpecDraft, write: WriteYaml) -> str:
    done = converted_template(each.pod, each.path, connection, Surroundings({}))
    if done.template is None:
        raise UnconvertibleError(
            f"{joined(each.path, 'spec', 'containers')} has no container but the daemon",
            "add one whose image has the docker command, and run the steps there",
        )
    draft.add(done.draft)
    for name in sorted(_containers(each.pod, each.path) - _containers(done.template, each.path)):
        _name_steps(source, name, draft)
    return _like(each.text, write(done.template))


def _containers(pod: Mapping[str, Any], path: str) -> set[str]:
    spec = pod.get("spec") or {}
    return {str(each.get("name")) for each in objects_at(spec.get("containers"), joined(path, "spec", "containers"))}


def _name_steps(source: str, container: str, draft: SpecDraft) -> None:
    steps = re.compile(rf"(container|defaultContainer)\s*\(?\s*['\"]{re.escape(container)}['\"]")
    for found in steps.finditer(source):
        line = source.count("\n", 0, found.start()) + 1
        draft.differs(f"Jenkinsfile, line {line}", found[0], STEPS_ARE_GONE)


def _name_unread(source: str, draft: SpecDraft) -> None:
    daemons = (
        found for found in _TEMPLATE.finditer(source) if replaced_kind({"image": found["image"]}) is Replaced.DIND
    )
    for found in (*daemons, *_VOLUME.finditer(source)):
        line = source.count("\n", 0, found.start()) + 1
        draft.differs(f"Jenkinsfile, line {line}", found[0], NOT_READ)


def _like(old: str, new: str) -> str:
    """New lines with the indentation of the old ones, between the same white space."""
    body = old.strip("\n \t")
    before, after = old[: old.index(body)], old[old.index(body) + len(body) :]
    indentation = before.rpartition("\n")[2]
    return before + f"\n{indentation}".join(new.rstrip("\n").split("\n")) + after
