"""Verdicts in print: for people, for scripts, for CI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import typer

from nested_docker.cli.manifests import Wanted
from nested_docker.cli.offline import CheckResult
from nested_docker.cli.policy_cases import Outcome

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COLOURS = {"granted": typer.colors.GREEN, "denied": typer.colors.RED}


@dataclass(frozen=True)
class EvaluatedObject:
    """A NestedDocker and the verdict on it."""

    wanted: Wanted
    result: CheckResult

    @property
    def outcome(self) -> str:
        """The verdict in one word."""
        return "granted" if self.result.granted else "denied"


# --- check ------------------------------------------------------------------------------------------


def as_table(evaluated: Sequence[EvaluatedObject]) -> str:
    """A line for each, then every message in full, then the sum."""
    rows: list[Sequence[str]] = [("RESULT", "NAMESPACE", "NAME", "MODE", "CLASS", "POLICY", "REASON")]
    for each in evaluated:
        wanted, result = each.wanted, each.result
        told = (wanted.namespace, wanted.name, result.mode, result.class_name, result.policy, result.reason)
        rows.append((each.outcome, *(str(cell) or "-" for cell in told)))
    messages = [f"{each.wanted.namespace}/{each.wanted.name}: {each.result.message}" for each in evaluated]
    granted = sum(each.result.granted for each in evaluated)
    return "\n".join([*_aligned(rows), "", *messages, "", f"{granted} granted, {len(evaluated) - granted} denied"])


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *rest = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        colour = _COLOURS.get(row[0])
        yield "  ".join([typer.style(first, fg=colour) if colour else first, *rest]).rstrip()


def as_json(evaluated: Sequence[EvaluatedObject]) -> str:
    """Everything."""
    granted = sum(each.result.granted for each in evaluated)
    answer = {
        "granted": granted,
        "denied": len(evaluated) - granted,
        "results": [
            {
                "namespace": each.wanted.namespace,
                "name": each.wanted.name,
                "result": each.outcome,
                "reason": each.result.reason,
                "mode": each.result.mode or None,
                "className": each.result.class_name or None,
                "policy": each.result.policy or None,
                "message": each.result.message,
                "file": each.wanted.place.file,
                "document": each.wanted.place.document,
            }
            for each in evaluated
        ],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


# --- test -------------------------------------------------------------------------------------------


def as_lines(outcomes: Sequence[Outcome]) -> str:
    """A line for each case, what was expected of those that failed, and the sum."""
    lines = []
    for outcome in outcomes:
        word, colour = ("ok  ", typer.colors.GREEN) if outcome.passed else ("FAIL", typer.colors.RED)
        lines.append(f"{typer.style(word, fg=colour)}  {outcome.file}: {outcome.name}")
        if not outcome.passed:
            lines += [f"      expected  {outcome.expected}", f"      got       {outcome.got}"]
    failed = sum(not outcome.passed for outcome in outcomes)
    return "\n".join([*lines, f"{len(outcomes) - failed} passed, {failed} failed"])


def as_junit(outcomes: Sequence[Outcome]) -> str:
    """JUnit's XML: a suite for each case file."""
    root = ET.Element("testsuites", _counts(outcomes))
    for file in dict.fromkeys(outcome.file for outcome in outcomes):
        of_file = [outcome for outcome in outcomes if outcome.file == file]
        suite = ET.SubElement(root, "testsuite", {"name": _xml(file), **_counts(of_file)})
        for outcome in of_file:
            case = ET.SubElement(suite, "testcase", {"classname": _xml(file), "name": _xml(outcome.name)})
            if not outcome.passed:
                failure = ET.SubElement(case, "failure", {"message": _xml(f"expected {outcome.expected}")})
                failure.text = _xml(f"expected {outcome.expected}\ngot {outcome.got}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _counts(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {"tests": str(len(outcomes)), "failures": str(sum(not outcome.passed for outcome in outcomes))}


def _xml(text: str) -> str:
    """XML has no word for control characters, not even an escaped one."""
    return _NOT_XML.sub("\ufffd", text)
