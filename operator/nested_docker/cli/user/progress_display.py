"""Shows on standard error how far a NestedDocker is."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import typer

from nested_docker.cli.user.durations import format_duration
from nested_docker.cli.user.options import ProgressFormat
from nested_docker.domain.shown import one_line

if TYPE_CHECKING:
    from nested_docker.client.progress import Progress


def chosen_format(asked: ProgressFormat, *, terminal: bool) -> ProgressFormat:
    """The format that `auto` means."""
    if asked is not ProgressFormat.AUTO:
        return asked
    return ProgressFormat.TTY if terminal else ProgressFormat.PLAIN


def progress_line(progress: Progress, seconds: float) -> str:
    """One step as text."""
    reason = progress.reason or progress.stage
    return f"{format_duration(seconds):>5}  {one_line(f'{reason}: {progress.message}')}"


def progress_record(progress: Progress, seconds: float) -> str:
    """One step as JSON."""
    record = {
        "seconds": round(seconds, 1),
        "stage": progress.stage,
        "reason": progress.reason,
        "message": progress.message,
    }
    return json.dumps(record)


@contextlib.contextmanager
def shown_progress(asked: ProgressFormat) -> Iterator[Callable[[Progress], None]]:
    """What to call with each step, which may be in another thread."""
    started = time.monotonic()
    style = chosen_format(asked, terminal=sys.stderr.isatty() and os.environ.get("TERM") != "dumb")
    if style is ProgressFormat.TTY:
        with _spinner(started) as on_progress:
            yield on_progress
        return
    formats = {ProgressFormat.PLAIN: progress_line, ProgressFormat.JSON: progress_record}
    render = formats.get(style)
    yield lambda each: typer.echo(render(each, time.monotonic() - started), err=True) if render else None


@contextlib.contextmanager
def _spinner(started: float) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False)  # it obeys NO_COLOR
    with console.status("asking the cluster") as status:

        def show(progress: Progress) -> None:
            line = progress_line(progress, time.monotonic() - started).strip()
            console.print(escape(line))
            status.update(escape(one_line(progress.message)))

        yield show
