"""Image references in their full form, and the patterns that policies match them with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

DOCKER_HUB = "docker.io"


@dataclass(frozen=True)
class Image:
    """The parts of an image reference.

    Attributes:
        repository: with its registry, such as `docker.io/library/docker`.
        tag: empty: no tag, which runtimes read as `latest` if there is no digest.
        digest: `sha256:…`; empty: no digest.
    """

    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, reference: str) -> Image:
        """Read a reference as container runtimes do: a first part with a dot, a colon or `localhost` is a registry."""
        rest, _, digest = reference.partition("@")
        head, slash, last = rest.rpartition("/")
        name, _, tag = last.partition(":")
        repository = f"{head}{slash}{name}"
        registry, slash, path = repository.partition("/")
        if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
            registry, path = DOCKER_HUB, repository if slash else f"library/{repository}"
        elif registry == f"index.{DOCKER_HUB}":
            registry = DOCKER_HUB
        return cls(f"{registry.lower()}/{path}", tag, digest)


def matches(reference: str, pattern: str) -> bool:
    """Whether an image matches a pattern; a part that the pattern leaves out matches anything."""
    image, expected = Image.parse(reference), _parse_pattern(pattern)
    tag = image.tag or ("" if image.digest else "latest")
    return (
        glob(expected.repository).fullmatch(image.repository) is not None
        and (not expected.tag or glob(expected.tag).fullmatch(tag) is not None)
        and (not expected.digest or expected.digest == image.digest)
    )


def _parse_pattern(pattern: str) -> Image:
    """A pattern has the form of a reference; one that begins with `**` matches any registry."""
    if not pattern.startswith("**"):
        return Image.parse(pattern)
    rest, _, digest = pattern.partition("@")
    head, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    return Image(f"{head}{slash}{name}", tag, digest)


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern: `*` matches anything but `/`, `**` anything."""
    parts = (re.escape(part) for part in re.split(r"(\*\*|\*)", pattern))
    return re.compile("".join({r"\*\*": ".*", r"\*": "[^/]*"}.get(part, part) for part in parts))
