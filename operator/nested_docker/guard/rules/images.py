"""Images: which may be seen, brought, named and taken away."""

from __future__ import annotations

import re
from dataclasses import replace

from nested_docker.guard.errors import MALFORMED, Refusal
from nested_docker.guard.hints import BUILDKIT, BUILDKITS_IMAGE, RYUK, RYUKS_IMAGE
from nested_docker.guard.model import Asked, Verdict
from nested_docker.guard.ownership import Kind, Need, Reference, image_labels, matches_any
from nested_docker.guard.rules import responses as answers
from nested_docker.guard.rules.containers import CONFIG
from nested_docker.guard.rules.schema import judged, text
from nested_docker.guard.wire.query import Query, one

REFERENCE = re.compile(
    r"([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[a-f0-9]{64})?"
)
"""`[registry/]repository[:tag][@digest]`."""


def visible(asked: Asked) -> Verdict:
    """What only looks at an image."""
    return Verdict(asked.query, references=(Reference(Kind.IMAGE, asked.name, Need.VISIBLE),))


def inspect(asked: Asked) -> Verdict:
    """`GET /images/{name}/json`."""
    return replace(visible(asked), answer=answers.image)


def delete(asked: Asked) -> Verdict:
    """`DELETE /images/{name}`."""
    return Verdict(asked.query, references=(Reference(Kind.IMAGE, asked.name, Need.OWN),))


def pull(asked: Asked) -> Verdict:
    """`POST /images/create`; the other thing it does, importing an archive, makes an image without an owner."""
    for key in ("fromSrc", "repo", "message", "changes"):
        if one(asked.query, key):
            raise Refusal("images.import", "images may not be imported from archives: build them")
    reference = _joined(one(asked.query, "fromImage"), one(asked.query, "tag"))
    if not matches_any(reference, asked.rules.images.pull):
        if matches_any(reference, [BUILDKITS_IMAGE]):
            raise Refusal("buildkit", BUILDKIT)
        if matches_any(reference, [RYUKS_IMAGE]):
            raise Refusal("images.pull", f"no pattern of images.pull stands for the image {reference}; {RYUK}")
    _allowed("images.pull", reference, asked.rules.images.pull)
    return Verdict(asked.query)


def push(asked: Asked) -> Verdict:
    """`POST /images/{name}/push`."""
    name, tag = asked.name, one(asked.query, "tag")
    _allowed("images.push", _joined(name, tag), asked.rules.images.push)
    return Verdict(asked.query, references=(Reference(Kind.IMAGE, f"{name}:{tag}", Need.VISIBLE),))


def tag(asked: Asked) -> Verdict:
    """`POST /images/{name}/tag`."""
    written = named(_joined(one(asked.query, "repo"), one(asked.query, "tag") or "latest"), asked)
    return Verdict(asked.query, references=(Reference(Kind.IMAGE, asked.name, Need.VISIBLE), written))


def commit(asked: Asked) -> Verdict:
    """`POST /commit`: the image has the guard's labels by a change that is made last."""
    if not asked.rules.containers.commit:
        raise Refusal("containers.commit", "images may not be made from containers")
    if one(asked.query, "changes"):
        raise Refusal("containers.commit", "changes may not be given: build an image from the one that is made")
    if any(judged(asked.body, {**CONFIG, "OnBuild": text}, "").values()):
        raise Refusal("containers.commit", "a configuration may not be given: build an image from the one that is made")
    references = [Reference(Kind.CONTAINER, one(asked.query, "container"), place=("query", "container"))]
    if repo := one(asked.query, "repo"):
        references.append(named(_joined(repo, one(asked.query, "tag") or "latest"), asked))
    label = " ".join(f'"{key}"="{value}"' for key, value in image_labels(asked.uid).items())
    return Verdict({**asked.query, "changes": (f"LABEL {label}",)}, references=tuple(references))


def save(asked: Asked) -> Verdict:
    """`GET /images/{name}/get`, and `/images/get?names=…`."""
    if not asked.rules.images.save:
        raise Refusal("images.save", "images may not be exported")
    names = (asked.name,) if asked.name else asked.query.get("names", ())
    if not names or not all(names):
        raise Refusal("fields", "no image is named", status=MALFORMED)
    # Names without a tag would mean all of a repository's, of which some need not be seen.
    whole = tuple(_whole(name) for name in names)
    query: Query = {**asked.query, "names": whole} if not asked.name else asked.query
    if asked.name and whole != (asked.name,):
        raise Refusal("images.save", f"name the image with its tag, such as {whole[0]}")
    return Verdict(query, references=tuple(Reference(Kind.IMAGE, name, Need.VISIBLE) for name in whole))


def load(asked: Asked) -> Verdict:
    """`POST /images/load`."""
    if not asked.rules.images.load:
        raise Refusal("images.load", "archives may not be loaded: they bring names that may be others'")
    return Verdict(asked.query)


def distribution(asked: Asked) -> Verdict:
    """`GET /distribution/{name}/json`: the daemon asks a registry."""
    patterns = [*asked.rules.images.pull, *asked.rules.images.push]
    _allowed("images.pull", _joined(asked.name, ""), patterns, any_tag=True)
    return Verdict(asked.query)


def named(reference: str, asked: Asked) -> Reference:
    """That an image may be given a name.

    Raises:
        Refusal: no pattern of the rules stands for it.
    """
    _allowed("images.tags", reference, asked.rules.images.tags)
    return Reference(Kind.IMAGE, reference, Need.FREE)


def _allowed(rule: str, reference: str, patterns: list[str], *, any_tag: bool = False) -> None:
    if not REFERENCE.fullmatch(reference):
        raise Refusal("fields", f"{reference!r} is no name of an image", status=MALFORMED)
    if not any_tag and "@" not in reference and ":" not in reference.rpartition("/")[2]:
        raise Refusal(rule, f"{reference} means all of its tags: name one")
    if not matches_any(reference, patterns):
        raise Refusal(rule, f"no pattern of {rule} stands for the image {reference}")


def _joined(name: str, tag_: str) -> str:
    if not tag_:
        return name
    return f"{name}@{tag_}" if tag_.startswith("sha256:") else f"{name}:{tag_}"


def _whole(name: str) -> str:
    last = name.rpartition("/")[2]
    if ":" in last or "@" in name or re.fullmatch(r"[0-9a-f]{12,64}", name):
        return name
    return f"{name}:latest"
