"""Statements for shells that lead Docker's clients to a daemon."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import PurePath


class Shell(StrEnum):
    """Shells that `env` writes for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    PWSH = "pwsh"


PWSH_QUOTES = "'\u2018\u2019\u201a\u201b"
"""Each of them ends a string in single quotes of PowerShell, and means itself if it is doubled."""

UNSET = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT")
"""Variables that would lead clients elsewhere."""


def shell_of(path: str) -> Shell:
    """The shell of a path such as the variable SHELL has; bash if it is another one."""
    name = PurePath(path).name
    return Shell(name) if name in set(Shell) else Shell.BASH


def statements(shell: Shell, variables: Mapping[str, str], unset: Iterable[str] = UNSET) -> str:
    """Statements that set and unset environment variables."""
    lines = [_unset(shell, each) for each in unset]
    return "\n".join([*lines, *(_set(shell, key, value) for key, value in variables.items())])


def hint(shell: Shell, command: str) -> str:
    """A comment that says how to run the statements."""
    if shell is Shell.FISH:
        return f"# Run this: {command} | source"
    if shell is Shell.PWSH:
        return f"# Run this: {command} | Out-String | Invoke-Expression"
    return f'# Run this: eval "$({command})"'


def _set(shell: Shell, key: str, value: str) -> str:
    if shell is Shell.FISH:
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"set -gx {key} '{escaped}';"
    if shell is Shell.PWSH:
        escaped = re.sub(f"([{PWSH_QUOTES}])", r"\1\1", value)
        return f"$Env:{key} = '{escaped}'"
    return f"export {key}={shlex.quote(value)}"


def _unset(shell: Shell, key: str) -> str:
    if shell is Shell.FISH:
        return f"set -e {key};"
    if shell is Shell.PWSH:
        return f"Remove-Item -ErrorAction SilentlyContinue Env:{key}"
    return f"unset {key}"
