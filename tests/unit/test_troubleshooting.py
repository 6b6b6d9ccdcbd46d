"""Each message of docs/troubleshooting.md is one that a test has seen, and each reason with a remedy can be found."""

from __future__ import annotations

import re

import pytest
from hack.reference import documented_reasons
from tests.unit import pages

PAGE = pages.DOCS / "troubleshooting.md"
TEXT = PAGE.read_text(encoding="utf-8")
MESSAGES = [
    message for line in re.findall(r"^### (.*)$", TEXT, re.MULTILINE) for message in re.findall(r"`([^`]+)`", line)
]
SOURCES = [
    path.read_text(encoding="utf-8")
    for folder in (pages.ROOT / "tests", pages.PACKAGE)
    for path in folder.rglob("*.py")
    if path.name != "test_troubleshooting.py" or path.parent.name == "e2e"
]
FINE = {"Granted", "Provisioned", "DaemonAnswered", "Completed", "Ready", "CleanedUp"}
"""Reasons of what is as it should be."""


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_that_a_test_or_the_operator_has(message: str) -> None:
    parts = [part.strip() for part in message.split("…") if part.strip()]
    assert [part for part in parts if not any(part in source for source in SOURCES)] == []


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_there_once(message: str) -> None:
    assert MESSAGES.count(message) == 1


def test_every_reason_with_a_remedy_is_listed_once_with_its_link() -> None:
    section = TEXT.partition("\n## Reasons\n")[2]
    linked = re.findall(r"\[`(\w+)`\]\(conditions\.md#(\w+)\)", section)
    assert [(reason, anchor) for reason, anchor in linked if reason.lower() != anchor] == []
    remedied = {reason for reason, _, remedy in documented_reasons() if remedy} | {"WaitingForPrevious"}
    assert sorted(reason for reason, _ in linked) == sorted(remedied)
    assert {reason for reason, _, _ in documented_reasons()} - remedied == FINE


def test_it_repeats_no_text_of_the_reference() -> None:
    texts = [text for _, meaning, remedy in documented_reasons() for text in (meaning, remedy) if text]
    assert [text for text in texts if text in TEXT] == []
