"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from nested_docker.cli.app import app
from nested_docker.cli.user.exit_codes import EXIT_CODE_MEANINGS

HEAD = "<!-- Made by hack/generate.py; edit the commands instead. -->\n\n"


def cli_reference() -> str:
    """docs/cli-reference.md."""
    parts = [HEAD, "# Reference of `nested-docker`\n\n", "## Exit codes\n\n| code | meaning |\n|---|---|\n"]
    parts += (f"| {int(code)} | {meaning} |\n" for code, meaning in EXIT_CODE_MEANINGS.items())
    for path, command in _commands("nested-docker", typer.main.get_command(app)):
        parts.append(f"\n## `{path}`\n\n{_help(command)}\n")
        rows = [row for parameter in command.params if (row := _row(parameter))]
        if rows:
            parts.append("\n| argument or option | meaning | default |\n|---|---|---|\n" + "".join(rows))
    return "".join(parts)


def _commands(path: str, group: Any) -> Iterator[tuple[str, Any]]:
    """Every command that is not hidden, with what a user types."""
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(f"{path} {name}", command)
        else:
            yield f"{path} {name}", command


def _help(command: Any) -> str:
    paragraphs = [" ".join(each.split()) for each in (command.help or "").split("\n\n")]
    return "\n\n".join(each.replace("<", "\\<") for each in paragraphs)


def _row(parameter: Any) -> str:
    names = ", ".join(f"`{each}`" for each in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name}`"
    default = parameter.default
    shown = "" if default in {None, "", False} or callable(default) or parameter.required else f"`{_value(default)}`"
    meaning = str(getattr(parameter, "help", "") or "").replace("|", "\\|")
    return f"| {names} | {meaning} | {shown} |\n"


def _value(default: Any) -> str:
    return str(getattr(default, "value", default))
