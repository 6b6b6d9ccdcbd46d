"""Checks the subjects of commits: a Conventional Commit of one type, at most 72 columns.

Usage: hack/check_commits.py RANGE     for example origin/main..HEAD
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

COLUMNS = 72
TYPES = ("build", "chore", "ci", "docs", "feat", "fix", "perf", "refactor", "revert", "style", "test")
_TYPE = rf"(?:{'|'.join(TYPES)})(?:\([a-z0-9./-]+\))?!?"
_SUBJECT = re.compile(rf"{_TYPE}: (?P<said>\S.*)")
# A chained part may have a type that is none of ours ("bench: ..."), so after a separator any word counts.
_SECOND = re.compile(rf"[;,.] *[a-z]+(?:\([^)]*\))?!?: |\b{_TYPE}: ")


def faults(subject: str) -> list[str]:
    """What is wrong with a subject; empty: nothing."""
    found = []
    if len(subject) > COLUMNS:
        found.append(f"it has {len(subject)} columns: shorten it to {COLUMNS}, and move the rest to the body")
    matched = _SUBJECT.fullmatch(subject)
    if not matched:
        found.append(f"it is not `type: text` or `type(scope): text`: choose a type of {', '.join(TYPES)}")
    elif _SECOND.search(matched["said"]):
        found.append("it has more than one type: make a commit for each")
    return found


def subjects(commits: str, repository: Path) -> list[tuple[str, str]]:
    """Abbreviated hash and subject of each commit in a range, merges left out, the oldest first.

    Raises:
        SystemExit: git does not know the range.
    """
    command = ["git", "-C", str(repository), "log", "--reverse", "--no-merges", "--format=%h %s", commits, "--"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{commits}: {done.stderr.strip()}")
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in done.stdout.splitlines()]


def main(arguments: list[str], repository: Path = Path()) -> int:
    """Check a range; the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    checked = subjects(arguments[0], repository)
    wrong = [(commit, subject, fault) for commit, subject in checked for fault in faults(subject)]
    for commit, subject, fault in wrong:
        print(f"{commit} {subject!r}: {fault}", file=sys.stderr)
    print(f"{len(checked)} commits checked")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
