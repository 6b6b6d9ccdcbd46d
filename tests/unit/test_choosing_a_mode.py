"""docs/choosing-a-mode.md agrees with what the operator and `nested-docker explain` choose."""

from __future__ import annotations

import json
import re

from tests.unit import pages

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec
from nested_docker.cli.user.mode_advice import advice
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import Privilege

TEXT = (pages.DOCS / "choosing-a-mode.md").read_text(encoding="utf-8")
FACTS = json.loads((pages.DOCS / "modes.json").read_text(encoding="utf-8"))
LISTED = re.findall(r"\[`(\w+)`\]\(modes\.md#\w+\)", TEXT.partition("\n## The decision\n")[2].partition("\n## ")[0])


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def named(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text)) & {mode.value for mode in Mode}


def test_the_table_has_every_mode_in_the_order_of_the_choice() -> None:
    assert set(LISTED) == {mode.value for mode in Mode}
    offered = NestedDockerClassSpec(modes=[Mode(mode) for mode in LISTED]).model_dump(by_alias=True, mode="json")
    assert [each.mode for each in advice(offered, {})] == LISTED


def test_code_of_strangers_gets_the_modes_without_the_node() -> None:
    advised = section("Code that you do not trust").partition("Give such code")[2]
    assert named(advised) == {mode.value for mode in Mode if MODES[mode].privilege is not Privilege.NODE}


def test_the_levels_of_pod_security_are_those_that_tests_observe() -> None:
    sentence = section("What a namespace admits").partition(" pass the level")[0]
    assert named(sentence) == {mode for mode, facts in FACTS.items() if facts["podSecurity"] == "`baseline`"}
    assert {facts["podSecurity"] for facts in FACTS.values()} == {"`baseline`", "`privileged`"}
