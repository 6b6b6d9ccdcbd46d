"""Image references as Docker reads them, and the patterns that policies and the guard match them with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from nested_docker.api.metadata import IMAGE_ID, IMAGE_REFERENCE

DOCKER_HUB = "docker.io"
INDEX = "index.docker.io"
LONGEST_PATH = 255
"""Characters of a repository without its registry."""

_PATH = re.compile(r"[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*")
_REFERENCE = re.compile(IMAGE_REFERENCE.removeprefix("^").removesuffix("$"))


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
        """Read a reference as Docker does (ParseNormalizedNamed in distribution/reference).

        Raises:
            ValueError: Docker does not accept it, or its digest is not one of SHA-256.
        """
        image = _split(reference)
        path = image.repository.partition("/")[2]
        if (
            _REFERENCE.fullmatch(reference) is None
            or re.fullmatch(IMAGE_ID, reference)
            or _PATH.fullmatch(path) is None
            or len(path) > LONGEST_PATH
        ):
            raise ValueError("not an image reference, which is [registry/]repository[:tag][@sha256:digest]")
        return image


def is_valid(reference: str) -> bool:
    """Whether Docker accepts a reference."""
    try:
        Image.parse(reference)
    except ValueError:
        return False
    return True


def matches(reference: str, pattern: str) -> bool:
    """Whether an image matches a pattern; a part that the pattern leaves out matches anything.

    A runtime that gets a digest ignores the tag. So a tag next to a digest matches no tag of a pattern.
    """
    if not is_valid(reference):
        return False
    image = Image.parse(reference)
    expected = _parse_pattern(pattern)
    if glob(expected.repository).fullmatch(image.repository) is None:
        return False
    if expected.digest:
        return expected.digest == image.digest
    tag = "" if image.digest else image.tag or "latest"
    return not expected.tag or glob(expected.tag).fullmatch(tag) is not None


def _parse_pattern(pattern: str) -> Image:
    """A pattern has the form of a reference; one that begins with `**` matches any registry."""
    if not pattern.startswith("**"):
        return _split(pattern)
    return Image(*_cut(pattern))


def _split(reference: str) -> Image:
    """The parts, with the registry that the first part is, or else Docker Hub."""
    name, tag, digest = _cut(reference)
    first, slash, path = name.partition("/")
    if not slash or not _is_registry(first):
        first, path = DOCKER_HUB, name
    if first == INDEX:
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in path and not (slash and "**" in path):
        path = f"library/{path}"
    return Image(f"{_registry(first)}/{path}", tag, digest)


def _cut(reference: str) -> tuple[str, str, str]:
    rest, _, digest = reference.partition("@")
    head, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag, digest


def _is_registry(first: str) -> bool:
    """Docker takes a first part with a capital letter for a registry too, since no repository has one."""
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _registry(host: str) -> str:
    """A host in lower case. Docker does not take `DOCKER.IO` for Docker Hub, so it does not become `docker.io`."""
    return host if host.lower() in {DOCKER_HUB, INDEX} else host.lower()


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern: `*` matches anything but `/`, `**` anything."""
    parts = (re.escape(part) for part in re.split(r"(\*\*|\*)", pattern))
    return re.compile("".join({r"\*\*": ".*", r"\*": "[^/]*"}.get(part, part) for part in parts))
