"""Values of a chart, or another configuration without a kind, which has something to convert somewhere in it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from nested_docker.convert.conversion import Conversion, ConversionOptions, ConvertedForm, labelled
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.embedded_documents import convert_embedded
from nested_docker.convert.objects import convert_object


def convert_values(document: Mapping[str, Any], options: ConversionOptions, head: str) -> Conversion:
    """Replace each daemon in a document that is no object, wherever it is.

    Args:
        document: of any form.
        options: what the user chose.
        head: begins its paths.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    converted, draft = copy.deepcopy(dict(document)), SpecDraft()
    by_label = options if options.form is not ConvertedForm.NESTED_DOCKER else ConversionOptions(ConvertedForm.LABEL)
    count = convert_embedded(
        converted, head, by_label.connection(), Surroundings({}), draft, convert_object=convert_object
    )
    if count:
        options.require_label(f"{head.rstrip(' :')}: values have no NestedDocker beside them")
    return labelled(converted, draft, options, count)
