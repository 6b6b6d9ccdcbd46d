"""`nested-docker crds`: the CustomResourceDefinitions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer


def to_yaml(documents: Iterable[dict[str, Any]], *, blocks: bool = False) -> str:
    """Manifests as one YAML stream, a document each.

    Args:
        documents: to write.
        blocks: whether text of several lines is written as such, as a person writes it.
    """
    import yaml

    class PlainDumper(yaml.SafeDumper):
        """YAML without anchors and aliases, which readers of manifests do not expect."""

        def ignore_aliases(self, data: Any) -> bool:
            """Write every occurrence in full."""
            del data
            return True

    def as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    if blocks:
        PlainDumper.add_representer(str, as_block)
    return yaml.dump_all(documents, Dumper=PlainDumper, sort_keys=False, width=110)


def crds() -> None:
    """Print the CustomResourceDefinitions of this version; pipe them into kubectl apply --server-side -f -."""
    from nested_docker.api.crd import definitions

    typer.echo(to_yaml(definitions()), nl=False)
