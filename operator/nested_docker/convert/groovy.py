"""A small part of Groovy: calls with literals, lists and further calls as arguments; everything else is not read."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_NESTED_CALLS = 20
"""Levels of calls and lists; those of a pod have five."""

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<text>'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
    |(?P<name>[A-Za-z_]\w*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_BLOCK_QUOTES = ("'''", '"""')


@dataclass(frozen=True)
class Node:
    """A part of the source.

    Attributes:
        start: its position.
        end: the position after it.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Text(Node):
    """A string; what it has of expressions stays in it.

    Attributes:
        value: without quotes and escapes.
        is_block: whether it may have several lines.
    """

    value: str
    is_block: bool


@dataclass(frozen=True)
class Word(Node):
    """A name, such as `true` or that of a variable."""

    text: str


@dataclass(frozen=True)
class GroovyList(Node):
    """A list."""

    members: tuple[Node, ...]


@dataclass(frozen=True)
class Argument(Node):
    """An argument of a call; `name` is empty if it has none."""

    name: str
    value: Node


@dataclass(frozen=True)
class Call(Node):
    """A call with its arguments in parentheses."""

    name: str
    arguments: tuple[Argument, ...]

    def argument(self, name: str) -> Node | None:
        """The value of a named argument."""
        return next((each.value for each in self.arguments if each.name == name), None)

    def text(self, name: str) -> str | None:
        """The value of a named argument that is a string; None: it is something else, or absent."""
        value = self.argument(name)
        return value.value if isinstance(value, Text) else None


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def calls(source: str, name: str) -> Iterator[Call]:
    """The calls of a function that are within no other one of it; not those in comments and strings."""
    tokens, at = _tokens(source), 0
    while at < len(tokens) - 1:
        if (tokens[at].kind, tokens[at].text, tokens[at + 1].text) == ("name", name, "("):
            parser = _Parser(tokens, at)
            found = parser.value(0)
            if isinstance(found, Call):
                yield found
            at = max(parser.at, at + 1)
        else:
            at += 1


@functools.lru_cache(maxsize=32)
def assigned(source: str, name: str) -> Node | None:
    """What a variable is set to, if the source sets it once, to a list, and does not change it; None: otherwise."""
    tokens = _tokens(source)
    uses = [at for at in range(len(tokens) - 2) if (tokens[at].kind, tokens[at].text) == ("name", name)]
    places = [at for at in uses if tokens[at + 1].text == "="]
    if len(places) != 1 or any(tokens[at + 1].text not in {"=", ",", ")", ":"} for at in uses):
        return None
    found = _Parser(tokens, places[0] + 2).value(0)
    return found if isinstance(found, GroovyList) else None


@functools.lru_cache(maxsize=1)
def _tokens(source: str) -> tuple[_Token, ...]:
    return tuple(
        _Token(found.lastgroup or "", found[0], found.start())
        for found in _TOKEN.finditer(source)
        if found.lastgroup != "space"
    )


class _Parser:
    """Reads values from tokens; what it does not know is a Node of no further kind."""

    def __init__(self, tokens: Sequence[_Token], at: int) -> None:
        self._tokens = tokens
        self.at = at

    def value(self, level: int) -> Node:
        """The next value, up to a comma or what closes its surroundings."""
        start = self.at
        found = self._literal(level) if level < MOST_NESTED_CALLS else None
        if found is not None and (level == 0 or self._text() in {",", ")", "]", ""}):
            return found
        self.at = start
        return self._unknown()

    def _literal(self, level: int) -> Node | None:
        token = self._tokens[self.at] if self.at < len(self._tokens) else None
        if token is None:
            return None
        self.at += 1
        if token.kind == "text":
            quotes = 3 if token.text.startswith(_BLOCK_QUOTES) else 1
            value = _ESCAPED.sub(r"\1", token.text[quotes:-quotes])
            return Text(token.start, token.end, value, is_block=quotes == 3)
        if token.text == "[":
            members = self._members("]", level)
            if members is None or any(each.name for each in members):  # the latter is a map
                return None
            return GroovyList(token.start, self._end(), tuple(each.value for each in members))
        if token.kind == "name" and self._text() == "(":
            self.at += 1
            members = self._members(")", level)
            return None if members is None else Call(token.start, self._end(), token.text, tuple(members))
        return Word(token.start, token.end, token.text) if token.kind == "name" else None

    def _members(self, closing: str, level: int) -> list[Argument] | None:
        """Values up to what closes them; None: it never comes, or something else is there."""
        found = list[Argument]()
        while self._text() != closing:
            start = self.at
            name = self._argument_name()
            value = self.value(level + 1)
            if self.at == start:
                return None
            found.append(Argument(self._tokens[start].start, value.end, name, value))
            if self._text() == ",":
                self.at += 1
            elif self._text() != closing:
                return None
        self.at += 1
        return found

    def _argument_name(self) -> str:
        words = self._tokens[self.at : self.at + 2]
        if [each.kind for each in words] != ["name", "other"] or words[1].text != ":":
            return ""
        self.at += 2
        return words[0].text

    def _unknown(self) -> Node:
        first, open_ = self.at, list[str]()
        while self.at < len(self._tokens):
            text = self._text()
            if not open_ and text in {",", ")", "]", "}"}:
                break
            if self._tokens[self.at].kind == "other" and text in _CLOSING:
                open_.append(_CLOSING[text])
            elif open_ and text == open_[-1]:
                open_.pop()
            self.at += 1
        last = self._tokens[max(first, self.at - 1)] if first < len(self._tokens) else self._tokens[-1]
        return Node(self._tokens[min(first, len(self._tokens) - 1)].start, last.end)

    def _text(self) -> str:
        return self._tokens[self.at].text if self.at < len(self._tokens) else ""

    def _end(self) -> int:
        return self._tokens[self.at - 1].end
