"""What objects have within them: pods, other objects, values of charts, and texts with any of these."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nested_docker.convert.connection import GivenConnection
from nested_docker.convert.conversion import Conversion, ConversionOptions, ConvertedForm
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.documents_in_text import COMMENTS, documents_in, first_comment, written_like
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.embedded_templates import (
    RUNNER_KINDS,
    convert_bare_spec,
    convert_template,
    is_bare_spec,
    is_template,
)
from nested_docker.convert.fields import joined
from nested_docker.convert.files import ConvertDocument, conversion_of, conversion_of_part
from nested_docker.convert.gitlab_runner import convert_runner_config, parse_runner_config, runner_config_text
from nested_docker.convert.jenkins_cloud import is_agent_template
from nested_docker.convert.jenkinsfile import convert_jenkinsfile, is_pipeline_text
from nested_docker.convert.recognition import OF_A_DAEMON, Replaced, replaced_kind
from nested_docker.convert.runner_pods import CONTAINER_JOBS
from nested_docker.yaml_text.reading import UnreadableError

ConvertObject = Callable[[dict[str, Any], str, GivenConnection, Surroundings, SpecDraft], int]
"""Converts an object in place, given the start of its paths; the number of daemons that were replaced."""

OF_THE_SERVER = frozenset({"metadata", "status"})
"""Fields of an object that make no pods; annotations may repeat the object as text."""
FIELDS_OF_VALUES = frozenset({"values", "valuesObject", "valuesInline"})
"""Fields with a chart's values, of Flux, Argo CD and Kustomize."""
RUNNERS = re.compile(r"^\s*\[\[runners\]\]", re.MULTILINE)
"""Begins the part of a runner in a config.toml."""

WORTH_READING = re.compile(r"dind|docker|kubedock|buildkit|/run\b")
"""Every text with a daemon, or the node's socket, has one of these words."""

UNREAD_TEXT = (
    "it is not read, since the text is neither YAML nor a config.toml: render it if it is a template, else edit it"
)
UNREAD_DATA = "it is not read, since it is base64: write it into stringData, and convert again"
UNREAD_IMAGE = (
    "it is not read, since this is no pod: switch the daemon off here, and let what makes the pods give them the label"
)
NAMESPACE_OF_PODS = "the NestedDocker must be in the namespace of the pods: set metadata.namespace if it is another one"


def convert_embedded(
    manifest: dict[str, Any],
    head: str,
    connection: GivenConnection,
    around: Surroundings,
    draft: SpecDraft,
    *,
    convert_object: ConvertObject,
) -> int:
    """Replace each daemon in an object of a kind that is not known, in place; how many were replaced.

    Raises:
        UnconvertibleError: one cannot be converted as it is.
    """
    embedded = _Embedded(connection, around, draft, convert_object)
    members = {key: member for key, member in manifest.items() if key not in OF_THE_SERVER}
    try:
        count = embedded.walk(members, head)
    except RecursionError as error:
        raise UnconvertibleError(
            f"{head}texts in it are nested too deeply", "convert what they are made from"
        ) from error
    manifest.update(members)
    if manifest.get("kind") == "Secret":
        embedded.name_encoded(manifest.get("data"), joined(head, "data"))
    if count and manifest.get("kind") in RUNNER_KINDS:
        draft.differs(head.rstrip(" :"), manifest["kind"], CONTAINER_JOBS)
    return count


