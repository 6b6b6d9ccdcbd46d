"""Subjects of commits: what is taken, what is refused, and with which words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hack.check_commits import COLUMNS, TYPES, faults, main


@pytest.mark.parametrize(
    "subject",
    [
        *(f"{name}: text" for name in TYPES),
        "feat(guard): a policy may allow volumes",
        "fix!: the field `mode` is required",
        "docs: figures; the machine was quiet",
        "refactor: names are Kubernetes', Docker's and controller-runtime's",
        "fix: " + "x" * (COLUMNS - len("fix: ")),
    ],
)
def test_a_subject_of_one_type_is_taken(subject: str) -> None:
    assert faults(subject) == []


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        ("fix: " + "x" * (COLUMNS - len("fix: ") + 1), "73 columns"),
        ("the guard is faster", "it is not `type: text`"),
        ("Fix: a capital letter", "it is not `type: text`"),
        ("bench: no type of ours", "it is not `type: text`"),
        ("fix:no space", "it is not `type: text`"),
        ("fix: ", "it is not `type: text`"),
        ('Revert "fix: text"', "it is not `type: text`"),
        ("fixup! fix: text", "it is not `type: text`"),
        ("feat: one thing; fix: another", "more than one type"),
        ("feat: one thing, fix(guard): another", "more than one type"),
        ("perf: one thing; bench: another", "more than one type"),
        ("docs: fix: another", "more than one type"),
    ],
)
def test_another_is_refused(subject: str, says: str) -> None:
    assert any(says in fault for fault in faults(subject))


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits after the first one, and a merge."""
    # A hook's git sets these, and with them `git -C` writes to the repository of whoever commits.
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    me = ("-c", "user.name=Test", "-c", "user.email=test@example.test", "-c", "commit.gpgsign=false")

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *me, *arguments], check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("commit", "--allow-empty", "--message=before the range")
    git("tag", "start")
    git("checkout", "-b", "side")
    git("commit", "--allow-empty", "--message=feat: good")
    git("checkout", "main")
    git("merge", "--no-ff", "--message=Merge side", "side")
    git("tag", "good")
    git("commit", "--allow-empty", "--message=feat: one; fix: two", "--message=A body: of any: form")
    return tmp_path


def test_a_range_is_checked_and_merges_are_left_out(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start..good"], repository) == 0
    assert capsys.readouterr().out == "1 commits checked\n"
    assert main(["start..HEAD"], repository) == 1
    said = capsys.readouterr()
    assert said.out == "2 commits checked\n"
    assert "'feat: one; fix: two': it has more than one type" in said.err


def test_a_range_that_git_does_not_know_is_an_error(repository: Path) -> None:
    with pytest.raises(SystemExit, match=r"nowhere\.\.HEAD: fatal: bad revision"):
        main(["nowhere..HEAD"], repository)


def test_without_a_range_it_says_how_to_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage: hack/check_commits.py RANGE" in capsys.readouterr().err
