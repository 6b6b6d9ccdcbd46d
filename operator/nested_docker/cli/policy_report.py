"""Renders results: as a table or text for people, as JSON for scripts, as JUnit XML for CI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import typer

from nested_docker.cli.manifests import NestedDockerManifest
from nested_docker.cli.offline import CheckResult
from nested_docker.cli.policy_cases import CaseResult

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COLOURS = {"granted": typer.colors.GREEN, "denied": typer.colors.RED}


@dataclass(frozen=True)
class EvaluatedObject:
    """A NestedDocker and its result."""

    nested_docker: NestedDockerManifest
    result: CheckResult

    @property
    def verdict(self) -> str:
        """`granted` or `denied`."""
        return "granted" if self.result.granted else "denied"


# --- check ------------------------------------------------------------------------------------------


def render_table(evaluated: Sequence[EvaluatedObject]) -> str:
    """A row for each, then every message, then the totals."""
    rows: list[Sequence[str]] = [("RESULT", "NAMESPACE", "NAME", "MODE", "CLASS", "POLICY", "REASON")]
    for each in evaluated:
        nested_docker, result = each.nested_docker, each.result
        cells = (
            nested_docker.namespace,
            nested_docker.name,
            result.mode,
            result.class_name,
            result.policy,
            result.reason,
        )
        rows.append((each.verdict, *(str(cell) or "-" for cell in cells)))
    messages = [
        f"{each.nested_docker.namespace}/{each.nested_docker.name}: {each.result.message}" for each in evaluated
    ]
    granted = sum(each.result.granted for each in evaluated)
    return "\n".join([*_aligned(rows), "", *messages, "", f"{granted} granted, {len(evaluated) - granted} denied"])


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *rest = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        colour = _COLOURS.get(row[0])
        yield "  ".join([typer.style(first, fg=colour) if colour else first, *rest]).rstrip()


def render_json(evaluated: Sequence[EvaluatedObject]) -> str:
    """All results with their positions, and the totals."""
    granted = sum(each.result.granted for each in evaluated)
    answer = {
        "granted": granted,
        "denied": len(evaluated) - granted,
        "results": [
            {
                "namespace": each.nested_docker.namespace,
                "name": each.nested_docker.name,
                "result": each.verdict,
                "reason": each.result.reason,
                "mode": each.result.mode or None,
                "className": each.result.class_name or None,
                "policy": each.result.policy or None,
                "message": each.result.message,
                "file": each.nested_docker.position.file,
                "document": each.nested_docker.position.document,
            }
            for each in evaluated
        ],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


# --- test -------------------------------------------------------------------------------------------


def render_text(results: Sequence[CaseResult]) -> str:
    """A line for each case, the expected and actual result of failed ones, and the totals."""
    lines = []
    for result in results:
        word, colour = ("ok  ", typer.colors.GREEN) if result.passed else ("FAIL", typer.colors.RED)
        lines.append(f"{typer.style(word, fg=colour)}  {result.file}: {result.name}")
        if not result.passed:
            lines += [f"      expected  {result.expected}", f"      got       {result.got}"]
    failed = sum(not result.passed for result in results)
    return "\n".join([*lines, f"{len(results) - failed} passed, {failed} failed"])


def render_junit(results: Sequence[CaseResult]) -> str:
    """JUnit XML with a suite for each case file."""
    root = ET.Element("testsuites", _counts(results))
    for file in dict.fromkeys(result.file for result in results):
        of_file = [result for result in results if result.file == file]
        suite = ET.SubElement(root, "testsuite", {"name": _xml(file), **_counts(of_file)})
        for result in of_file:
            case = ET.SubElement(suite, "testcase", {"classname": _xml(file), "name": _xml(result.name)})
            if not result.passed:
                failure = ET.SubElement(case, "failure", {"message": _xml(f"expected {result.expected}")})
                failure.text = _xml(f"expected {result.expected}\ngot {result.got}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _counts(results: Sequence[CaseResult]) -> dict[str, str]:
    return {"tests": str(len(results)), "failures": str(sum(not result.passed for result in results))}


def _xml(text: str) -> str:
    """Replace control characters: XML cannot represent them, not even escaped."""
    return _NOT_XML.sub("\ufffd", text)
