"""Image references in their full form, and the patterns of policies that they are held against."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

DOCKER_HUB = "docker.io"


@dataclass(frozen=True)
class Image:
    """An image reference taken apart.

    Attributes:
        repository: with its registry, as `docker.io/library/docker`.
        tag: empty: none is given, which runtimes read as `latest` where there is no digest.
        digest: `sha256:…`; empty: none is given.
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
    """Whether an image is one of those that a pattern stands for; a part that the pattern leaves out may be any."""
    image, wanted = Image.parse(reference), _parse_pattern(pattern)
    tag = image.tag or ("" if image.digest else "latest")
    return (
        glob(wanted.repository).fullmatch(image.repository) is not None
        and (not wanted.tag or glob(wanted.tag).fullmatch(tag) is not None)
        and (not wanted.digest or wanted.digest == image.digest)
    )


def _parse_pattern(pattern: str) -> Image:
    """A pattern has a reference's form; one that begins with `**` means any registry."""
    if not pattern.startswith("**"):
        return Image.parse(pattern)
    rest, _, digest = pattern.partition("@")
    head, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    return Image(f"{head}{slash}{name}", tag, digest)


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """A pattern's expression: `*` is anything but `/`, `**` is anything."""
    parts = (re.escape(part) for part in re.split(r"(\*\*|\*)", pattern))
    return re.compile("".join({r"\*\*": ".*", r"\*": "[^/]*"}.get(part, part) for part in parts))
