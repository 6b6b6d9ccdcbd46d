"""What the user wants, and what a conversion gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.convert.connection import GivenConnection, of_class
from nested_docker.convert.difference import Difference, UnconvertibleError
from nested_docker.convert.draft import SpecDraft


class ConvertedForm(StrEnum):
    """What replaces a daemon."""

    NESTED_DOCKER = "nesteddocker"
    LABEL = "label"
    SIDECAR = "sidecar"


@dataclass(frozen=True)
class ConversionOptions:
    """What the user chose.

    Attributes:
        form: what replaces a daemon.
        name: of the NestedDocker; empty: that of the workload with a suffix.
        class_name: empty: the cluster's default class, which the label does not have.
        mode: empty: the class decides.
    """

    form: ConvertedForm = ConvertedForm.NESTED_DOCKER
    name: str = ""
    class_name: str = ""
    mode: str = ""

    def connection(self, nested_docker: str = "") -> GivenConnection:
        """How containers get the connection.

        Args:
            nested_docker: whose Secrets they get; empty: the connection is by label.
        """
        return GivenConnection(nested_docker, self.class_name, is_beside=self.form is ConvertedForm.SIDECAR)

    def require_label(self, why: str) -> None:
        """Refuse `--as nesteddocker`.

        Args:
            why: path, and why a NestedDocker cannot be given to it.

        Raises:
            UnconvertibleError: the form is that.
        """
        if self.form is ConvertedForm.NESTED_DOCKER:
            raise UnconvertibleError(why, "use --as label --class CLASS, or --as sidecar; to share one see docs/ci.md")

    def nested_docker(self, metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
        """The manifest of a NestedDocker with what the user chose."""
        chosen = {key: value for key, value in (("className", self.class_name), ("mode", self.mode)) if value}
        return {
            "apiVersion": API_VERSION,
            "kind": "NestedDocker",
            "metadata": dict(metadata),
            "spec": {**chosen, **spec},
        }


@dataclass
class Conversion:
    """The result.

    Attributes:
        documents: what replaces the input.
        differences: what is not the same.
        converted: how many daemons were replaced.
        text: of a file that is not YAML, such as a config.toml or a Jenkinsfile; empty: the documents are the result.
    """

    documents: list[dict[str, Any]] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    converted: int = 0
    text: str = ""

    def add(self, other: Conversion) -> None:
        """Take up the conversion of more of the input."""
        self.documents += other.documents
        self.differences += other.differences
        self.converted += other.converted


def labelled(document: dict[str, Any], draft: SpecDraft, options: ConversionOptions, converted: int) -> Conversion:
    """The conversion of a document whose pods get daemons by their label, of which the class has the spec."""
    return Conversion([document], [*draft.differences, *of_class(draft, options.class_name)], converted)
