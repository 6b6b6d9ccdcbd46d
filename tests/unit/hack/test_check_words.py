"""Which words the check finds, where, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack.check_words import WORDS, files, findings, main

FOUND = {
    "The user is told why.": "told",
    "It tells of the pods that are OWING.": "tells of",
    "the pod is made anew": "anew",
    "mend the path": "mend",
    "it must be heeded": "heeded",
    "what lies beneath": "beneath",
    "what one may not do oneself": "oneself",
    "a daemon of one's own": "one's own",
    "a namespace of their own, for pods": "of their own",
    "a label of its own": "of its own",
    "the label goes before the setting": "goes before",
    "it is done all the same": "all the same",
    "`*` stands for anything": "stands for",
    "what a policy speaks of": "speaks of",
    "all of what is asked for": "what is asked for",
    "it takes its daemons along; it brings along a file": "brings along",
    "the lease was had": "was had",
    "by the word of the policy": "the word of",
    "what was unmade": "unmade",
    "nameless volumes": "nameless",
}


@pytest.mark.parametrize(("text", "word"), FOUND.items())
def test_a_dialect_word_is_found(text: str, word: str) -> None:
    assert [finding.word for finding in findings(text)][:1] == [word]


@pytest.mark.parametrize(
    "text",
    [
        "I recommend an amended list of retold stories",
        "labels of its own containers, and the limits of their own pods",
        "a stand-in stands in for dockerd",
        "see test_what_is_told and the option --told-you",
        "the label has been set, and the same goes for all",
        "as asked, before it goes",
        "someone's own",
    ],
)
def test_other_words_are_not_found(text: str) -> None:
    assert findings(text) == []


def test_every_pattern_has_a_suggestion() -> None:
    assert all(WORDS.values())


def test_a_phrase_is_found_across_lines_by_its_first() -> None:
    assert [(finding.line, finding.word) for finding in findings("one\nwhich goes\n  before it")] == [
        (2, "goes before")
    ]
    assert [finding.word for finding in findings("# done all\n# the same")] == ["all the same"]


PYTHON = '''
def told(anew):
    """What the user is told.

    It speaks
    of pods.
    """
    owed = told(anew)  # it is made anew
    return f"{told} {owed!r}", "it goes " "before", (
        "all the "
        "same"
    ), "stands", "for"
'''


def test_python_is_read_in_strings_and_comments_only() -> None:
    assert [(finding.line, finding.word) for finding in findings(PYTHON, python=True)] == [
        (3, "told"),
        (5, "speaks of"),
        (8, "anew"),
        (9, "goes before"),
        (10, "all the same"),
    ]


def test_escapes_are_white_space() -> None:
    assert [finding.word for finding in findings(r'x = "a\ntold\tof"', python=True)] == ["told"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("LICENSE", "README.md", "docs/conditions.md", "hack/main.go", "hack/a.sum", "hack/check_words.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("is told\n")
    return tmp_path


def test_generated_files_lock_files_and_other_languages_are_not_read(root: Path) -> None:
    assert [path.name for path in files(root)] == ["README.md"]


def test_a_finding_is_a_line_with_place_and_suggestion(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(root) == 1
    assert capsys.readouterr().err == f"README.md:1: told -> {WORDS['told']}\n"
    (root / "README.md").write_text("The message says why.\n")
    assert main(root) == 0
    assert capsys.readouterr().err == ""
