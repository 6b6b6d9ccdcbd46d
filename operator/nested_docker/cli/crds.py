"""`nested-docker crds`: the CustomResourceDefinitions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer
import yaml


class _Plain(yaml.SafeDumper):
    """YAML without anchors, which kubectl's users do not expect."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every occurrence out."""
        del data
        return True


def to_yaml(documents: Iterable[dict[str, Any]]) -> str:
    """Manifests as one YAML stream."""
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=110)


def crds() -> None:
    """Print the CustomResourceDefinitions of this version, for kubectl apply --server-side -f -."""
    from nested_docker.api.crd import definitions

    typer.echo(to_yaml(definitions()), nl=False)
