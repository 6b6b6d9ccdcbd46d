"""`nested-docker crds`: the CustomResourceDefinitions."""

from __future__ import annotations

import typer


def crds() -> None:
    """Print the CustomResourceDefinitions of this version; pipe them into kubectl apply --server-side -f -."""
    from nested_docker.api.crd import definitions
    from nested_docker.yaml_text.writing import to_yaml

    typer.echo(to_yaml(definitions()), nl=False)
