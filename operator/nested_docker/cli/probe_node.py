"""`nested-docker probe-node`: the container that finds out what no API tells about its node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def probe_node(
    data: Annotated[Path, typer.Option(help="Folder of an emptyDir volume.")] = Path("/run/probe"),
) -> None:
    """Print facts about this node as JSON, and leave them as the termination message."""
    import json

    from nested_docker.adapters.node import probe
    from nested_docker.idle.termination_log import leave

    message = json.dumps(probe(data), separators=(",", ":"))
    leave(message)
    typer.echo(message)
