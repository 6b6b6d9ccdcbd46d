"""What `--output` makes of results: the formats that programs read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer

from nested_docker.cli.user.options import OutputFormat
from nested_docker.cli.user.running import say

RESOURCE = "nesteddocker.nesteddocker.dev"


def printed_object(manifest: dict[str, Any], output: OutputFormat) -> bool:
    """Print a NestedDocker; False: the format is for people, and nothing was printed."""
    return _printed(manifest, [manifest], [manifest], output)


def printed_list(manifests: Sequence[dict[str, Any]], output: OutputFormat) -> bool:
    """Print NestedDockers; False: the format is for people, and nothing was printed."""
    return _printed({"apiVersion": "v1", "kind": "List", "items": manifests}, manifests, manifests, output)


def printed_records(records: Sequence[dict[str, Any]], output: OutputFormat) -> bool:
    """Print results that are no objects of Kubernetes; False: the format is for people, and nothing was printed."""
    plain = json.loads(json.dumps(records, default=str))
    return _printed(plain, [plain], None, output)


def _printed(
    value: Any, documents: Sequence[Any], manifests: Sequence[dict[str, Any]] | None, output: OutputFormat
) -> bool:
    if output is OutputFormat.JSON:
        print_json(value)
    elif output is OutputFormat.YAML:
        print_yaml(documents)
    elif output is OutputFormat.NAME and manifests is not None:
        for each in manifests:
            say(f"{RESOURCE}/{each['metadata']['name']}")
    else:
        return False
    return True


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    typer.echo(json.dumps(value, indent=2, default=str))


def print_yaml(documents: Sequence[Any]) -> None:
    """Print values as a YAML stream."""
    from nested_docker.yaml_text.writing import to_yaml

    typer.echo(to_yaml(list(documents)), nl=False)
