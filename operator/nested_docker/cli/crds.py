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

    from nested_docker.cli.yaml_numbers import needs_quotes

    class PlainDumper(yaml.SafeDumper):
        """YAML without anchors and aliases, which readers of manifests do not expect."""

        def ignore_aliases(self, data: Any) -> bool:
            """Write every occurrence in full."""
            del data
            return True

    def as_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        block, quoted = "|" if blocks and "\n" in text else None, "'" if needs_quotes(text) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=block or quoted)

    PlainDumper.add_representer(str, as_text)
    return yaml.dump_all(documents, Dumper=PlainDumper, sort_keys=False, width=110)


def crds() -> None:
    """Print the CustomResourceDefinitions of this version; pipe them into kubectl apply --server-side -f -."""
    from nested_docker.api.crd import definitions

    typer.echo(to_yaml(definitions()), nl=False)
