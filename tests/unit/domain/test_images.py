"""Image references, and patterns that nobody slips past."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.factory import policy_spec

from nested_docker.api.meta import Mode
from nested_docker.domain.admission.grant_request import GrantRequest
from nested_docker.domain.admission.policy import evaluate
from nested_docker.domain.images import Image, is_valid, matches

DIGEST = "sha256:" + "a" * 64
CORPUS = json.loads(Path(__file__).with_name("references.json").read_text())
"""What references/main.go prints: references as distribution/reference reads them."""


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
        (f"docker:28@{DIGEST}", f"docker:28@{DIGEST}"),
        (f"docker:28@{DIGEST}", f"docker@{DIGEST}"),
        ("docker", f"docker:28@{DIGEST}"),
        ("docker", "index.docker.io/docker"),
        ("docker.io/docker", "docker"),
        ("docker.io/**", "team/app:1"),
        ("EVIL/docker", "EVIL/docker:28-dind"),
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
        ("evil/docker", "EVIL/docker:28-dind"),
        ("docker.io/*/docker", "Evil/docker"),
        ("docker:28-dind", f"docker:28-dind@{DIGEST}"),
        ("docker:*-dind", f"docker:28-dind@{DIGEST}"),
        ("docker:latest", f"docker:latest@{DIGEST}"),
        (f"docker:28@{DIGEST}", "docker:28"),
        (f"docker:28@{DIGEST}", "docker:28@sha256:" + "b" * 64),
        ("docker", "DOCKER.IO/docker"),
        ("docker.io/**", "INDEX.docker.io/library/docker"),
        ("docker.io/docker", "evil/docker"),
        ("**", "a" * 64),
        ("**", f"{DIGEST}"),
        ("**", "docker\n"),
        ("**", "docker:28\n"),
        ("**", "a//b"),
        ("**", "docker:28@sha512:" + "a" * 128),
    ],
)
def test_what_a_pattern_does_not_stand_for(pattern: str, reference: str) -> None:
    assert not matches(reference, pattern)


@pytest.mark.parametrize("each", CORPUS, ids=range(len(CORPUS)))
def test_docker_reads_references_in_the_same_way(each: dict[str, str]) -> None:
    reference, name, digest = each["reference"], each.get("name", ""), each.get("digest", "")
    identifier = name.endswith("/sha256") and reference.startswith("sha256:")
    if not name or identifier:
        assert not is_valid(reference)
        return
    image = Image.parse(reference)
    host, _, path = name.partition("/")
    host = host if host.lower() in {"docker.io", "index.docker.io"} else host.lower()
    assert image == Image(f"{host}/{path}", each.get("tag", ""), digest)
    assert matches(reference, "**")


def request(image: str) -> GrantRequest:
    return GrantRequest("a", {}, "standard", Mode.DIND, image=image, image_is_own=True)


def test_a_denial_of_another_reading_names_the_image_and_the_remedy() -> None:
    policies = {"p": policy_spec(allowedImages={"patterns": ["docker:28-dind"]})}
    for image in ("EVIL/docker:28-dind", f"docker:28-dind@{DIGEST}", "DOCKER.IO/library/docker:28-dind"):
        decision = evaluate(request(image), policies)
        assert not decision.granted
        assert f"spec.engine.image is {image}, and allowedImages.patterns has only docker:28-dind" in decision.message
    decision = evaluate(request("a//b"), policies)
    assert "spec.engine.image is a//b, which is not an image reference: use [registry/]repository" in decision.message
