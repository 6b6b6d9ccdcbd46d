"""Plain English: finds dialect words in strings, docstrings, comments and pages, and suggests others.

In Python only strings and comments are read, so that a variable may have any name. Phrases are found across lines.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

PLACES = (
    "*.md",
    "Makefile",
    "Dockerfile",
    ".github/**/*",
    "docs/**/*.md",
    "operator/**/*.py",
    "operator/**/*.sh",
    "charts/**/*",
    "crds/*.yaml",
    "examples/**/*",
    "hack/**/*.py",
    "hack/**/*.sh",
    "hack/**/*.md",
    "bench/**/*.py",
    "bench/**/*.md",
)
"""Globs of the files that are read."""

SUFFIXES = frozenset({".md", ".py", ".sh", ".yaml", ".yml", ".json", ".tpl", ".txt"})

NAMES = frozenset({"Makefile", "Dockerfile"})
"""Files without a suffix that are read too."""

NOT_READ = ("hack/check_words.py", "charts/nested-docker/files/crds/", "docs/conditions.md", "docs/api-reference.md")
"""Files that are not read: this one has the words, and the others are generated."""

TEXT_TOKENS = {tokenize.STRING, tokenize.COMMENT} | {
    getattr(tokenize, name, tokenize.STRING) for name in ("FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
}
"""Tokens with prose; from Python 3.12 on an f-string consists of several."""

NO_NOUN = r"(?=\s*(?:[.,;:)|\0]|$|(?:for|that|which|in|on|to|with|per|is|are|has|by|at|so)\b))"
"""After "of its own": nothing follows that it could belong to, as in "of its own containers"."""

WORDS = {
    r"told": "reported, sent, named; or the message itself",
    r"tells? of": "reports, names, describes",
    r"ow(?:ing|ed|es)": "needs, due, pending",
    r"anew": "again; recreated",
    r"mend(?:s|ed|ing)?": "fix, correct",
    r"heed(?:s|ed|ing)?": "follow, obey",
    r"beneath": "under",
    r"oneself": "yourself, itself",
    r"one's own": "your, its, the user's",
    rf"of (?:its|their|your) own{NO_NOUN}": "its, their, your; separate; dedicated",
    r"go(?:es)? before": "overrides; has priority over; runs first",
    r"all the same": "nevertheless, still; or leave it out",
    r"st(?:and(?:s|ing)?|ood) for": "means, is, matches, represents",
    r"sp(?:eaks?|oken) of": "mentions, describes, is about",
    r"what (?:is|was) asked for": "the request, the spec",
    r"(?:br(?:ings?|ought|inging)|takes?|took|taken) along": "includes, adds, removes too",
    r"(?:is|are|be|was) had": "is available; gets",
    r"the word of": "the value of, the message of",
    r"unma(?:de|kes?)": "removed, deleted",
    r"farewell": "finalize, deletion",
    r"heirs?": "successor",
    r"nameless": "anonymous",
    r"whence|thence|hither|thereof|therein|forthwith|lest": "a plain word",
}
"""Patterns, whose spaces match any white space, and what to write instead."""

PATTERNS = {
    re.compile(r"(?<![\w-])" + pattern.replace(" ", r"\s+") + r"(?![\w-])", re.IGNORECASE): better
    for pattern, better in WORDS.items()
}


@dataclass(frozen=True)
class Finding:
    """A dialect word.

    Attributes:
        line: line of its first word; 1 is the first of the file.
        word: as it is in the file, with single spaces.
        better: what to write instead.
    """

    line: int
    word: str
    better: str


def findings(text: str, *, python: bool = False) -> list[Finding]:
    """The dialect words of a file, by line.

    Args:
        text: the file's content.
        python: whether it is Python, of which only strings and comments are read.
    """
    prose = _python_prose(text) if python else _unmarked(text)
    found = (
        (match.start(), Finding(prose.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), better))
        for pattern, better in PATTERNS.items()
        for match in pattern.finditer(prose)
    )
    return [finding for _, finding in sorted(found, key=lambda item: item[0])]


def files(root: Path) -> Iterator[Path]:
    """The files to read."""
    paths = {path for place in PLACES for path in root.glob(place) if path.is_file()}
    for path in sorted(paths):
        relative = path.relative_to(root).as_posix()
        if (path.suffix in SUFFIXES or path.name in NAMES) and not relative.startswith(NOT_READ):
            yield path


def main(root: Path = ROOT) -> int:
    """Print every finding as path:line: word -> suggestion; the exit status is 1 if there is one."""
    lines = [
        f"{path.relative_to(root)}:{finding.line}: {finding.word} -> {finding.better}"
        for path in files(root)
        for finding in findings(path.read_text(encoding="utf-8"), python=path.suffix == ".py")
    ]
    print("\n".join(lines), end="\n" if lines else "", file=sys.stderr)
    return 1 if lines else 0


def _unmarked(text: str) -> str:
    """The text without the marks that begin a line of a comment, a quotation or a list."""
    return re.sub(r"^([ \t]*)([#>]+|//)(?=\s)", lambda mark: mark[1] + " " * len(mark[2]), text, flags=re.MULTILINE)


def _python_prose(source: str) -> str:
    """The source with code replaced by NULs, and quotation marks by spaces, so that positions stay the same."""
    lines = source.splitlines(keepends=True)
    prose = [re.sub(r"[^\s]", "\0", line) for line in lines]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in TEXT_TOKENS:
            (first, start), (last, end) = token.start, token.end
            for number in range(first, last + 1):
                line = lines[number - 1]
                left = start if number == first else 0
                right = end if number == last else len(line)
                prose[number - 1] = prose[number - 1][:left] + _plain(line[left:right]) + prose[number - 1][right:]
    return "".join(prose)


def _plain(part: str) -> str:
    """A piece of a string or a comment without quotation marks, escapes and replacement fields."""
    part = re.sub(r"\{[^{}]*\}", lambda field: "\0" * len(field[0]), part)
    return re.sub(r"^[rRbBfFuU]{0,2}(\"\"\"|'''|\"|')|(\"\"\"|'''|\"|')$|^#+|\\[nt]", _blank, part)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


if __name__ == "__main__":
    sys.exit(main())
