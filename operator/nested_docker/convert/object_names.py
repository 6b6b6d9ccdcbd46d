"""Names of the objects that a conversion makes."""

from __future__ import annotations

import re
from typing import Any

from nested_docker.api.v1alpha1.nested_docker import NAME_PATTERN
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.fields import text_at
from nested_docker.domain.names import NAMESPACE_PATTERN


def require_name(name: str, path: str) -> None:
    """Refuse what cannot be the name of a NestedDocker.

    Raises:
        UnconvertibleError: it cannot.
    """
    if not re.fullmatch(NAME_PATTERN.removesuffix("$"), name):
        raise UnconvertibleError(
            f"{path} gives no name for a NestedDocker (value: {name!r})",
            "choose one by --name: at most 52 lower-case letters, digits and -, with a letter first and no - last",
        )


def require_namespace(namespace: Any, path: str) -> None:
    """Refuse what cannot be the name of a namespace; absent or empty: that of whoever applies it.

    Raises:
        UnconvertibleError: it cannot.
    """
    name = text_at(namespace, path)
    if name and not re.fullmatch(NAMESPACE_PATTERN, name):
        raise UnconvertibleError(f"{path} is no name of a namespace (value: {namespace!r})", "correct it")
