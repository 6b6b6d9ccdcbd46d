"""What docs/guard.md says of the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nested_docker.api import crd
from nested_docker.api.v1alpha1.guard import GuardRules

TEXT = Path("docs/guard.md").read_text()


def test_the_table_has_every_rule_and_no_other() -> None:
    section = TEXT.split("\n## Rules\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    printed = [name for row in rows for name in _whole(re.findall(r"`([^`]+)`", row))]
    assert sorted(printed) == sorted(_leaves(crd.structural(GuardRules)))


def _whole(names: list[str]) -> Iterator[str]:
    """`containers.exec`, `attach` is short for `containers.exec`, `containers.attach`."""
    group = names[0].rpartition(".")[0]
    for name in names:
        yield name if "." in name or not group else f"{group}.{name}"


def _leaves(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, member in schema["properties"].items():
        if "properties" in member and name not in {"perContainer", "total"}:
            yield from _leaves(member, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