@dataclass(frozen=True)
class _Embedded:
    """Converts what is within an object.

    Attributes:
        connection: what containers get.
        around: claims and ConfigMaps of the input.
        draft: what grows.
        convert_object: converts objects within it.
    """

    connection: GivenConnection
    around: Surroundings
    draft: SpecDraft
    convert_object: ConvertObject

    def walk(self, node: Any, path: str) -> int:
        """Convert the members of a mapping or list, in place; how many daemons were replaced.

        What is within a pod is not searched.
        """
        members = [*node.items()] if isinstance(node, dict) else [*enumerate(node)] if isinstance(node, list) else []
        count = 0
        for key, member in members:
            where = joined(path, key if isinstance(key, int) else str(key))
            whole = key in FIELDS_OF_VALUES
            count += (
                self._text(node, key, where)
                if isinstance(member, str)
                else self._member(node, key, where, is_whole=whole)
            )
        return count

    def name_encoded(self, data: Any, path: str) -> None:
        """Name lines of a Secret's data that are of a daemon, without what they say."""
        for key, encoded in data.items() if isinstance(data, dict) else ():
            try:
                text = base64.b64decode(encoded, validate=True).decode()
            except (TypeError, ValueError):
                continue
            for number, line in enumerate(text.splitlines(), start=1):
                if OF_A_DAEMON.search(line):
                    self.draft.differs(f"{joined(path, str(key))}: line {number}", key, UNREAD_DATA)

    def _member(self, holder: Any, key: Any, path: str, *, is_whole: bool) -> int:
        """Convert a member; `is_whole`: it is a whole document, and not a part of one."""
        member = holder[key]
        if not isinstance(member, dict):
            return self.walk(member, path)
        if isinstance(member.get("apiVersion"), str) and isinstance(member.get("kind"), str):
            return self._object(member, path)
        convert = conversion_of(member) if is_whole else conversion_of_part(member)
        converted, count = self._document(member, convert, path) if convert else (member, 0)
        if count or is_agent_template(member):
            holder[key] = converted
            return count or self.walk(converted, path)
        pod = None
        if is_template(member):
            pod = convert_template(member, path, self.connection, self.around, self.draft)
        elif is_bare_spec(member):
            pod = convert_bare_spec(member, path, self.connection, self.around, self.draft)
        else:
            self._name_unread_image(member, path)
            return self.walk(member, path)
        if pod is None:
            return 0
        holder[key] = pod
        return 1

    def _object(self, manifest: dict[str, Any], path: str) -> int:
        count = self.convert_object(manifest, f"{path.rstrip(' :')}: ", self.connection, self.around, self.draft)
        if not manifest:
            raise UnconvertibleError(
                f"{path.rstrip(' :')} has no container but the daemon", "remove it by hand, and use a NestedDocker"
            )
        return count

    def _document(self, document: dict[str, Any], convert: ConvertDocument, path: str) -> tuple[dict[str, Any], int]:
        done = convert(document, self._by_label, path)
        if done.converted:
            self._refuse_secrets(lambda options: convert(document, options, path))
            self.draft.differences += done.differences
        return done.documents[0], done.converted

    @property
    def _by_label(self) -> ConversionOptions:
        form = ConvertedForm.SIDECAR if self.connection.is_beside else ConvertedForm.LABEL
        return ConversionOptions(form, class_name=self.connection.class_name)

    def _refuse_secrets(self, convert: Callable[[ConversionOptions], Conversion]) -> None:
        """Say why what was converted cannot have a NestedDocker, if it was to have one."""
        if self.connection.nested_docker:
            convert(ConversionOptions(ConvertedForm.NESTED_DOCKER))

    def _text(self, holder: Any, key: Any, path: str) -> int:
        text = holder[key]
        if not WORTH_READING.search(text):
            return 0
        try:
            config = _runner_config(text) if RUNNERS.search(text) else None
            converted, count = self._documents(text, path) if config is None else self._config(config, text, path)
        except UnreadableError as error:
            if isinstance(error.__cause__, RecursionError):
                raise error.__cause__ from error
            if is_pipeline_text(text):
                return self._pipeline(holder, key, path)
            self._name_unread(text, path)
            return 0
        if count:
            holder[key] = converted
            if first_comment(text):
                self.draft.differs(path, first_comment(text), COMMENTS)
            if self.connection.nested_docker:
                self.draft.differs(path, self.connection.nested_docker, NAMESPACE_OF_PODS)
        return count

    def _pipeline(self, holder: Any, key: Any, path: str) -> int:
        done = convert_jenkinsfile(holder[key], self._by_label, path)
        self.draft.differences += done.differences
        if done.converted:
            self._refuse_secrets(lambda options: convert_jenkinsfile(holder[key], options, path))
            holder[key] = done.text
        return done.converted

    def _config(self, config: dict[str, Any], text: str, path: str) -> tuple[str, int]:
        converted, count = self._document(config, convert_runner_config, f"{path}: ")
        return runner_config_text(converted) if count else text, count

    def _documents(self, text: str, path: str) -> tuple[str, int]:
        documents, converted, at, count = documents_in(text), "", 0, 0
        if all(isinstance(each.content, str) for each in documents):
            raise UnreadableError("it is plain text")
        for number, each in enumerate(documents, start=1):
            where = f"{path}: " if len(documents) == 1 else f"{path}: document {number}: "
            holder = [each.content]
            replaced = self._member(holder, 0, where, is_whole=True)
            if replaced:
                old = text[each.start : each.end]
                converted += text[at : each.start] + written_like(old, holder[0])
                at = each.end
            count += replaced
        return converted + text[at:], count

    def _name_unread_image(self, node: dict[str, Any], path: str) -> None:
        """A daemon of something that is no pod here, such as a part of a chart's values."""
        repository, tag = node.get("repository"), node.get("tag")
        image = f"{repository}:{tag}" if repository and tag else node.get("image")
        if replaced_kind({"image": image}) is Replaced.DIND:
            self.draft.differs(path.rstrip(" :"), image, UNREAD_IMAGE)

    def _name_unread(self, text: str, path: str) -> None:
        lines = text.splitlines()
        for number, line in enumerate(lines, start=1):
            if len(lines) > 1 and OF_A_DAEMON.search(line):
                self.draft.differs(f"{path}: line {number}", line.strip(), UNREAD_TEXT)


def _runner_config(text: str) -> dict[str, Any] | None:
    """A config.toml; None: it is none, but may be YAML with one in it."""
    try:
        return parse_runner_config(text, "")
    except UnconvertibleError:
        return None
