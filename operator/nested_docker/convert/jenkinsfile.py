"""A Jenkinsfile whose agents are pods, written as YAML in it, as one whose pods get a daemon by their label."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from nested_docker.convert.connection import GivenConnection, of_class
from nested_docker.convert.conversion import Conversion, ConversionOptions
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.documents_in_text import COMMENTS, documents_in, first_comment, written_like
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, objects_at
from nested_docker.convert.groovy import Call
from nested_docker.convert.jenkins_pod_template import USE_OF_AGENTS, converted_pods
from nested_docker.convert.pod_template import converted_template, has_daemon
from nested_docker.convert.recognition import replaced_kind
from nested_docker.convert.source_edits import Edit, edited, line_of
from nested_docker.yaml_text.reading import UnreadableError

SUFFIXES = (".groovy", ".jenkinsfile")
FILE = "Jenkinsfile"
_STRING = re.compile(r"(?P<quotes>'''|\"\"\")(?P<text>.*?)(?P=quotes)", re.DOTALL)
_CONTAINERS = re.compile(r"^\s*containers\s*:", re.MULTILINE)
_TEMPLATE = re.compile(
    r"containerTemplate\s{0,9}[({]?[^(){}]{0,500}?image\s{0,9}:?\s{0,9}['\"](?P<image>[^'\"]{1,500})['\"][^(){}]{0,500}[)}]?"
)
_VOLUME = re.compile(r"hostPathVolume\s{0,9}\([^()]{0,500}docker\.sock[^()]{0,500}\)")
_FILE = re.compile(r"\byamlFile\s{0,9}[(:]?\s{0,9}['\"](?P<name>[^'\"\n]{1,500})['\"]")
IN_ANOTHER_FILE = "the agent's pod is in this file, which is not read: convert it too"
_AGENTS = re.compile(r"\bpodTemplate\s*[({]|\bkubernetes\s*\{")
NOT_READ = (
    "it is not read: write the agent's pod as `yaml`, or as `podTemplate(containers: [containerTemplate(...)])` with "
    "names and images in quotes, and convert again"
)
STEPS_ARE_GONE = (
    "the container is gone, and so are its steps: run them in another container, whose image has the docker command"
)


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


def is_pipeline_text(text: str) -> bool:
    """Whether a text is a Jenkinsfile, by what is in it."""
    return bool(_AGENTS.search(text))


def convert_jenkinsfile(source: str, options: ConversionOptions, file: str = FILE) -> Conversion:
    """Replace the daemon of each pod in the file; the rest of it stays as it is, letter by letter.

    Args:
        source: its text.
        options: what the user chose.
        file: its name, for messages.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    connection = replace(options.connection(), names_clients=True)
    draft, edits = SpecDraft(), list[Edit]()
    embedded = [each for each in _embedded(source, file) if has_daemon(each.pod, each.path)]
    for each in embedded:
        edits.append(_replaced(each, connection, source, file, draft))
    spans = [(each.start, each.start + len(each.text)) for each in embedded]
    pods = [each for each in converted_pods(source, connection, file) if not _has_any(each.call, spans)]
    for pod in pods:
        edits += pod.edits
        draft.add(pod.draft)
        for name in pod.gone:
            _name_steps(source, file, name, draft)
    read = [(each.start, each.end) for pod in pods for each in (pod.call, *pod.lists)]
    _name_unread(source, file, read, draft)
    count = len(embedded) + len(pods)
    if count:
        options.require_label(f"{file} has no NestedDocker beside it")
        draft.differs(file, options.class_name, USE_OF_AGENTS)
    differences = {each.line: each for each in (*draft.differences, *of_class(draft, options.class_name))}
    return Conversion([], [*differences.values()], count, text=edited(source, {*edits}))


def _has_any(call: Call, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a string with a daemon is in a call: the call would be edited twice."""
    return any(call.start <= start and end <= call.end for start, end in spans)


def _embedded(source: str, file: str) -> Iterator[_Embedded]:
    for found in _STRING.finditer(source):
        path = f"{file}, line {line_of(source, found.start())}: "
        if _CONTAINERS.search(found["text"]) and (pod := _pod_in(found["text"], path)) is not None:
            yield _Embedded(pod, found["text"], found.start("text"), path)


def _pod_in(text: str, path: str) -> Mapping[str, Any] | None:
    try:
        documents = documents_in(text)
    except UnreadableError as error:
        raise UnconvertibleError(
            f"{path}{error}", "correct it; expressions of Groovy are read as plain text"
        ) from error
    content = documents[0].content if len(documents) == 1 else None
    return content if isinstance(content, dict) else None


def _replaced(each: _Embedded, connection: GivenConnection, source: str, file: str, draft: SpecDraft) -> Edit:
    done = converted_template(each.pod, each.path, connection, Surroundings({}))
    if done.template is None:
        raise UnconvertibleError(
            f"{joined(each.path, 'spec', 'containers')} has no container but the daemon",
            "add one whose image has the docker command, and run the steps there",
        )
    draft.add(done.draft)
    comment = first_comment(each.text)
    if comment:
        draft.differs(each.path.rstrip(" :"), comment, COMMENTS)
    for name in sorted(_containers(each.pod, each.path) - _containers(done.template, each.path)):
        _name_steps(source, file, name, draft)
    return Edit(each.start, each.start + len(each.text), written_like(each.text, done.template))


def _containers(pod: Mapping[str, Any], path: str) -> set[str]:
    spec = pod.get("spec") or {}
    return {str(each.get("name")) for each in objects_at(spec.get("containers"), joined(path, "spec", "containers"))}


def _name_steps(source: str, file: str, container: str, draft: SpecDraft) -> None:
    steps = re.compile(rf"(container|defaultContainer)\s*\(?\s*['\"]{re.escape(container)}['\"]")
    for found in steps.finditer(source):
        draft.differs(f"{file}, line {line_of(source, found.start())}", found[0], STEPS_ARE_GONE)


def _name_unread(source: str, file: str, read: Sequence[tuple[int, int]], draft: SpecDraft) -> None:
    daemons = (found for found in _TEMPLATE.finditer(source) if replaced_kind({"image": found["image"]}))
    for found in (*daemons, *_VOLUME.finditer(source)):
        if not any(start <= found.start() < end for start, end in read):
            draft.differs(f"{file}, line {line_of(source, found.start())}", found[0], NOT_READ)
    for found in _FILE.finditer(source):
        draft.differs(f"{file}, line {line_of(source, found.start())}", found["name"], IN_ANOTHER_FILE)
