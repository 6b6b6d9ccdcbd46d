"""Image references, and patterns that nobody slips past."""

from __future__ import annotations

import pytest

from nested_docker.domain.images import Image, matches

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("reference", "repository", "tag", "digest"),
    [
        ("docker", "docker.io/library/docker", "", ""),
        ("docker:28-dind", "docker.io/library/docker", "28-dind", ""),
        ("team/app", "docker.io/team/app", "", ""),
        ("index.docker.io/team/app:1", "docker.io/team/app", "1", ""),
        ("registry.example:5000/a/b:1", "registry.example:5000/a/b", "1", ""),
        ("localhost/a", "localhost/a", "", ""),
        ("Registry.Example/a", "registry.example/a", "", ""),
        (f"docker:28@{DIGEST}", "docker.io/library/docker", "28", DIGEST),
        (f"registry.example:5000/a@{DIGEST}", "registry.example:5000/a", "", DIGEST),
    ],
)
def test_references_are_read_as_runtimes_do(reference: str, repository: str, tag: str, digest: str) -> None:
    assert Image.parse(reference) == Image(repository, tag, digest)


@pytest.mark.parametrize(
    ("pattern", "reference"),
    [
        ("**", "anything.example/at/all:1"),
        ("docker", "docker:28-dind"),
        ("docker:*-dind", "docker.io/library/docker:28-dind"),
        ("docker:latest", "docker"),
        ("registry.example/team/*", "registry.example/team/app:1"),
        ("registry.example/**", "registry.example/team/sub/app:1"),
        ("*.example/team/app", "eu.example/team/app"),
        ("**/dind:*", "registry.example/any/dind:1"),
        ("registry.example:5000/a", "REGISTRY.example:5000/a"),
        (f"docker@{DIGEST}", f"docker:28@{DIGEST}"),
    ],
)
def test_what_a_pattern_stands_for(pattern: str, reference: str) -> None:
    assert matches(reference, pattern)


@pytest.mark.parametrize(
    ("pattern", "reference"),
    [
        ("docker", "evil/docker"),
        ("docker", "evil.example/library/docker"),
        ("docker:28-dind", "docker:29-dind"),
        ("docker:28", f"docker@{DIGEST}"),
        ("registry.example/team/*", "registry.example/team/sub/app"),
        ("registry.example/team/*", "registry.example.evil/team/app"),
        ("registry.example/team/*", "registryXexample/team/app"),
        ("registry.example/a", "registry.example:5000/a"),
        ("*.example/team/app", "evil.test/x.example/team/app"),
        ("*", "evil.example/app"),
        (f"docker@{DIGEST}", "docker@sha256:" + "b" * 64),
        ("docker:28", "docker:28x"),
    ],
)
def test_what_a_pattern_does_not_stand_for(pattern: str, reference: str) -> None:
    assert not matches(reference, pattern)
